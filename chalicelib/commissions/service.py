"""Deciding what orders pay, booking it, and explaining it.

Deciding is level-triggered: it reads all facts and the journal, and writes what is missing, however often it is
called. Each write has a key from its cause, so two workers, a crash or a replay end at the same journal and entries.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from chalicelib.catalog import service as catalog
from chalicelib.commissions import tables
from chalicelib.commissions.model import (
    Beneficiary,
    Commission,
    CommissionStatus,
    Decision,
    Journal,
    ProductTerms,
    Snapshot,
    Target,
)
from chalicelib.commissions.rules import journal as rules
from chalicelib.commissions.rules.journal import Case, Opening
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor, Status
from chalicelib.ledger import service as ledger
from chalicelib.ledger.service import Places
from chalicelib.levels import service as levels
from chalicelib.orders import service as orders
from chalicelib.orders.changes import hint_of
from chalicelib.orders.model import Facts, Order, OrderPlace
from chalicelib.orders.rules import taken_back
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.referrals.model import Attribution, Reason
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, NotFound
from chalicelib.shared.streams import Records, Subject
from chalicelib.shared.value import Value

STEPS_MAX: Final = 1_000
"""Decisions one call may write: more than 500 refunds, 100 attributions and their withdrawals ever need."""

_PAGE: Final = 100

_DAY_QUERIES_MAX: Final = 400
"""How many partitions of days one page of a program's commissions looks at."""


class Wanted(Value):
    """Which commissions a list shows: by status, and paid from `since` until before `until`. None: all."""

    status: CommissionStatus | None = None
    since: datetime | None = None
    until: datetime | None = None

    def spans(self, paid_at: datetime) -> bool:
        """Whether an order paid then is within it."""
        return (self.since is None or self.since <= paid_at) and (self.until is None or paid_at < self.until)

    def takes(self, row: Commission) -> bool:
        """Whether the list shows this one."""
        return self.status in (None, row.status) and self.spans(row.paid_at)


class DayPlace(Value):
    """Where a list of a program's commissions goes on: at a day, a place in it, and rows into the next order."""

    day: date
    places: Places
    skip: int


class Explanation(Value):
    """Why an order pays what it pays, or nobody: everything the answer is made of."""

    order: Order
    attribution: Attribution
    reason: Reason
    credited: bool
    journal: Journal
    opener: Decision | None
    target: Target | None
    commissions: tuple[Commission, ...]
    plan_version: int | None
    decided: bool

    @property
    def snapshot(self) -> Snapshot | None:
        """What the order is judged by; None: it credits nobody."""
        return None if self.opener is None else self.opener.snapshot


def decide(program_id: str, order_id: str) -> None:
    """Bring an order's journal and entries up to its facts. Writes nothing if they are.

    Raises ledger.DivergentReplay if a cause would make another entry than it did.
    """
    program = programs.get(program_id)
    journal = tables.first_look(program_id, order_id)
    for _ in range(STEPS_MAX):
        case = case_of(program, orders.facts_of(program_id, order_id), journal)
        if case is None or _caught_up(case):
            return
        journal = tables.read_journal(program_id, order_id)
    raise RuntimeError(f"Order {order_id} of {program_id} isn't decided after {STEPS_MAX} tries")


def decide_one(order: Subject) -> None:
    """See `decide`."""
    decide(order.program_id, order.key)


def foresee(records: Records) -> None:
    """Within `tables.reading_once`: read with few calls what deciding a batch's orders will ask one by one."""
    of_programs = attrgetter("program_id")
    for program_id, of_program in groupby(sorted(records, key=of_programs), key=of_programs):
        subjects = list(of_program)
        begun = tables.first_decisions(program_id, [subject.key for subject in subjects])
        hints = [hint_of(records[subject]) for subject in subjects if subject.key not in begun]
        catalog.foresee(program_id, {sku for hint in hints if hint and hint.distributor_id for sku in hint.skus})


def _caught_up(case: Case) -> bool:
    """Write decisions until there is nothing to write. False: another worker was faster, read again."""
    if case.last is not None:
        # A decision is only put once the entries of the one before are there: only the last one's can be missing.
        ledger.post_missing(rules.entries_of(case, case.last))
    for _ in range(STEPS_MAX):
        decision = following(case)
        if decision is None:
            return True
        if not tables.decision_item(case.program.program_id, case.order.order_id, decision).put_new():
            return False
        ledger.post(rules.entries_of(case, decision))
        case = _after(case, decision)
    return False


