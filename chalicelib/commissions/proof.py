"""Proving orders: facts = decisions = entries, order by order; and which of them the stream has lost."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

from chalicelib.commissions import service, tables
from chalicelib.commissions.model import Decision
from chalicelib.commissions.rules import journal as rules
from chalicelib.commissions.rules.journal import Case
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.ledger import proof
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Entry
from chalicelib.ledger.proof import Difference
from chalicelib.orders import service as orders
from chalicelib.orders.changes import SOURCE, put_aside
from chalicelib.orders.model import Facts
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import quarantine, streams
from chalicelib.shared.streams import Aside, Record, Subject
from chalicelib.shared.value import Value

_FRESH: Final = timedelta(minutes=10)
"""What a live program was told so lately may still be on its way through the stream."""

_KEPT_WITHIN: Final = timedelta(minutes=1)
"""How long after it was received a fact is kept at the latest: no request takes longer. A decision made meanwhile may
not have known it."""


class Unlike(Value):
    """An order that isn't as its facts say: what differs, and what is to be decided of it next (None: nothing)."""

    order_id: str
    differences: tuple[Difference, ...]
    case: Case | None = None
    following: Decision | None = None
    lost: bool = False
    """Whether it differs only because something of it was never decided or booked."""


def of_orders(
    program: Program, order_ids: Iterable[str], paid_before: datetime | None = None, aside: Aside = put_aside
) -> list[Unlike]:
    """Those of these orders that aren't decided as their facts say, aren't booked as decided, or can't be processed.

    Of what was told in the last minutes, nothing is said; with `paid_before`, of those paid since and of those that
    were put aside before neither. A query each of facts, journal and entries.
    """
    subjects = [Subject(program.program_id, order_id) for order_id in order_ids]
    if not subjects:
        return []
    known = quarantine.keys_of(program.program_id, SOURCE)
    found: list[Unlike] = []

    def tell(program_id: str, source: str, key: str, reason: str, record: Record) -> None:
        aside(program_id, source, key, reason, record)
        found.append(_quarantined(key))

    def look(subject: Subject) -> None:
        facts = orders.facts_of(program.program_id, subject.key)
        is_newer = paid_before is not None and facts.paid_at is not None and facts.paid_at >= paid_before
        if not is_newer and not _is_fresh(program, facts):
            found.extend(_of_order(program, facts))

    streams.finish(SOURCE, {one: {} for one in subjects if one.key not in known}, look, service.foresee, tell)
    return found + [_quarantined(one.key) for one in subjects if one.key in known and paid_before is None]


def _quarantined(order_id: str) -> Unlike:
    return Unlike(order_id, (Difference("quarantined", order_id, 0, 0),))


def _of_order(program: Program, facts: Facts) -> Iterator[Unlike]:
    case = service.case_of(program, facts, tables.read_journal(program.program_id, facts.order_id))
    if case is None:
        return
    following, last = service.following(case), case.last
    unlike = proof.unlike([entry for decision in case.journal for entry in rules.entries_of(case, decision)])
    differences = [one.difference for one in unlike]
    if following is not None:
        found = sum(last.targets) if last is not None else 0
        differences.insert(0, Difference("decision", facts.order_id, sum(following.targets), found))
    if differences:
        # A decision is put once the entries of the one before are: if one of those isn't there, it was and is gone.
        unbooked = all(one.found_minor is None and last is not None and one.entry.n == last.n for one in unlike)
        lost = unbooked and (following is None or _is_news(case))
        yield Unlike(facts.order_id, tuple(differences), case, following, lost)


def _is_news(case: Case) -> bool:
    """Whether something was told, or a rank decided, that the last decision may not have known.

    Else what it knew was changed: its facts, the journal itself, or the code that decides.
    """
    last, told = case.last, case.facts.last_received_at
    if last is None or last.attribution < case.attribution or case.days_from(last.counts_on)[-1] > last.counts_on:
        return True
    return (told is not None and told >= last.at - _KEPT_WITHIN) or service.is_ranked_anew(case)


def lost_of(program: Program, found: Iterable[Unlike]) -> list[str]:
    """Those of these orders that the stream has lost: deciding them makes all right.

    Not those of which more is booked than their journal says. There a decision is gone, and another one would be
    booked beside its entries. Reads what was booked since for everybody who earns of them.
    """
    candidates = [one for one in found if one.lost]
    ahead = _booked_ahead(program, candidates)
    return [one.order_id for one in candidates if one.order_id not in ahead]


def _booked_ahead(program: Program, found: Iterable[Unlike]) -> set[str]:
    """Those of these orders of which a decision is booked that isn't in their journal."""
    decided: dict[str, int] = {}
    since: dict[str, datetime] = {}
    for one in found:
        if one.case is not None and one.following is not None:
            last = one.case.last
            decided[one.order_id] = len(one.case.journal)
            for distributor_id in service.earners([*one.case.journal, one.following]):
                begins = one.case.order.received_at if last is None else last.at
                since[distributor_id] = min(begins, since.get(distributor_id, begins))
    return {
        entry.about
        for earner in distributors.get_many(program.program_id, since).values()
        for entry in _booked_from(program, earner, since[earner.distributor_id])
        if entry.n > decided.get(entry.about, entry.n)
    }


def _booked_from(program: Program, earner: Distributor, at: datetime) -> Iterator[Entry]:
    return ledger.decided_from(distributors.holder(program, earner), at, program.midnight(program.local_day(at)))


def _is_fresh(program: Program, facts: Facts) -> bool:
    told = facts.last_received_at
    return told is not None and told >= _settled_before(program)


def _settled_before(program: Program) -> datetime:
    return program.now() - _FRESH if program.mode is Mode.LIVE else program.now()


def of_entries(program: Program, entries: Collection[Entry], since: datetime) -> Iterator[Difference]:
    """Orders of which some distributors' entries come to something else than their decisions say, or can't be read.

    Looked at are those of which anything was booked from `since` on: of these distributors, all entries must be given.
    """
    touched = {(entry.about, entry.distributor_id) for entry in entries if entry.tier and since <= entry.at}
    found: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if (entry.about, entry.distributor_id) in touched:
            earned = (entry.debit is Account.EXPENSE) - (entry.credit is Account.EXPENSE)
            found[entry.about, entry.distributor_id] += entry.amount_minor * earned
    for order_id, those in groupby(sorted(touched), key=itemgetter(0)):
        try:
            wanted = _earned(program, order_id)
        except tables.UNREADABLE:
            yield Difference("unreadable", order_id, 0, 0)
            continue
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
