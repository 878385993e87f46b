"""Proving orders: facts = decisions = entries, order by order."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

from chalicelib.commissions import service, tables
from chalicelib.commissions.rules import journal as rules
from chalicelib.ledger import proof
from chalicelib.ledger.model import Account, Entry
from chalicelib.ledger.proof import Difference
from chalicelib.orders import service as orders
from chalicelib.orders.changes import SOURCE
from chalicelib.orders.model import Facts
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import quarantine, streams
from chalicelib.shared.streams import Subject

_FRESH: Final = timedelta(minutes=10)
"""What a live program was told so lately may still be on its way through the stream."""


def of_orders(program: Program, order_ids: Iterable[str]) -> list[Difference]:
    """What of these orders isn't decided as their facts say, isn't booked as it was decided, or can't be processed.

    Of what was told in the last minutes, nothing is said. A query each of facts, journal and entries.
    """
    aside = quarantine.keys_of(program.program_id, SOURCE)
    found: list[Difference] = []

    def look(subject: Subject) -> None:
        facts = orders.facts_of(program.program_id, subject.key)
        if not _is_fresh(program, facts):
            found.extend(_of_order(program, facts))

    subjects = [Subject(program.program_id, order_id) for order_id in order_ids]
    streams.finish(SOURCE, {one: {} for one in subjects if one.key not in aside}, look, service.foresee)
    return found + [Difference("quarantined", one.key, 0, 0) for one in subjects if one.key in aside]


def _of_order(program: Program, facts: Facts) -> Iterator[Difference]:
    case = service.case_of(program, facts, tables.read_journal(program.program_id, facts.order_id))
    if case is None:
        return
    following = service.following(case)
    if following is not None:
        found = sum(case.last.targets) if case.last is not None else 0
        yield Difference("decision", facts.order_id, sum(following.targets), found)
    yield from proof.differing([entry for decision in case.journal for entry in rules.entries_of(case, decision)])


def _is_fresh(program: Program, facts: Facts) -> bool:
    return _last_told(facts) >= _settled_before(program)


def _settled_before(program: Program) -> datetime:
    return program.now() - _FRESH if program.mode is Mode.LIVE else program.now()


def _last_told(facts: Facts) -> datetime:
    told = [completion.received_at for completion in facts.completions]
    told += [refund.received_at for refund in facts.refunds]
    told += [hand.received_at for hand in facts.hand_attributions]
    told += [one.received_at for one in (facts.cancellation, facts.order) if one is not None]
    return max(told)


def of_entries(program: Program, entries: Collection[Entry], since: datetime) -> Iterator[Difference]:
    """Orders of which some distributors' entries come to something else than their decisions say.

    Looked at are those of which anything was booked from `since` on: of these distributors, all entries must be given.
    """
    touched = {(entry.about, entry.distributor_id) for entry in entries if entry.tier and since <= entry.at}
    found: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if (entry.about, entry.distributor_id) in touched:
            earned = (entry.debit is Account.EXPENSE) - (entry.credit is Account.EXPENSE)
            found[entry.about, entry.distributor_id] += entry.amount_minor * earned
    for order_id, those in groupby(sorted(touched), key=itemgetter(0)):
        wanted = _earned(program, order_id)
        if wanted is None:
            continue
        for _, distributor_id in those:
            amounts = wanted[distributor_id], found[order_id, distributor_id]
            if amounts[0] != amounts[1]:
                yield Difference("commission", f"{order_id}:{distributor_id}", *amounts)


def _earned(program: Program, order_id: str) -> Counter[str] | None:
    """What an order's decisions say, by distributor; None: the last one's entries may still be on their way."""
    journal = tables.read_journal(program.program_id, order_id)
    if journal and journal[-1].at >= _settled_before(program):
        return None
    earned: Counter[str] = Counter()
    for row in service.commissions_of(program, order_id, journal):
        earned[row.distributor_id] += row.amount_minor
    return earned
