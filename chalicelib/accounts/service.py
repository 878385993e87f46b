"""Accounts: where a distributor's money stands, its statement, moves of withdrawals, adjustments by people."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Final

from msgspec.structs import replace

from chalicelib.access import service as access
from chalicelib.access.model import Caller
from chalicelib.accounts import rules, tables
from chalicelib.accounts.model import (
    Adjustment,
    AdjustmentFilter,
    AdjustmentKind,
    AdjustmentStatus,
    Balance,
    Days,
    Move,
)
from chalicelib.accounts.tables import AdjustmentItem, AskedItem, BalanceItem, SettlementItem
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Entry, Kind
from chalicelib.ledger.service import Holder, Places, Settled
from chalicelib.programs.model import Program
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, Conflict, FieldError, Invalid, NotFound, pointer
from chalicelib.shared.tables import Key, Put, Refused, Table, changed_meanwhile, page, transact
from chalicelib.shared.value import Value

KEYS_KEPT: Final = timedelta(hours=24)
"""How long an account knows an Idempotency-Key, by the program's clock."""

_ATTEMPTS: Final = 5
"""How often a write that somebody else was faster with is tried on what is there then."""
_DIGITS: Final = 24
"""How much of a digest is kept: 96 bits tell some hundred keys apart."""
_DAY: Final = timedelta(days=1)


class OpenAccount(Value):
    """A distributor's account as it stands now, read consistently, to be moved once, in one transaction.

    If that is refused somebody else moved it meanwhile: open it again.
    """

    program: Program
    holder: Holder
    item: BalanceItem

    @property
    def balance(self) -> Balance:
        """What is booked: what may be withdrawn is in `available_minor`."""
        return self.item.balance()

    def asked(self, actor: str, idempotency_key: str, *content: str) -> str | None:
        """The id of what this key has made before; None: it asks for the first time within 24 hours.

        Raises Conflict `exists_with_different_content` if it asked for something else.
        """
        known = self.item.asked.get(_digest(actor, idempotency_key))
        if known is None:
            return None
        asked, made_id, _ = known
        if asked != _digest(*content):
            raise _asked_otherwise()
        return str(made_id)

    def remember(self, actor: str, idempotency_key: str, made_id: str, *content: str) -> None:
        """Know from now on, once the account is moved, what a key has made; forget those of more than 24 hours ago."""
        now = self.program.now()
        oldest = clock.stored(now - KEYS_KEPT)
        kept = {key: known for key, known in self.item.asked.items() if known[2] > oldest}
        new = {_digest(actor, idempotency_key): [_digest(*content), made_id, clock.stored(now)]}
        self.item.asked = kept | new

    def move(self, moves: Sequence[Move], about: str, n: int, at: datetime) -> list[Put]:
        """The parts of a transaction that make these moves in step `n` (from 1) of a withdrawal: balance and entries.

        Moves of 0 make no entry. Raises Conflict `insufficient_balance` if a hold would take what isn't available.
        """
        balance = self.balance
        for one in moves:
            balance = balance.moved(one)
            if one.kind is Kind.HOLD and balance.available_minor < 0:
                raise Conflict(Code.INSUFFICIENT_BALANCE, "The available balance is smaller than this amount.")
        self.item.becomes(balance)
        made = [_entry(self.holder, one, about, n, i, at) for i, one in enumerate(moves) if one.amount_minor]
        return [Put(self.item, self.item.next_revision()), *ledger.entry_puts(made)]


def open_account(program: Program, distributor: Distributor) -> OpenAccount:
    """A distributor's account, to be moved."""
    holder = distributors.holder(program, distributor)
    return OpenAccount(program, holder, balance_item(holder))


def holds_since(program: Program, distributor: Distributor, since: datetime) -> list[str]:
    """The withdrawals that were asked for from an instant on, oldest first."""
    return [entry.about for entry in ledger.held_since(distributors.holder(program, distributor), since)]


