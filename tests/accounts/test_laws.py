"""Whatever happens, in whatever order: the lines of the statement sum to the balance, to the fen."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.ledger.model import Entry, Kind
from chalicelib.shared.errors import Conflict
from tests.accounts.purse import AVAILABLE, PENDING, Purse, totals
from tests.support_laws import law
from tests.support_market import Market
from tests.support_state import rewound

amounts = st.integers(1, 300)


class Life:
    """An account that lives from day to day; each step is made of two plain numbers."""

    def __init__(self, purse: Purse) -> None:
        self.purse, self.day, self.hour, self.asked = purse, 5, 12, 0
        self.open: dict[str, int] = {}
        self.paid: dict[str, int] = {}

    def accrue(self, amount: int, _: int) -> None:
        self.purse.accrue(amount, self.day, self.hour)

    def lose(self, amount: int, _: int) -> None:
        self.purse.lose(amount, self.day, self.hour)

    def release(self, amount: int, ahead: int) -> None:
        self.purse.release(amount, self.day + ahead, self.day, self.hour)

    def clawback(self, amount: int, ahead: int) -> None:
        self.purse.clawback(amount, self.day + ahead, self.day, self.hour)

    def late(self, amount: int, back: int) -> None:
        """Decided before, put only now: within the days that are read again."""
        decided = max(5, self.day - min(back, 1))
        (self.purse.release if amount % 2 else self.purse.clawback)(amount, decided, decided, 0)
        self.purse.accrue(amount, decided, 1)

    def settle(self, _: int, skipped: int) -> None:
        """The next day, or a later one; now and then twice."""
        self.day, self.hour = self.day + 1 + skipped // 3, 3
        self.purse.settle(self.day)
        if skipped == 1:
            self.purse.settle(self.day)

    def hold(self, amount: int, _: int) -> None:
        self.asked += 1
        about = f"wdr_{self.asked}"
        before = self.purse.booked.available_minor
        with suppress(Conflict):
            self.purse.hold(amount, about, day=self.day)
            self.open[about] = amount
        assert (about in self.open) == (amount <= before)

    def unhold(self, _: int, which: int) -> None:
        for about in list(self.open)[which:][:1]:
            self.purse.unhold(self.open.pop(about), about, day=self.day)

    def pay(self, fee: int, which: int) -> None:
        for about in list(self.open)[which:][:1]:
            whole = self.paid[about] = self.open.pop(about)
            fees = min(fee, whole)
            self.purse.pay(whole - fees, fees // 2, fees - fees // 2, about, day=self.day)

    def give_back(self, _: int, which: int) -> None:
        for about in list(self.paid)[which:][:1]:
            (tax,) = [e.amount_minor for e in self._parts(about, "tax_payable")] or [0]
            (fee,) = [e.amount_minor for e in self._parts(about, "fee")] or [0]
            self.purse.give_back(self.paid.pop(about) - tax - fee, tax, fee, about, day=self.day)

    def _parts(self, about: str, account: str) -> list[Entry]:
        return [e for e in self.purse.entries if (e.about, e.kind, e.credit) == (about, Kind.PAYOUT, account)]


STEPS: list[Callable[[Life, int, int], None]] = [
    Life.accrue, Life.lose, Life.release, Life.clawback, Life.late, Life.settle, Life.settle, Life.hold, Life.unhold,
    Life.pay, Life.give_back,
]  # fmt: skip

Story = list[tuple[Callable[[Life, int, int], None], int, int]]

steps = st.lists(st.tuples(st.sampled_from(STEPS), amounts, st.integers(0, 3)), min_size=1, max_size=14)


def test_after_every_step_the_statement_sums_to_the_balance(market: Market) -> None:
    """Invariants 16, 17 and 22."""

    @law(25)
    @given(steps)
    def always(story: Story) -> None:
        with rewound():
            life = Life(Purse(market.shop.program_id, market.id("seller")))
            for step, amount, number in story:
                step(life, amount, number)
                assert life.purse.agrees()
                assert life.purse.balance.held_minor == sum(life.open.values())
                assert life.purse.balance.paid_minor == sum(life.paid.values())
            life.purse.settle(life.day + 4)
            assert life.purse.agrees()
            assert all_but_nothings(life.purse.lines()) == all_but_nothings(life.purse.entries)
            assert sum(totals(life.purse.entries).values()) == 0

    always()


def all_but_nothings(entries: Sequence[Entry]) -> list[str]:
    return sorted(entry.entry_id for entry in entries if entry.amount_minor)


def test_on_which_days_it_was_settled_makes_no_difference_in_the_end(market: Market) -> None:
    """Invariant 16: the same entries, settled on other days, or only at the end."""

    @law(20)
    @given(steps, st.sets(st.integers(6, 30), max_size=6))
    def always(story: Story, days: set[int]) -> None:
        with rewound():
            life = Life(Purse(market.shop.program_id, market.id("seller")))
            for step, amount, number in story:
                if step in (Life.accrue, Life.lose, Life.release, Life.clawback):
                    step(life, amount, number)
                life.day = min(life.day + number, 24)
            for day in sorted(days):
                life.purse.settle(day)
            life.purse.settle(31)
            sums, balance = totals(life.purse.entries), life.purse.booked
            assert (balance.pending_minor, balance.available_minor) == (sums[PENDING], sums[AVAILABLE])

    always()
