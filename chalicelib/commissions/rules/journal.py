"""What to write next: the journal's next decision, and the entries that a decision books.

Pure functions of facts, journal and what was frozen. Target-based: a decision says what should be true now, so it
doesn't matter how often, in which order or in how many pieces the facts arrived.
"""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec.structs import replace

from chalicelib.commissions.model import Beneficiary, Cause, Decision, Journal, Snapshot, Target
from chalicelib.commissions.rules import when
from chalicelib.commissions.rules.target import Terms, target
from chalicelib.ledger.model import Account, Entry, Kind
from chalicelib.levels.model import Rank
from chalicelib.orders.model import Facts, Order
from chalicelib.programs.model import Plan, Program
from chalicelib.referrals.model import Reason
from chalicelib.shared.value import Value


class Opening(Value):
    """How an order is judged by the attribution that holds: for whom and by what, or why for nobody."""

    distributor_id: str | None
    reason: Reason
    snapshot: Snapshot | None
    rank: Rank | None


class Case(Value):
    """One order to be decided: its facts, its journal, and the plan in force when it was paid.

    `decided_rank`: the seller's rank of the paid day, if it was decided since the order was judged.
    """

    program: Program
    plan: Plan
    order: Order
    paid_at: datetime
    facts: Facts
    journal: Journal
    decided_rank: int | None = None

    @property
    def last(self) -> Decision | None:
        """The last decision."""
        return self.journal[-1] if self.journal else None

    @property
    def attribution(self) -> int:
        """The attribution that holds: 0 the order's own, else the number of the last one by hand."""
        return len(self.facts.hand_attributions)

    @property
    def snapshot(self) -> Snapshot | None:
        """What the last decision is under."""
        return self.journal[self.journal[-1].opened_by - 1].snapshot if self.journal else None

    @property
    def judged_next(self) -> int:
        """The attribution after the one that the last decision follows. They are judged in turn, even if several came
        at once: so volumes move on the days on which the attributions changed, whenever that is decided."""
        return 0 if self.last is None else self.last.attribution + 1

    def opens_on(self) -> date:
        """The day from which the attribution that is judged next counts, never before what is already decided."""
        if self.last is None:
            return self.day_of(self.order.received_at)
        hand = self.facts.hand_attributions[self.last.attribution]
        return max(self.last.counts_on, self.day_of(hand.received_at))

    def day_of(self, received_at: datetime) -> date:
        """The day a fact of this order counts on."""
        return when.counts_on(self.program, self.plan, self.paid_at, received_at)

    def until(self, start: date, day: date) -> Facts:
        """The facts that count up to `day`, where those of before `start` count on it."""
        if not self.facts.refunds and self.facts.cancellation is None:
            return self.facts
        cancellation = self.facts.cancellation
        return replace(
            self.facts,
            refunds=tuple(r for r in self.facts.refunds if max(start, self.day_of(r.received_at)) <= day),
            cancellation=cancellation
            if cancellation is not None and max(start, self.day_of(cancellation.received_at)) <= day
            else None,
        )

    def days_from(self, start: date) -> list[date]:
        """`start`, and the later days on which something came back."""
        told = [refund.received_at for refund in self.facts.refunds]
        if self.facts.cancellation is not None:
            told.append(self.facts.cancellation.received_at)
        return sorted({start, *(max(start, self.day_of(received_at)) for received_at in told)})


def must_open(case: Case) -> bool:
    """Whether another attribution has to be judged next: none was yet, or it changed and all is back."""
    last = case.last
    return last is None or (last.attribution < case.attribution and (last.withdrawn or not last.booked))


def opened(case: Case, opening: Opening, at: datetime) -> Decision:
    """The decision that opens the attribution that is judged next."""
    day = case.opens_on()
    decision = Decision(
        n=len(case.journal) + 1,
        at=at,
        cause=Cause.ATTRIBUTION if case.judged_next else Cause.ORDER,
        attribution=case.judged_next,
        distributor_id=opening.distributor_id,
        reason=opening.reason,
        opened_by=len(case.journal) + 1,
        snapshot=opening.snapshot,
        rank=None if opening.rank is None else opening.rank.rank,
        rank_decided=opening.rank is None or opening.rank.decided,
        targets=(),
        deltas=(),
        exact=(),
        base_minor=0,
        base_delta=0,
        count=0,
        count_delta=0,
        counts_on=day,
        available_at=None,
    )
    if opening.snapshot is None:
        return decision
    chain = len(opening.snapshot.chain)
    wanted = target_of(case, opening.snapshot, decision.rank, case.until(day, day))
    return _aimed(case, replace(decision, targets=(0,) * chain), wanted, day, at)