def withdrawals_of(
    program: Program, distributor: Distributor, limit: int, place: Key | None
) -> tuple[list[str], Key | None]:
    """A distributor's withdrawals, newest first, and where the list goes on."""
    entries, further = ledger.first_holds(distributors.holder(program, distributor), limit, place)
    return [entry.about for entry in entries], further


def balance(program: Program, distributor: Distributor) -> Balance:
    """Where a distributor's money stands now: what the lines of its statement sum to. Without any, all is 0."""
    holder = distributors.holder(program, distributor)
    stands = balance_item(holder).balance()
    begins, booked = read_again_from(program, stands), booked_before(holder, stands)
    entries: Iterable[Entry] = ledger.accrued(holder, begins, None)
    if stands.settled_day is not None:
        entries = chain(entries, ledger.bucketed(holder, begins, midnight_after(program, stands.settled_day)))
    return rules.as_of_now(stands, entries, booked, program.timezone)


class StatementPlace(Value):
    """Where a statement goes on: as it was settled when it began, and as it began. So it sums, whatever comes since."""

    settled: Settled | None
    newest: datetime
    places: Places


def statement(
    program: Program, distributor: Distributor, limit: int, place: StatementPlace | None
) -> tuple[list[Entry], StatementPlace | None]:
    """A distributor's entries, newest first, and where the list goes on.

    A release, a clawback of available money and an adjustment are listed once a settlement has taken their day.
    """
    holder = distributors.holder(program, distributor)
    if place is not None:
        found, further = ledger.statement(holder, place.settled, place.newest, limit, place.places)
        return found, None if further is None else replace(place, places=further)
    settled = _settled(program, balance_item(holder).balance())
    found, further = ledger.statement(holder, settled, None, limit, None)
    newest = found[0].moves_at if found else program.now()
    return found, None if further is None else StatementPlace(settled, newest, further)


def _settled(program: Program, stands: Balance) -> Settled | None:
    if stands.settled_day is None or stands.cutoff is None:
        return None
    return Settled(midnight_after(program, stands.settled_day), stands.cutoff)


# Adjustments


def request_adjustment(
    caller: Caller, program: Program, distributor_id: str, amount_minor: int, reason: str, idempotency_key: str
) -> tuple[Adjustment, bool]:
    """Ask to add an amount to a distributor's account, or to take it (negative); False: this key has asked before.

    Raises Invalid `unknown_distributor`, Conflict `exists_with_different_content`, `changed_meanwhile`.
    """
    if distributors.find(program.program_id, distributor_id) is None:
        wrong = FieldError(pointer("distributor_id"), Code.UNKNOWN_DISTRIBUTOR, "There is no such distributor.")
        raise Invalid(Code.UNKNOWN_DISTRIBUTOR, wrong.message, [wrong])
    wanted = _Wanted(AdjustmentKind.CORRECTION, distributor_id, reason, idempotency_key)
    return _request(caller, program, wanted, str(amount_minor), lambda: amount_minor)


def request_write_off(
    caller: Caller, program: Program, distributor_id: str, reason: str, idempotency_key: str
) -> tuple[Adjustment, bool]:
    """Ask to give up a distributor's debt, exactly as it is now; False: this key has asked before.

    Raises NotFound, Conflict `no_debt`, `exists_with_different_content`, `changed_meanwhile`.
    """
    holder = distributors.holder(program, distributors.get(program.program_id, distributor_id))

    def debt() -> int:
        owed = _debt(program, holder, balance_item(holder).balance())
        if not owed:
            raise Conflict(Code.NO_DEBT, "The balance isn't below zero.")
        return owed

    wanted = _Wanted(AdjustmentKind.WRITE_OFF, distributor_id, reason, idempotency_key)
    return _request(caller, program, wanted, "", debt)