def following(case: Case) -> Decision | None:
    """What is to be written next of an order, None: it is decided. Reads ranks, and to open also who earns."""
    at = _decided_at(case)
    if rules.must_open(case):
        return rules.opened(case, _opening(case), at)
    return rules.next_decision(_ranked(case), at)


def _ranked(case: Case) -> Case:
    """The case with the rank that was decided since its order was judged with a provisional one.

    After a provisional decision this is asked once more, so none slips through while the close is going on.
    """
    last = case.last
    if last is None or last.rank_decided or last.withdrawn or last.distributor_id is None:
        return case
    decided = levels.decided_rank(case.program, last.distributor_id, case.program.local_day(case.paid_at))
    return replace(case, decided_rank=decided)


def is_ranked_anew(case: Case) -> bool:
    """Whether a rank was decided since the order was judged, and it isn't the one that it was judged with."""
    return case.last is not None and _ranked(case).decided_rank not in (None, case.last.rank)


def _after(case: Case, decision: Decision) -> Case:
    return replace(case, journal=[*case.journal, decision])


def _decided_at(case: Case) -> datetime:
    """The program's clock, never before a decision that was made or the fact that it is about."""
    return max([case.program.now(), case.order.received_at, *(d.at for d in case.journal[-1:])])


def case_of(program: Program, facts: Facts, journal: Journal) -> Case | None:
    """An order with all that it is decided by; None: it is not paid, or not told yet."""
    order = facts.order
    if order is None or order.plan_version is None or facts.paid_at is None:
        return None
    plan = programs.plan(program.program_id, order.plan_version)
    return Case(program, plan, order, facts.paid_at, facts, journal)


def _opening(case: Case) -> Opening:
    """How the attribution that is judged next judges the order: everything is read here, once, and frozen."""
    n = case.judged_next
    attribution = orders.by_hand(case.facts.hand_attributions[n - 1].distributor_id) if n else case.order.attribution
    if not n:
        day = case.opens_on()
        back = taken_back(case.order.content, case.until(day, day))
        if back is not None:
            return Opening(None, back, None, None)
    if attribution.distributor_id is None:
        return Opening(None, attribution.reason, None, None)
    seller = distributors.get(case.program.program_id, attribution.distributor_id)
    snapshot = _snapshot(case, seller)
    if _all_barred(case.order, snapshot.barred):
        return Opening(None, Reason.PRODUCT_NOT_ELIGIBLE, None, None)
    rank = levels.rank_on(case.program, seller, case.program.local_day(case.paid_at))
    return Opening(seller.distributor_id, attribution.reason, snapshot, rank)


def _all_barred(order: Order, barred: Collection[str]) -> bool:
    paid = [line for line in order.content.lines if line.paid_minor]
    return bool(paid) and all(line.sku in barred for line in paid)


def _snapshot(case: Case, seller: Distributor) -> Snapshot:
    program_id = case.program.program_id
    version = case.order.plan_version
    assert version is not None  # noqa: S101  (the case has its plan)
    tiers = len(case.plan.tracks[seller.track].upline_rates_bp)
    uplines = distributors.chain_at(program_id, seller, case.paid_at, tiers) if tiers else []
    found = catalog.rules_at(program_id, {line.sku for line in case.order.content.lines}, case.paid_at)
    return Snapshot(
        plan_version=version,
        track=seller.track,
        currency=case.order.content.currency,
        paid_at=case.paid_at,
        chain=tuple(_beneficiary(case, tier, one) for tier, one in enumerate([seller, *uplines], start=1)),
        products={
            sku: ProductTerms(rule.mode, rule.rate_bp, rule.fixed_minor)
            for sku, rule in found.items()
            if rule.sellable_by(seller.track)
        },
        barred=frozenset(sku for sku, rule in found.items() if not rule.sellable_by(seller.track)),
    )


def _beneficiary(case: Case, tier: int, one: Distributor) -> Beneficiary:
    """The seller was judged when the order was attributed; an upline is judged here, skipped if it can't be paid."""
    status = one.status_at(case.paid_at)
    payable = tier == 1 or status is Status.APPROVED
    suspended = status is Status.SUSPENDED
    reason = Reason.DISTRIBUTOR_SUSPENDED if suspended else Reason.DISTRIBUTOR_NOT_APPROVED
    shard = ids.shard(case.order.order_id, one.shards)
    return Beneficiary(tier, one.distributor_id, shard, None if payable else reason)


