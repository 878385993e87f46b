"""One distributor's account: entries as decisions put them, moves as withdrawals make them, settlements day by day."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from chalicelib.accounts import jobs, service
from chalicelib.accounts.jobs import Settling
from chalicelib.accounts.model import Balance, Move, Sums
from chalicelib.distributors import service as distributors
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Entry, Kind
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared.tables import transact

EXPENSE, PENDING, AVAILABLE, HELD = Account.EXPENSE, Account.PENDING, Account.AVAILABLE, Account.HELD
MARCH = date(2026, 3, 1)


def march(day: int) -> date:
    """A day of March 2026; 32 is 1 April."""
    return MARCH + timedelta(days=day - 1)


class Purse:
    """Days are numbers in March 2026, hours are counted from the day's midnight, amounts are minor units."""

    def __init__(self, program_id: str, distributor_id: str) -> None:
        self.program_id, self.distributor_id = program_id, distributor_id
        self.distributor = distributors.get(program_id, distributor_id)
        self.at_first = self.program
        self.made = 0

    @property
    def program(self) -> Program:
        """As it is now: its clock may have moved."""
        return programs.get(self.program_id)

    def midnight(self, day: int) -> datetime:
        return self.at_first.midnight(march(day))

    def at(self, day: int, hours: float = 12) -> datetime:
        return self.midnight(day) + timedelta(hours=hours)

    # Entries

    def accrue(self, amount_minor: int, day: int, hours: float = 12) -> Entry:
        return self._put(Kind.ACCRUE, EXPENSE, PENDING, amount_minor, self.at(day, hours), None)

    def lose(self, amount_minor: int, day: int, hours: float = 12) -> Entry:
        """A clawback of what is pending."""
        return self._put(Kind.CLAWBACK, PENDING, EXPENSE, amount_minor, self.at(day, hours), None)

    def release(self, amount_minor: int, bucket: int, decided: int | None = None, hours: float = 0) -> Entry:
        """A release in a day's bucket, decided on that day at midnight, or on an earlier one."""
        at = self.at(bucket if decided is None else decided, hours)
        return self._put(Kind.RELEASE, PENDING, AVAILABLE, amount_minor, at, self.midnight(bucket))

    def clawback(self, amount_minor: int, bucket: int, decided: int | None = None, hours: float = 0) -> Entry:
        """A clawback of what is available, in a day's bucket."""
        at = self.at(bucket if decided is None else decided, hours)
        return self._put(Kind.CLAWBACK, AVAILABLE, EXPENSE, amount_minor, at, self.midnight(bucket))

    def earn(self, amount_minor: int, day: int) -> None:
        """Accrued on the day before, released in the bucket of a day."""
        self.accrue(amount_minor, day - 1)
        self.release(amount_minor, day, day - 1, 13)

    def _put(
        self, kind: Kind, debit: Account, credit: Account, amount: int, at: datetime, moves_at: datetime | None
    ) -> Entry:
        self.made += 1
        holder = distributors.holder(self.at_first, self.distributor)
        entry = Entry(
            self.program_id, self.distributor_id, self.made % holder.shards, "CNY", kind, debit, credit, amount,
            about=f"o{self.made}", n=1, tier=1, cause="order", at=at, paid_at=at, opens=False, available_at=moves_at,
        )  # fmt: skip
        ledger.post([entry])
        return entry

    # Withdrawals

    def move(self, *moves: tuple[Kind, Account, Account, int], about: str = "wdr_1", n: int = 1, day: int = 9) -> None:
        """Make the moves of a step of a withdrawal."""
        account = service.open_account(self.program, self.distributor)
        transact(*account.move([Move(*one) for one in moves], about, n, self.at(day)))

    def hold(self, amount_minor: int, about: str = "wdr_1", n: int = 1, day: int = 9) -> None:
        self.move((Kind.HOLD, AVAILABLE, HELD, amount_minor), about=about, n=n, day=day)

    def unhold(self, amount_minor: int, about: str = "wdr_1", n: int = 9, day: int = 9) -> None:
        self.move((Kind.UNHOLD, HELD, AVAILABLE, amount_minor), about=about, n=n, day=day)

    def pay(self, net: int, tax: int = 0, fee: int = 0, about: str = "wdr_1", n: int = 2, day: int = 9) -> None:
        to = (Account.PAID_OUT, net), (Account.TAX_PAYABLE, tax), (Account.FEE, fee)
        self.move(*((Kind.PAYOUT, HELD, account, amount) for account, amount in to), about=about, n=n, day=day)

    def give_back(self, net: int, tax: int = 0, fee: int = 0, about: str = "wdr_1", n: int = 3, day: int = 9) -> None:
        of = (Account.PAID_OUT, net), (Account.TAX_PAYABLE, tax), (Account.FEE, fee)
        self.move(*((Kind.RETURN, account, AVAILABLE, amount) for account, amount in of), about=about, n=n, day=day)

    # Settlements

    def settling(self, day: int, cutoff: datetime | None = None, first: int | None = None) -> Settling:
        last = march(day)
        return Settling(last if first is None else march(first), last, cutoff or jobs.due_at(self.at_first, last))

    def settle(self, day: int, cutoff: datetime | None = None) -> Sums | None:
        return jobs.settle(self.program, self.distributor, self.settling(day, cutoff))

    # What is told

    @property
    def balance(self) -> Balance:
        return service.balance(self.at_first, self.distributor)

    @property
    def booked(self) -> Balance:
        """What is kept, and may be withdrawn."""
        return service.open_account(self.program, self.distributor).balance

    @property
    def stands(self) -> tuple[int, int, int, int]:
        """Pending, available, held, paid."""
        balance = self.balance
        return balance.pending_minor, balance.available_minor, balance.held_minor, balance.paid_minor

    def lines(self, limit: int = 50) -> list[Entry]:
        """The whole statement, newest first."""
        rows: list[Entry] = []
        places: Any = None
        for _ in range(1_000):
            found, places = service.statement(self.at_first, self.distributor, limit, places)
            rows += found
            if places is None:
                return rows
        raise AssertionError("the statement has no end")

    @property
    def entries(self) -> Sequence[Entry]:
        return list(ledger.all_of(distributors.holder(self.at_first, self.distributor)))

    def agrees(self) -> bool:
        """Whether the lines of the statement sum to the balance, account by account."""
        lines, balance = self.lines(), self.balance
        assert [one.moves_at for one in lines] == sorted((one.moves_at for one in lines), reverse=True)
        assert len({one.entry_id for one in lines}) == len(lines)
        sums = totals(lines)
        assert sum(sums.values()) == 0
        assert sums == told(balance)
        return True


def totals(lines: Sequence[Entry]) -> dict[Account, int]:
    """What entries come to, by account."""
    sums: Counter[Account] = Counter(dict.fromkeys(Account, 0))
    for line in lines:
        sums[line.credit] += line.amount_minor
        sums[line.debit] -= line.amount_minor
    return dict(sums)


def told(balance: Balance) -> dict[Account, int]:
    """A balance by account; the program's side of it is what is left."""
    amounts = {
        Account.PENDING: balance.pending_minor,
        Account.AVAILABLE: balance.available_minor,
        Account.HELD: balance.held_minor,
        Account.PAID_OUT: balance.paid_out_minor,
        Account.TAX_PAYABLE: balance.tax_minor,
        Account.FEE: balance.fee_minor,
    }
    return {Account.EXPENSE: -sum(amounts.values()), **amounts}
