"""A second set of books, fed at the wire: what each write has changed is held against the invariants of money at once.

It sees what the store holds after an attempt, not what was attempted, so a refused write is none and a lost answer is
one. Of a transaction it sees everything together. The numbers are those of the design's list; docs/money.md has it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from chalicelib.access.tables import AuditItem
from chalicelib.accounts.tables import BalanceItem, SettlementItem
from chalicelib.commissions.model import Decision
from chalicelib.commissions.tables import DecisionItem, decision_of
from chalicelib.distributors.tables import ProfileItem
from chalicelib.ledger.model import Entry
from chalicelib.ledger.tables import EntryItem, read_entry
from chalicelib.levels.tables import StandingItem, standing_of
from chalicelib.operations.tables import ReportItem
from chalicelib.orders.tables import OrderItem
from chalicelib.payouts.tables import BookItem
from chalicelib.shared import clock
from chalicelib.shared.money import BP
from chalicelib.shared.quarantine import QuarantineItem
from chalicelib.withdrawals import rules as withdrawals
from chalicelib.withdrawals.model import BY_JOB, BY_PLAN, Split, Status, Withdrawal
from chalicelib.withdrawals.tables import WithdrawalItem

Image = Mapping[str, Any]
"""An item as the wire has it: attributes with their types."""

Key = tuple[str, str, str]
"""Room, `pk`, `sk`."""

UNPAID = (Status.FAILED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED)


class Broken(BaseException):
    """An invariant doesn't hold. Nothing that is under test may catch it."""

    def __init__(self, number: int, why: object) -> None:
        super().__init__(f"invariant {number}: {why}")
        self.number = number


@dataclass(frozen=True)
class Change:
    """One item, before and after a write."""

    room: str
    pk: str
    sk: str
    before: Image | None
    after: Image

    @property
    def key(self) -> Key:
        return self.room, self.pk, self.sk


@dataclass(frozen=True)
class Terms:
    """What the mirror has to know of the program that it watches."""

    program_id: str = "shop-1"
    currency: str = "CNY"
    timezone: str = "Asia/Shanghai"
    tiers: int = 3
    cap_bp: int = 5_000
    per_day: int = 100
    canaries: tuple[str, ...] = ()
    """What may stand in no request in plain text."""


@dataclass
class Mirror:
    """Everything that was written, and what follows from it."""

    terms: Terms = Terms()
    items: dict[Key, Image] = field(default_factory=dict)
    causes: dict[str, Key] = field(default_factory=dict)
    """Where the entry of each cause stands."""
    of_pk: defaultdict[tuple[str, str], dict[str, Image]] = field(default_factory=lambda: defaultdict(dict))
    """Items by room and `pk`, then by `sk`."""
    held: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    """What each distributor's open withdrawals hold, by withdrawal."""

    def take(self, images: Iterable[tuple[Key, Image]]) -> None:
        """Begin with what is there already."""
        for key, image in images:
            self._keep(key, image)

    def see(self, changes: Collection[Change]) -> None:
        """Take what one write, or one transaction, has changed. Raises Broken."""
        for change in changes:
            self._keep(change.key, change.after)
        for change in changes:
            for check in CHECKS.get(change.room, ()):
                check(self, change, changes)

    def overhear(self, request: bytes) -> None:
        """Invariant 38, of a request as it is sent."""
        _hold(38, not any(canary.encode() in request for canary in self.terms.canaries), "a canary in plain text")

    def _keep(self, key: Key, image: Image) -> None:
        room, pk, sk = key
        self.items[key] = image
        self.of_pk[room, pk][sk] = image
        if room == "entries":
            self.causes.setdefault(_entry(image).entry_id, key)
        if room == "withdrawals" and sk.startswith("wdr_"):
            one = _withdrawal(image)
            self.held[one.distributor_id][one.withdrawal_id] = 0 if one.status.terminal else one.amount_minor

    def all(self, room: str) -> Iterator[tuple[Key, Image]]:
        """Every item of a room."""
        return ((key, image) for key, image in list(self.items.items()) if key[0] == room)

    def book(self) -> dict[str, BookItem]:
        """What has reached the provider, by reference."""
        found = (BookItem.from_raw_data(dict(image)) for key, image in self.all("payouts") if "#pretend" in key[1])
        return {item.sk: item for item in found if item.booked_at is not None}