def approve_adjustment(caller: Caller, program: Program, adjustment_id: str) -> Adjustment:
    """Approve what somebody else has asked for: one entry, settled at the next midnight. Again: nothing more happens.

    Raises NotFound, Conflict `same_actor`, `wrong_status` (somebody else has approved it), `no_debt` (it writes off
    more than is owed by now), `changed_meanwhile`.
    """
    for _ in range(_ATTEMPTS):
        item = _adjustment_item(program.program_id, adjustment_id)
        if item.approved_by == caller.actor:
            return item.adjustment()
        if item.approved_by is not None:
            raise Conflict(Code.WRONG_STATUS, f"{item.approved_by} has approved this before.")
        if item.requested_by == caller.actor:
            raise Conflict(Code.SAME_ACTOR, "Whoever asked for it can't approve it.")
        try:
            transact(*_approval(caller, program, item))
        except Refused:
            continue
        return item.adjustment()
    raise changed_meanwhile()


def list_adjustments(
    program_id: str, which: AdjustmentFilter, limit: int, place: Key | None
) -> tuple[list[Adjustment], Key | None]:
    """A program's adjustments, newest first, and where the list goes on. A page may be short."""
    pk = tables.adjustments_pk(program_id)
    found = AdjustmentItem.query(pk, scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit, lambda item: which.takes(item.adjustment()))
    return [item.adjustment() for item in items], further


class _Wanted(Value):
    kind: AdjustmentKind
    distributor_id: str
    reason: str
    idempotency_key: str


def _request(
    caller: Caller, program: Program, wanted: _Wanted, told: str, amount: Callable[[], int]
) -> tuple[Adjustment, bool]:
    pk, sk = tables.asked_pk(program.program_id), ids.digest(caller.actor, wanted.idempotency_key).hex()
    content = ids.digest(wanted.kind, wanted.distributor_id, told, wanted.reason).hex()
    for _ in range(_ATTEMPTS):
        before = AskedItem.find(pk, sk, consistent=True)
        if before is not None:
            if before.content != content:
                raise _asked_otherwise()
            return _adjustment_item(program.program_id, before.adjustment_id).adjustment(), False
        item = _new_adjustment(caller, program, wanted, amount())
        asked = AskedItem(pk, sk, content=content, adjustment_id=item.sk)
        row = _row(caller, program, "adjustment.request", item)
        try:
            transact(Put(item, item.next_revision()), Put(asked), Put(row))
        except Refused:
            continue
        return item.adjustment(), True
    raise changed_meanwhile()


def _new_adjustment(caller: Caller, program: Program, wanted: _Wanted, amount_minor: int) -> AdjustmentItem:
    return AdjustmentItem(
        tables.adjustments_pk(program.program_id),
        ids.new("adj"),
        distributor_id=wanted.distributor_id,
        kind=wanted.kind.value,
        amount_minor=amount_minor,
        currency=program.currency,
        reason=wanted.reason,
        status=AdjustmentStatus.REQUESTED.value,
        requested_by=caller.actor,
        requested_at=clock.stored(program.now()),
    )


def _approval(caller: Caller, program: Program, item: AdjustmentItem) -> list[Put]:
    """All that is written when an adjustment is approved."""
    holder = distributors.holder(program, distributors.get(program.program_id, item.distributor_id))
    parts: list[Put] = []
    if item.kind == AdjustmentKind.WRITE_OFF:
        stands = balance_item(holder)
        if _debt(program, holder, stands.balance()) < item.amount_minor:
            raise Conflict(Code.NO_DEBT, "Less than this is owed by now.")
        # Changes no amount. But of two write-offs of one debt, the other one is refused and finds this one's entry.
        parts.append(Put(stands, stands.next_revision()))
    now = program.now()
    item.status = AdjustmentStatus.APPROVED.value
    item.approved_by, item.approved_at = caller.actor, clock.stored(now)
    item.available_at = clock.stored(midnight_after(program, program.local_day(now)))
    entry = _adjusting(holder, item.adjustment())
    row = _row(caller, program, "adjustment.approve", item)
    return [Put(item, item.next_revision()), *ledger.entry_puts([entry]), Put(row), *parts]


