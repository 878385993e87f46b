"""A settlement whose worker dies, doesn't hear of what it wrote, or isn't alone, ends as if nothing had happened."""

from contextlib import ExitStack

import pytest

from chalicelib.accounts import jobs
from chalicelib.accounts.jobs import Settling
from chalicelib.distributors import service as distributors
from chalicelib.shared.errors import Code, Conflict
from tests.accounts.purse import Purse
from tests.support_faults import Crash, failing
from tests.support_market import Market
from tests.support_race import meanwhile
from tests.support_state import Kept, kept, rewound

WRITES = range(1, 6)
"""Two distributors, the part's note, two days."""


class Morning:
    """Of three distributors, two have something to book; the days 5 and 6 are due."""

    def __init__(self, market: Market) -> None:
        self.seller, self.top = (Purse(market.shop.program_id, market.id(name)) for name in ("seller", "top"))
        self.seller.earn(70, 5)
        self.seller.clawback(20, 6)
        self.top.earn(30, 6)
        with rewound():
            self.settle()
            self.calm = self.kept()

    @property
    def settling(self) -> Settling:
        return self.seller.settling(6, first=5)

    def settle(self) -> None:
        program = self.seller.program
        jobs.settle_part(program, self.settling, distributors.START)
        jobs.finish(program, self.settling)

    def kept(self) -> Kept:
        """What is kept of accounts, revisions too: nothing is booked twice."""
        amounts = {("revision", one.distributor_id, ""): {"now": one.booked} for one in (self.seller, self.top)}
        return kept("accounts", "entries") | amounts


@pytest.fixture
def morning(market: Market) -> Morning:
    return Morning(market)


def test_a_settlement_writes_so_often(morning: Morning) -> None:
    with failing(set()) as wire:
        morning.settle()
    assert wire.attempts == len(WRITES)
    assert morning.kept() == morning.calm
    assert (morning.seller.stands, morning.top.stands) == ((0, 50, 0, 0), (0, 30, 0, 0))


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("k", WRITES)
def test_a_crash_before_or_after_any_write_of_a_settlement_ends_right_when_it_is_repeated(
    morning: Morning, k: int, answered: bool
) -> None:
    with failing({k}, answered=answered), pytest.raises(Crash):
        morning.settle()
    assert morning.seller.agrees()
    assert morning.top.agrees()
    morning.settle()
    assert morning.kept() == morning.calm


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("k", WRITES)
def test_a_write_that_the_sdk_sends_again_because_its_answer_was_lost_books_once(morning: Morning, k: int) -> None:
    with failing({k}, answered=True, crash=False):
        morning.settle()
    assert morning.kept() == morning.calm


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("k", WRITES)
def test_two_workers_at_one_part_end_as_one_does(morning: Morning, k: int, answered: bool) -> None:
    with meanwhile(k, morning.settle, answered=answered) as wire:
        morning.settle()
    assert wire.acted
    assert morning.kept() == morning.calm


def test_an_account_that_is_moved_again_and_again_is_left_to_the_next_try(morning: Morning) -> None:
    seller = morning.seller
    seller.settle(6)
    seller.earn(5, 7)
    tries = iter(range(1, 100))

    def moved() -> None:
        seller.hold(1, about=f"wdr_{next(tries)}")

    with pytest.raises(Conflict) as given_up, ExitStack() as others:
        for attempt in range(1, 10, 2):
            others.enter_context(meanwhile(attempt, moved))
        seller.settle(7)
    assert (given_up.value.code, seller.booked.held_minor) == (Code.CHANGED_MEANWHILE, 5)
    assert seller.settle(7) is not None
    assert seller.agrees()