def _hold(number: int, holds: object, why: object) -> None:
    if not holds:
        raise Broken(number, why)


# Every room


def _in_its_program(mirror: Mirror, change: Change, _: Collection[Change]) -> None:
    """Nothing is written for another program than the one that is asked."""
    mine = change.pk.removeprefix("audit#").removeprefix("jobs#").removeprefix("done#")
    others = f"{mirror.terms.program_id}-other"
    _hold(36, others not in mine, change.key)


# Facts


def _facts(_: Mirror, change: Change, __: Collection[Change]) -> None:
    before = change.before
    if change.sk == "order":
        if before is not None:
            _hold(1, _order(change.after).version > _order(before).version, change.key)
    elif before is not None:
        number = 2 if change.sk.startswith("refund#") else 11
        _hold(number, before == change.after, change.key)


def _by_hand(_: Mirror, change: Change, together: Collection[Change]) -> None:
    if change.sk.startswith("attribution#"):
        _hold(37, any(each.pk.startswith("audit#") for each in together), change.key)


# Decisions


def _decisions(mirror: Mirror, change: Change, _: Collection[Change]) -> None:
    _hold(4, change.before is None, f"{change.key} is changed")
    n = int(change.sk)
    so_far = mirror.of_pk["decisions", change.pk]
    _hold(4, sorted(so_far) == [f"{k:06}" for k in range(1, n + 1)], f"{change.key} after {sorted(so_far)}")
    journal = [decision_of(DecisionItem.from_raw_data(dict(so_far[sk]))) for sk in sorted(so_far)]
    this = journal[-1]
    opener = journal[this.opened_by - 1]
    _hold(3, this.base_minor >= 0, this)
    _sums(journal, this)
    _snapshot_stands(journal, this, opener)
    _chain(mirror, this, opener)
    _judged(mirror, change.pk, this, opener)


def _sums(journal: list[Decision], this: Decision) -> None:
    under = [each for each in journal if each.opened_by == this.opened_by]
    running = tuple(map(sum, zip(*(each.deltas for each in under), strict=True)))
    _hold(5, running == this.targets, (running, this.targets))
    _hold(13, all(target >= 0 for target in this.targets), this.targets)


def _snapshot_stands(journal: list[Decision], this: Decision, opener: Decision) -> None:
    if this is opener:
        return
    same = this.snapshot is None and this.distributor_id == opener.distributor_id
    before = journal[-2]
    decided = before.rank_decided and before.opened_by == this.opened_by
    _hold(6, same and (not decided or this.rank == before.rank), (before, this))


def _chain(mirror: Mirror, this: Decision, opener: Decision) -> None:
    snapshot = opener.snapshot
    if snapshot is None:
        return
    _hold(8, sum(this.targets) * BP <= this.base_minor * mirror.terms.cap_bp, this)
    who = [each.distributor_id for each in snapshot.chain]
    _hold(9, len(who) <= mirror.terms.tiers and len(set(who)) == len(who), who)
    for each in who:
        profile = _profile(mirror.items["distributors", f"{mirror.terms.program_id}#{each}", "profile"])
        _hold(10, profile.joined_at and clock.read(profile.joined_at) <= snapshot.paid_at, (each, snapshot.paid_at))


def _judged(mirror: Mirror, pk: str, this: Decision, opener: Decision) -> None:
    """A rank that counts as decided is the one that the close of its day has decided."""
    if not this.rank_decided or this.rank is None or opener.snapshot is None or opener.distributor_id is None:
        return
    program_id = pk.partition("#")[0]
    day = clock.local_day(opener.snapshot.paid_at, mirror.terms.timezone).isoformat()
    closed = [sk for room, at, sk in mirror.items if room == "levels" and at == f"{program_id}#close"]
    if closed and day <= max(closed):
        standings = mirror.of_pk["levels", f"{program_id}#{opener.distributor_id}"]
        until = [sk for sk in standings if sk.endswith("#rank") and sk[:10] <= day]
        rank = standing_of(StandingItem.from_raw_data(dict(standings[max(until)]))).rank if until else 1
        _hold(35, this.rank == rank, (this, rank))


# Entries


