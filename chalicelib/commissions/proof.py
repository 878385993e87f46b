"""Proving orders: facts = decisions = entries, order by order."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from chalicelib.commissions import service, tables
from chalicelib.commissions.model import Journal
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


def of_entries(
    program: Program, distributor_id: str, entries: Collection[Entry], since: datetime
) -> Iterator[Difference]:
    """Orders of which a distributor's entries come to something else than its decisions say.

    Looked at are those of which anything was booked from `since` on: of all, all entries must be given.
    """
    touched = {entry.about for entry in entries if entry.tier and since <= entry.at}
    found: Counter[str] = Counter()
    for entry in entries:
        if entry.tier and entry.about in touched:
            found[entry.about] += entry.amount_minor * (
                (entry.debit is Account.EXPENSE) - (entry.credit is Account.EXPENSE)
            )
    for order_id in sorted(touched):
        journal = tables.read_journal(program.program_id, order_id)
        wanted = _earned(program, order_id, journal, distributor_id)
        if wanted != found[order_id] and (not journal or journal[-1].at < _settled_before(program)):
            yield Difference("commission", f"{order_id}:{distributor_id}", wanted, found[order_id])


def _earned(program: Program, order_id: str, journal: Journal, distributor_id: str) -> int:
    rows = service.commissions_of(program, order_id, journal)
    return sum(row.amount_minor for row in rows if row.distributor_id == distributor_id)
