"""Accounts: where a distributor's money stands, its statement, and moving it together with what moves it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Final

from chalicelib.accounts import rules, tables
from chalicelib.accounts.model import Balance, Days, Move
from chalicelib.accounts.tables import BalanceItem, SettlementItem
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Entry, Kind
from chalicelib.ledger.service import Holder, Places, Settled
from chalicelib.programs.model import Program
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, Conflict
from chalicelib.shared.tables import Key, Put

KEYS_KEPT: Final = timedelta(hours=24)
"""How long an account knows an Idempotency-Key, by the program's clock."""

_DIGITS: Final = 24
"""How much of a digest is kept: 96 bits tell some hundred keys apart."""
_DAY: Final = timedelta(days=1)


@dataclass(slots=True)
class OpenAccount:
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
            said = "This Idempotency-Key has asked for something else before."
            raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, said)
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


def statement(
    program: Program, distributor: Distributor, limit: int, places: Places | None
) -> tuple[list[Entry], Places | None]:
    """A distributor's entries, newest first, and where the list goes on.

    A release, a clawback of available money and an adjustment are listed once a settlement has taken their day.
    """
    holder = distributors.holder(program, distributor)
    stands = balance_item(holder).balance()
    settled = None
    if stands.settled_day is not None and stands.cutoff is not None:
        settled = Settled(midnight_after(program, stands.settled_day), stands.cutoff)
    return ledger.statement(holder, settled, limit, places)


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


def _digest(*parts: str) -> str:
    return ids.digest(*parts).hex()[:_DIGITS]