def next_decision(case: Case, at: datetime) -> Decision | None:
    """What to write after the last decision, None: nothing. Only when `must_open` is false."""
    before, snapshot = case.last, case.snapshot
    if before is None or snapshot is None:
        return None
    last = _ranked(before, case.decided_rank)
    followed_on = case.opens_on() if last.attribution < case.attribution else date.max
    for day in case.days_from(last.counts_on):
        if day >= followed_on:
            break
        wanted = target_of(case, snapshot, last.rank, case.until(last.counts_on, day))
        aimed = _aimed(case, _follow(last, Cause.COMPLETION, at), wanted, day, at)
        if _changes(before, aimed):
            return replace(aimed, cause=_cause(case, aimed))
    return None if followed_on == date.max else _withdrawal(case, last, followed_on, at)


def _ranked(last: Decision, decided_rank: int | None) -> Decision:
    """The decision with the rank that was decided since, if that is another one."""
    if decided_rank in (None, last.rank):
        return last
    return replace(last, rank=decided_rank, rank_decided=True)


def _withdrawal(case: Case, last: Decision, day: date, at: datetime) -> Decision:
    """The decision that takes everything back, on the day on which another attribution follows."""
    return replace(_aimed(case, _follow(last, Cause.ATTRIBUTION, at), Target(0, ()), day, at), withdrawn=True)


def _cause(case: Case, aimed: Decision) -> Cause:
    if case.last is not None and case.last.rank != aimed.rank:
        return Cause.LEVEL
    if not (any(aimed.deltas) or aimed.base_delta or aimed.count_delta):
        return Cause.COMPLETION
    return Cause.REFUND if case.facts.cancellation is None else Cause.CANCELLATION


def _follow(last: Decision, cause: Cause, at: datetime) -> Decision:
    return replace(last, n=last.n + 1, at=at, cause=cause, snapshot=None)


def _aimed(case: Case, decision: Decision, wanted: Target, day: date, at: datetime) -> Decision:
    """The decision with its targets set to what is wanted, and what that changes."""
    amounts = _padded(wanted.amounts, len(decision.targets))
    aimed = replace(
        decision,
        targets=amounts,
        deltas=tuple(new - old for new, old in zip(amounts, decision.targets, strict=True)),
        exact=_padded(tuple(tier.exact for tier in wanted.tiers), len(decision.targets)),
        base_minor=wanted.base_minor,
        base_delta=wanted.base_minor - decision.base_minor,
        count=wanted.count,
        count_delta=wanted.count - decision.count,
        counts_on=day,
    )
    return replace(aimed, available_at=_available_at(case, aimed, at))


def _available_at(case: Case, aimed: Decision, at: datetime) -> datetime | None:
    taken_back = aimed.attribution < case.attribution
    if aimed.available_at is not None or taken_back or not any(aimed.targets):
        return aimed.available_at
    starts_at = when.hold_starts(case.plan.hold, case.paid_at, case.facts.completed_at)
    if starts_at is None:
        return None
    return when.bucket(case.program, when.hold_ends(case.program, case.plan, case.paid_at, starts_at), at)


def _changes(last: Decision, aimed: Decision) -> bool:
    moved = any(aimed.deltas) or aimed.base_delta or aimed.count_delta
    return bool(moved or aimed.available_at != last.available_at or aimed.rank != last.rank)


def _padded(amounts: tuple[int, ...], length: int) -> tuple[int, ...]:
    return amounts + (0,) * (length - len(amounts))


def terms(plan: Plan, snapshot: Snapshot, rank: int | None) -> Terms:
    """The rates that a snapshot and the seller's rank give."""
    track = plan.tracks[snapshot.track]
    uplines = zip(snapshot.chain[1:], track.upline_rates_bp, strict=False)
    return Terms(
        level_rate_bp=track.highest(rank or 1).rate_bp,
        upline_rates_bp=tuple(rate if upline.reason is None else None for upline, rate in uplines),
        cap_bp=plan.commission.cap_bp,
        products=snapshot.products,
        barred=snapshot.barred,
    )


def target_of(case: Case, snapshot: Snapshot, rank: int | None, facts: Facts) -> Target:
    """What a snapshot says should be booked for the facts given."""
    return target(facts.remaining(), terms(case.plan, snapshot, rank))