def is_decided(case: Case | None) -> bool:
    """Whether journal and entries say all that the facts do; an order that isn't paid has nothing to decide."""
    if case is None:
        return True
    if case.last is None or rules.must_open(case):
        return False
    if rules.next_decision(_ranked(case), _decided_at(case)) is not None:
        return False
    return not ledger.missing(rules.entries_of(case, case.last))


def undecided_order(program: Program) -> str | None:
    """A paid order of the last 400 days that isn't decided and booked yet, None if there is none. For test programs.

    Costs a query a day, and two calls for a hundred orders.
    """
    newest, oldest = _days(program, Wanted(since=program.now() - clock.BACK_MAX))
    for back in range((newest - oldest).days + 1):
        for paid in pages_paid_on(program, newest - timedelta(days=back)):
            undecided = undecided_of(program, paid)
            if undecided:
                return undecided[0]
    return None


def pages_paid_on(program: Program, day: date) -> Iterator[list[str]]:
    """The orders paid on a local day, by the hundred, last paid first."""
    return (paid for paid, _ in pages_paid(program, day, day, None))


def pages_paid(
    program: Program, first: date, last: date, place: DayPlace | None
) -> Iterator[tuple[list[str], DayPlace]]:
    """The orders paid on the days `first` to `last`, by the hundred, each page with where the walk goes on after it."""
    here = place or DayPlace(first, {}, 0)
    while here.day <= last:
        found, further = orders.paid_on(program, here.day, _PAGE, here.places)
        here = DayPlace(here.day + timedelta(days=1), {}, 0) if further is None else replace(here, places=further)
        yield [one.order_id for one in found], here


def undecided_of(program: Program, order_ids: Sequence[str]) -> list[str]:
    """Those of these orders that have no decision that can be read, or one of this very instant whose first entry isn't
    there yet.

    Entries follow a decision within milliseconds; a test program's clock, which stands still, waits for them.
    """
    first = tables.first_decisions(program.program_id, order_ids)
    fresh = [
        rules.first_entry(program.program_id, order_id, decision)
        for order_id, decision in first.items()
        if decision.at >= program.now()
    ]
    unbooked = {entry.about for entry in ledger.missing([entry for entry in fresh if entry is not None])}
    return [order_id for order_id in order_ids if order_id not in first or order_id in unbooked]


def explain(program: Program, order_id: str) -> Explanation:
    """Everything about what an order pays. Raises NotFound."""
    order, facts = orders.get(program.program_id, order_id)
    journal = tables.read_journal(program.program_id, order_id)
    case = case_of(program, facts, journal)
    said = orders.attribution_of(order, facts)
    opener = journal[journal[-1].opened_by - 1] if journal else None
    snapshot = None if opener is None else opener.snapshot
    return Explanation(
        order=order,
        attribution=said,
        reason=said.reason if opener is None else opener.reason,
        credited=said.credited if opener is None else opener.credited,
        journal=journal,
        opener=opener,
        target=None if case is None or snapshot is None else rules.target_of(case, snapshot, journal[-1].rank, facts),
        commissions=tuple(commissions_of(program, order_id, journal)),
        plan_version=order.plan_version,
        decided=is_decided(case),
    )


def journal_of(program_id: str, order_id: str) -> Journal:
    """An order's decisions."""
    return tables.read_journal(program_id, order_id)


def earners(journal: Journal) -> set[str]:
    """Who has, or had, a part in an order."""
    return {b.distributor_id for d in journal if d.snapshot is not None for b in d.snapshot.chain if b.reason is None}


def commissions_of(program: Program, order_id: str, journal: Journal) -> list[Commission]:
    """An order's commissions, one per tier and beneficiary who can be paid.

    Those of an earlier attribution stay, at 0.
    """
    rows: dict[tuple[int, str], Commission] = {}
    for opener in journal:
        if opener.snapshot is None:
            continue
        under = [decision for decision in journal if decision.opened_by == opener.n]
        for beneficiary in opener.snapshot.chain:
            if beneficiary.reason is None:
                row = _commission(program, order_id, opener.snapshot, under, beneficiary)
                before = rows.pop((row.tier, row.distributor_id), None)
                rows[row.tier, row.distributor_id] = _merged(before, row)
    return list(rows.values())