def _debt(program: Program, holder: Holder, stands: Balance) -> int:
    """How far available is below zero, counting adjustments that are approved and wait for their settlement."""
    tomorrow = program.local_day(program.now()) + _DAY
    entries = ledger.bucketed(holder, read_again_from(program, stands), midnight_after(program, tomorrow))
    return max(0, -(stands.available_minor + rules.unsettled_adjustments(stands, entries, program.timezone)))


def _adjustment_item(program_id: str, adjustment_id: str) -> AdjustmentItem:
    item = AdjustmentItem.find(tables.adjustments_pk(program_id), adjustment_id, consistent=True)
    if item is None:
        raise NotFound(Code.NOT_FOUND, f"There is no adjustment {adjustment_id}.")
    return item


def _row(caller: Caller, program: Program, action: str, item: AdjustmentItem) -> Table:
    about: dict[str, object] = {
        "distributor_id": item.distributor_id,
        "kind": item.kind,
        "amount_minor": int(item.amount_minor),
    }
    return access.audit_row(caller, program.now(), action, item.sk, reason=item.reason, detail=about)


# What is kept


def balance_item(holder: Holder) -> BalanceItem:
    """What is kept of an account; a new item if nothing is yet. Read consistently."""
    pk = tables.account_pk(holder.program_id, holder.distributor_id, holder.currency)
    return BalanceItem.find(pk, "balance", consistent=True) or BalanceItem(pk, "balance")


def booked_before(holder: Holder, stands: Balance) -> Days:
    """What the settlements that are in a balance have booked of the days that the next one reads."""
    first = rules.since(stands)
    if first is None or stands.settled_day is None:
        return {}
    pk = tables.account_pk(holder.program_id, holder.distributor_id, holder.currency)
    days = SettlementItem.sk.between(tables.settlement_sk(first), tables.settlement_sk(stands.settled_day))
    return rules.booked((item.days() for item in SettlementItem.query(pk, days, consistent_read=True)), first)


def read_again_from(program: Program, stands: Balance) -> datetime | None:
    """From when on the next settlement of an account reads its entries; None: all."""
    first = rules.since(stands)
    return None if first is None else program.midnight(first)


def midnight_after(program: Program, day: date) -> datetime:
    """The instant a local day is over."""
    return program.midnight(day + _DAY)


def _entry(holder: Holder, move: Move, about: str, n: int, i: int, at: datetime) -> Entry:
    return Entry(
        program_id=holder.program_id,
        distributor_id=holder.distributor_id,
        shard=0,
        currency=holder.currency,
        kind=move.kind,
        debit=move.debit,
        credit=move.credit,
        amount_minor=move.amount_minor,
        about=about,
        n=n,
        tier=0,
        cause="withdrawal",
        at=at,
        paid_at=at,
        opens=False,
        available_at=None,
        move=i,
    )


def _adjusting(holder: Holder, adjustment: Adjustment) -> Entry:
    adds = adjustment.amount_minor > 0
    at, moves_at = adjustment.approved_at, adjustment.available_at
    assert at is not None  # noqa: S101  (it has just been approved)
    return Entry(
        program_id=holder.program_id,
        distributor_id=holder.distributor_id,
        shard=0,
        currency=holder.currency,
        kind=Kind.ADJUST,
        debit=Account.EXPENSE if adds else Account.AVAILABLE,
        credit=Account.AVAILABLE if adds else Account.EXPENSE,
        amount_minor=abs(adjustment.amount_minor),
        about=adjustment.adjustment_id,
        n=1,
        tier=0,
        cause=adjustment.kind,
        at=at,
        paid_at=at,
        opens=False,
        available_at=moves_at,
    )


def _asked_otherwise() -> Conflict:
    said = "This Idempotency-Key has asked for something else before."
    return Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, said)


def _digest(*parts: str) -> str:
    return ids.digest(*parts).hex()[:_DIGITS]