def _entries(mirror: Mirror, change: Change, _: Collection[Change]) -> None:
    _hold(11, change.before is None, f"{change.key} is changed")
    entry = _entry(change.after)
    _hold(12, mirror.causes[entry.entry_id] == change.key, (change.key, mirror.causes[entry.entry_id]))
    sound = entry.debit is not entry.credit and entry.amount_minor >= 0
    _hold(15, sound and entry.currency == mirror.terms.currency, entry)


# Accounts


def _accounts(mirror: Mirror, change: Change, together: Collection[Change]) -> None:
    if change.sk.startswith("s#"):
        _hold(20, not _is_blocked(mirror), change.key)
        _hold(11, change.before is None, f"{change.key} is changed")
    if change.sk == "balance":
        _balance(mirror, change, together)


def _is_blocked(mirror: Mirror) -> bool:
    program_id = mirror.terms.program_id
    rows = mirror.of_pk["ops", f"quarantine#{program_id}"].values()
    if any(QuarantineItem.from_raw_data(dict(row)).released_at is None for row in rows):
        return True
    reports = mirror.of_pk["ops", f"reconciliation#{program_id}"]
    done = [item for _, row in sorted(reports.items()) if (item := _report(row)).finished_at is not None]
    return bool(done and done[-1].found)


def _balance(mirror: Mirror, change: Change, together: Collection[Change]) -> None:
    after, before = _account(change.after), _account(change.before)
    item = BalanceItem.from_raw_data(dict(change.after))
    _hold(
        18, item.revision == (BalanceItem.from_raw_data(dict(change.before)).revision if change.before else 0) + 1, item
    )
    settled = [row for sk, row in mirror.of_pk["accounts", change.pk].items() if sk.startswith("s#")]
    sums = [each for row in settled for each in SettlementItem.from_raw_data(dict(row)).days().values()]
    whole = after.available_minor + after.held_minor + after.paid_out_minor + after.tax_minor + after.fee_minor
    _hold(16, whole == sum(each.released_minor + each.added_minor - each.taken_minor for each in sums), (whole, sums))
    counted = (sum(each.accrued_minor for each in sums), sum(each.released_minor for each in sums))
    _hold(16, (after.accrued_minor, after.released_minor) == counted, (after, counted))
    distributor_id = change.pk.split("#")[1]
    _hold(17, after.held_minor == sum(mirror.held[distributor_id].values()), (after, mirror.held[distributor_id]))
    asked = after.held_minor > before.held_minor
    _hold(32, not asked or after.available_minor >= 0, after)
    by_settlement = any(each.sk.startswith("s#") for each in together)
    _hold(19, after.available_minor >= 0 or by_settlement or not asked and before.available_minor < 0, after)


# Withdrawals


def _withdrawals(mirror: Mirror, change: Change, together: Collection[Change]) -> None:
    if not change.sk.startswith("wdr_"):
        return
    this = _withdrawal(change.after)
    before = None if change.before is None else _withdrawal(change.before)
    _steps(before, this)
    _people(mirror, before, this, together)
    _attempts(before, this)
    _paid(mirror, this)
    if before is None:
        _cap(mirror, this)


def _steps(before: Withdrawal | None, this: Withdrawal) -> None:
    known = () if before is None else before.history
    _hold(28, this.history[: len(known)] == known and this.history[0].status is Status.REQUESTED, this)
    for one, following in pairwise(this.history):
        _hold(28, following.status in withdrawals.TRANSITIONS[one.status].values(), (one, following))


def _people(mirror: Mirror, before: Withdrawal | None, this: Withdrawal, together: Collection[Change]) -> None:
    """What an operator does is in the audit log, in the same transaction; who brings a bank's file, before its rows."""
    new = this.history[0 if before is None else len(before.history) :]
    by_people = {step.actor for step in new} - {BY_PLAN, BY_JOB, this.distributor_id}
    rows = [each.after for each in together if each.pk.startswith("audit#")]
    if this.attempts and this.attempt.batch_id is not None:
        rows += mirror.of_pk["access", f"audit#{this.program_id}"].values()
    about = {(row.actor, row.subject) for row in (AuditItem.from_raw_data(dict(row)) for row in rows)}
    known = {this.withdrawal_id, this.attempts[-1].batch_id if this.attempts else None}
    _hold(37, all(any((actor, subject) in about for subject in known) for actor in by_people), (by_people, this))