def _merged(before: Commission | None, row: Commission) -> Commission:
    """One who was attributed the order before and gets nothing now has had it clawed back; it isn't void."""
    if before is None or row.status is not CommissionStatus.VOID:
        return row
    return before


def _commission(
    program: Program, order_id: str, snapshot: Snapshot, under: Journal, beneficiary: Beneficiary
) -> Commission:
    last, i = under[-1], beneficiary.tier - 1
    return Commission(
        order_id,
        beneficiary.tier,
        beneficiary.distributor_id,
        last.targets[i],
        snapshot.currency,
        _status(program, last, i, accrued=any(decision.targets[i] for decision in under)),
        snapshot.paid_at,
        last.available_at,
    )


def _status(program: Program, last: Decision, i: int, *, accrued: bool) -> CommissionStatus:
    if not last.targets[i]:
        return CommissionStatus.CLAWED_BACK if accrued else CommissionStatus.VOID
    released = last.available_at is not None and last.available_at <= program.now()
    return CommissionStatus.AVAILABLE if released else CommissionStatus.PENDING


def named(rows: Iterable[Commission], tier: int, distributor_id: str) -> Commission:
    """The one of an order's commissions that is this beneficiary's in this tier. Raises NotFound."""
    for row in rows:
        if (row.tier, row.distributor_id) == (tier, distributor_id):
            return row
    raise NotFound(Code.NOT_FOUND, "There is no such commission.")


def commissions_for(
    program: Program, distributor: Distributor, wanted: Wanted, limit: int, places: Places | None
) -> tuple[list[Commission], Places | None]:
    """A distributor's commissions, last decided first, and where the list goes on. A page may be short."""
    entries, further = ledger.opened(
        distributors.holder(program, distributor), program.now() + clock.AHEAD_MAX, limit, places
    )
    rows = [
        named(_stored(program, entry.about), entry.tier, distributor.distributor_id)
        for entry in entries
        if wanted.spans(entry.paid_at)
    ]
    return [row for row in rows if wanted.takes(row)], further


def sold_by(
    program: Program, distributor: Distributor, limit: int, places: Places | None
) -> tuple[list[str], Places | None]:
    """The orders a distributor was credited with as their seller, last decided first, and where the list goes on."""
    entries, further = ledger.opened(
        distributors.holder(program, distributor), program.now() + clock.AHEAD_MAX, limit, places
    )
    return [entry.about for entry in entries if entry.tier == 1], further


def commissions_in(
    program: Program, wanted: Wanted, limit: int, place: DayPlace | None
) -> tuple[list[Commission], DayPlace | None]:
    """A program's commissions, last paid order first, and where the list goes on. A page may be short."""
    newest, oldest = _days(program, wanted)
    here = place or DayPlace(newest, {}, 0)
    rows: list[Commission] = []
    for _ in range(_DAY_QUERIES_MAX // orders.shards_a_day(program)):
        if here.day < oldest:
            return rows, None
        found, further = orders.paid_on(program, here.day, limit + 1, here.places)
        for one in found:
            of_order = _wanted_of(program, one, wanted)[here.skip :]
            room = limit - len(rows)
            rows += of_order[:room]
            if len(of_order) > room:
                return rows, replace(here, skip=here.skip + room)
            here = DayPlace(here.day, orders.after(program, one, here.places), 0)
        if further is None:
            here = DayPlace(here.day - timedelta(days=1), {}, 0)
    return rows, here


def _wanted_of(program: Program, one: OrderPlace, wanted: Wanted) -> list[Commission]:
    if not wanted.spans(one.paid_at):
        return []
    return [row for row in _stored(program, one.order_id) if wanted.takes(row)]


def _stored(program: Program, order_id: str) -> list[Commission]:
    return commissions_of(program, order_id, tables.read_journal(program.program_id, order_id))


def _days(program: Program, wanted: Wanted) -> tuple[date, date]:
    """The newest and the oldest local day that a list has to look at: nothing is judged before there is a plan."""
    ahead = program.now() + clock.AHEAD_MAX
    until = ahead if wanted.until is None else min(wanted.until, ahead)
    first_plan = min((mark.effective_at for mark in program.plans), default=until + timedelta(days=1))
    since = max(first_plan, program.created_at - clock.BACK_MAX)
    return program.local_day(until), program.local_day(since if wanted.since is None else max(since, wanted.since))