def entries_of(case: Case, decision: Decision) -> list[Entry]:
    """What a decision of the case's journal (or the next one) books: at most an entry and a release per beneficiary."""
    before = case.journal[decision.n - 2] if decision.n > 1 else None
    same = before is not None and before.opened_by == decision.opened_by
    released_before = before is not None and same and before.available_at is not None
    opener = decision if decision.opens else case.journal[decision.opened_by - 1]
    if opener.snapshot is None:
        return []
    entries = []
    for beneficiary, amount, delta in zip(opener.snapshot.chain, decision.targets, decision.deltas, strict=True):
        if beneficiary.reason is None:
            entry = _Booking(case, decision, beneficiary, released_before)
            entries += [*entry.change(delta), *entry.release(amount, delta)]
    return entries


def first_entry(program_id: str, order_id: str, opener: Decision) -> Entry | None:
    """The seller's accrual that an order's first decision books, its volume with it; None: it credits nobody."""
    if opener.snapshot is None:
        return None
    seller = opener.snapshot.chain[0]
    return Entry(
        program_id=program_id,
        distributor_id=seller.distributor_id,
        shard=seller.shard,
        currency=opener.snapshot.currency,
        kind=Kind.ACCRUE,
        debit=Account.EXPENSE,
        credit=Account.PENDING,
        amount_minor=opener.deltas[0],
        about=order_id,
        n=opener.n,
        tier=seller.tier,
        cause=opener.cause,
        at=opener.at,
        paid_at=opener.snapshot.paid_at,
        opens=True,
        available_at=None,
        counts_on=opener.counts_on,
        base_minor=opener.base_delta,
        count=opener.count_delta,
    )


class _Booking(Value):
    """One decision's entries for one beneficiary."""

    case: Case
    decision: Decision
    beneficiary: Beneficiary
    released_before: bool

    def change(self, delta: int) -> Sequence[Entry]:
        """The accrual or the clawback. Tier 1 books volume even where no money moves."""
        carries_volume = self.beneficiary.tier == 1 and (self.decision.base_delta or self.decision.count_delta)
        if delta > 0 or self.decision.opens:
            return [self._entry(Kind.ACCRUE, Account.EXPENSE, Account.PENDING, delta, None)]
        if delta < 0 or carries_volume:
            if self.released_before:
                return [self._entry(Kind.CLAWBACK, Account.AVAILABLE, Account.EXPENSE, -delta, self._moves_at())]
            return [self._entry(Kind.CLAWBACK, Account.PENDING, Account.EXPENSE, -delta, None)]
        return []

    def release(self, amount: int, delta: int) -> Sequence[Entry]:
        """The release: of everything when the hold becomes known, of what is added when it was known before."""
        due = max(0, delta) if self.released_before else amount
        if self.decision.available_at is None or not due:
            return []
        return [self._entry(Kind.RELEASE, Account.PENDING, Account.AVAILABLE, due, self._moves_at())]

    def _moves_at(self) -> datetime:
        available_at = self.decision.available_at
        assert available_at is not None  # noqa: S101  (both callers have seen a release)
        return when.bucket(self.case.program, available_at, self.decision.at)

    def _entry(
        self, kind: Kind, debit: Account, credit: Account, amount_minor: int, available_at: datetime | None
    ) -> Entry:
        decision, volume = self.decision, self.beneficiary.tier == 1 and kind is not Kind.RELEASE
        return Entry(
            program_id=self.case.program.program_id,
            distributor_id=self.beneficiary.distributor_id,
            shard=self.beneficiary.shard,
            currency=self.case.order.content.currency,
            kind=kind,
            debit=debit,
            credit=credit,
            amount_minor=amount_minor,
            about=self.case.order.order_id,
            n=decision.n,
            tier=self.beneficiary.tier,
            cause=decision.cause,
            at=decision.at,
            paid_at=self.case.paid_at,
            opens=kind is Kind.ACCRUE and decision.opens and self._first_time(),
            available_at=available_at,
            counts_on=decision.counts_on if volume else None,
            base_minor=decision.base_delta if volume else 0,
            count=decision.count_delta if volume else 0,
        )

    def _first_time(self) -> bool:
        """Whether no earlier snapshot of this order had this beneficiary in this tier."""
        mine = (self.beneficiary.tier, self.beneficiary.distributor_id)
        earlier = [d.snapshot for d in self.case.journal[: self.decision.n - 1] if d.snapshot is not None]
        return all(mine != (b.tier, b.distributor_id) for snapshot in earlier for b in snapshot.chain)