def _attempts(before: Withdrawal | None, this: Withdrawal) -> None:
    split = this.split
    if split is not None:
        _hold(30, split.net_minor + split.tax_minor + split.fee_minor == this.amount_minor, this)
        _hold(30, min(split.net_minor, split.tax_minor, split.fee_minor) >= 0, this)
    _hold(26, all(attempt.status is Status.FAILED for attempt in this.attempts[:-1]), this)
    for known, same in zip(() if before is None else before.attempts, this.attempts, strict=False):
        frozen = (known.reference, known.amount_minor, known.content) == (
            same.reference,
            same.amount_minor,
            same.content,
        )
        _hold(27, frozen, (known, same))


def _paid(mirror: Mirror, this: Withdrawal) -> None:
    book = mirror.book()
    lines = [book[attempt.reference] for attempt in this.attempts if attempt.reference in book]
    paid = sum(int(line.amount_minor) for line in lines if line.behaviour != "fail")
    _hold(23, paid <= (this.split or Split(0, 0, 0)).net_minor, (paid, this))
    _hold(24, this.status not in UNPAID or not paid, (paid, this))


def _cap(mirror: Mirror, this: Withdrawal) -> None:
    day = clock.local_day(this.requested_at, mirror.terms.timezone)
    rows = [row for sk, row in mirror.of_pk["withdrawals", this.program_id].items() if sk.startswith("wdr_")]
    counted = Counter(
        other.distributor_id
        for other in map(_withdrawal, rows)
        if other.status not in (Status.REJECTED, Status.CANCELLED)
        and clock.local_day(other.requested_at, mirror.terms.timezone) == day
    )
    _hold(31, counted[this.distributor_id] <= mirror.terms.per_day, counted)


def _provider(mirror: Mirror, change: Change, _: Collection[Change]) -> None:
    if "#pretend" not in change.pk:
        return
    this = BookItem.from_raw_data(dict(change.after))
    if change.before is not None:
        _hold(27, BookItem.from_raw_data(dict(change.before)).content == this.content, change.key)
    row = mirror.items.get(("withdrawals", mirror.terms.program_id, withdrawals.withdrawal_of(this.sk)))
    known = () if row is None else _withdrawal(row).attempts
    amounts = {attempt.reference: attempt.amount_minor for attempt in known}
    _hold(25, amounts.get(this.sk) == int(this.amount_minor), (change.key, amounts))


# Levels


def _levels(mirror: Mirror, change: Change, _: Collection[Change]) -> None:
    if change.sk.endswith("#rank") and change.before is not None:
        _hold(33, change.before == change.after, f"{change.key} is decided again")
    if change.sk.endswith("#rank"):
        program_id = change.pk.partition("#")[0]
        closed = mirror.of_pk["levels", f"{program_id}#close"]
        _hold(35, not closed or change.before or max(closed) < change.sk[:10], f"{change.key} after its close")


def _order(image: Image) -> OrderItem:
    return OrderItem.from_raw_data(dict(image))


def _profile(image: Image) -> ProfileItem:
    return ProfileItem.from_raw_data(dict(image))


def _entry(image: Image) -> Entry:
    return read_entry(EntryItem.from_raw_data(dict(image)))


def _report(image: Image) -> ReportItem:
    return ReportItem.from_raw_data(dict(image))


def _account(image: Image | None) -> Any:
    return (BalanceItem("", "balance") if image is None else BalanceItem.from_raw_data(dict(image))).balance()


def _withdrawal(image: Image) -> Withdrawal:
    return WithdrawalItem.from_raw_data(dict(image)).withdrawal()


Check = Callable[[Mirror, Change, Collection[Change]], None]

CHECKS: Mapping[str, tuple[Check, ...]] = {
    "orders": (_in_its_program, _facts, _by_hand),
    "decisions": (_in_its_program, _decisions),
    "entries": (_in_its_program, _entries),
    "accounts": (_in_its_program, _accounts),
    "withdrawals": (_in_its_program, _withdrawals),
    "payouts": (_in_its_program, _provider),
    "levels": (_in_its_program, _levels),
    "access": (_in_its_program,),
    "ops": (_in_its_program,),
}
"""What is looked at when an item of a room has changed."""
