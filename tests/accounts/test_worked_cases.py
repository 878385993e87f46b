"""From an order to available money and back: orders told over HTTP, under a clock that a worker moves."""

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest

from chalicelib.accounts import jobs
from chalicelib.shared import clock
from tests.accounts.purse import Purse, march
from tests.support import Api, Shop
from tests.support_clock import Worker
from tests.support_laws import program
from tests.support_market import Market


class Morning:
    """The seller's account from day to day. Orders pay it 1,000 of 10,000; it has no uplines to share with."""

    def __init__(self, market: Market, worker: Worker) -> None:
        self.market, self.worker = market, worker
        self.purse = Purse(market.shop.program_id, market.id("seller"))

    def at(self, day: int, time: str) -> None:
        """Let it be a time of March 2026 in Shanghai, and all that falls due on the way be done."""
        body = {"now": f"{march(day).isoformat()}T{time}:00+08:00"}
        self.market.post("/v1/test/clock", body, 202, self.market.shop.operator)
        self.worker.run()

    def order(self, order_id: str = "A", **told: object) -> None:
        self.market.tell(order_id, paid_at=self.now, **told)
        self.market.decide(order_id)

    def complete(self, order_id: str = "A") -> None:
        self.market.complete(order_id, self.now)
        self.market.decide(order_id)

    def refund(self, amount: int, order_id: str = "A", name: str = "r") -> None:
        self.market.refund(order_id, name, ("1", amount), refunded_at=self.now)
        self.market.decide(order_id)

    @property
    def now(self) -> str:
        return clock.shown(self.market.program.now())

    @property
    def stands(self) -> tuple[int, int, int, int]:
        """Pending, available, held, paid, as the API tells them; and the statement sums to them."""
        told = self.market.get(f"/v1/distributors/{self.purse.distributor_id}/balance")
        assert self.purse.agrees()
        return told["pending_minor"], told["available_minor"], told["held_minor"], told["paid_minor"]


@pytest.fixture
def make_morning(make_market: Callable[..., Market], worker: Worker) -> Callable[..., Morning]:
    return lambda **says: Morning(make_market(uplines=[], **says), worker)


@pytest.fixture
def morning(make_morning: Callable[..., Morning]) -> Morning:
    """The hold is 7 days from completion."""
    return make_morning()


def test_money_is_available_by_four_on_the_day_its_hold_has_ended(morning: Morning) -> None:
    morning.order()
    assert morning.stands == (1000, 0, 0, 0)
    morning.complete()
    morning.at(12, "01:59")
    assert morning.stands == (1000, 0, 0, 0)
    morning.at(12, "04:00")
    assert morning.stands == (0, 1000, 0, 0)


def test_a_hold_from_payment_needs_no_completion(make_morning: Callable[..., Morning]) -> None:
    morning = make_morning(hold={"starts": "paid", "days": 7, "auto_complete_days": 15})
    morning.order()
    morning.at(12, "01:59")
    assert morning.stands == (1000, 0, 0, 0)
    morning.at(12, "04:00")
    assert morning.stands == (0, 1000, 0, 0)


def test_what_comes_back_before_its_release_was_never_available(morning: Morning) -> None:
    morning.order()
    morning.refund(4_000)
    assert morning.stands == (600, 0, 0, 0)
    morning.complete()
    morning.at(12, "04:00")
    assert morning.stands == (0, 600, 0, 0)


def test_what_comes_back_while_it_waits_for_its_release_goes_with_it(morning: Morning) -> None:
    morning.order()
    morning.complete()
    morning.at(6, "12:00")
    morning.refund(4_000)
    assert morning.stands == (1000, 0, 0, 0)
    morning.at(12, "04:00")
    assert morning.stands == (0, 600, 0, 0)


def test_what_comes_back_after_its_release_is_taken_from_what_is_available(morning: Morning) -> None:
    morning.order()
    morning.complete()
    morning.at(12, "12:00")
    morning.refund(4_000)
    assert morning.stands == (0, 1000, 0, 0)
    morning.at(13, "04:00")
    assert morning.stands == (0, 600, 0, 0)


def test_what_comes_back_after_the_payout_leaves_a_debt_that_later_earnings_fill(morning: Morning) -> None:
    """Invariant 19: negative only by clawback."""
    morning.order()
    morning.complete()
    morning.at(12, "12:00")
    morning.purse.hold(1000, day=12)
    assert morning.stands == (0, 0, 1000, 0)
    morning.purse.pay(980, 15, 5, day=12)
    assert morning.stands == (0, 0, 0, 1000)
    morning.refund(10_000)
    morning.order("B")
    morning.complete("B")
    morning.purse.settle(13)
    assert morning.stands == (1000, -1000, 0, 1000)
    morning.purse.settle(20)
    assert morning.stands == (0, 0, 0, 1000)


def test_another_attribution_takes_the_money_from_one_account_and_gives_it_to_the_other(morning: Morning) -> None:
    market = morning.market
    top = Purse(market.shop.program_id, market.id("top"))
    morning.order()
    morning.complete()
    morning.at(12, "12:00")
    market.attribute("A", "top")
    market.decide("A")
    morning.at(13, "04:00")
    assert (morning.stands, top.stands, top.agrees()) == ((0, 0, 0, 0), (0, 1000, 0, 0), True)


def test_a_long_quiet_time_is_settled_like_a_short_one(morning: Morning) -> None:
    morning.order()
    morning.complete()
    morning.at(31, "12:00")
    assert morning.stands == (0, 1000, 0, 0)
    assert jobs.last_settled(morning.market.program) == march(31)


@pytest.mark.parametrize(
    ("zone", "day", "shown"),
    [
        ("America/New_York", "2026-03-08", "03:00"),
        ("America/New_York", "2026-11-01", "01:00"),
        ("Africa/Cairo", "2026-04-24", "03:00"),
        ("Asia/Beirut", "2026-03-29", "03:00"),
        ("Asia/Shanghai", "2026-03-08", "02:00"),
        ("Asia/Kathmandu", "2026-03-08", "02:00"),
        ("Pacific/Apia", "2026-04-05", "02:00"),
    ],
)
def test_in_every_time_zone_a_day_is_settled_two_hours_after_it_begins(zone: str, day: str, shown: str) -> None:
    """Also where the clock is put forward at two, or at midnight itself; to 04:00 there are 45 minutes or more."""
    where = program(zone)
    due = jobs.due_at(where, date.fromisoformat(day)).astimezone(clock.zone(zone))
    assert f"{due:%H:%M}" == shown
    assert due.date().isoformat() == day
    four = datetime.fromisoformat(f"{day}T04:00").replace(tzinfo=clock.zone(zone))
    assert four - due >= timedelta(minutes=45)


@pytest.mark.parametrize(("zone", "day"), [("America/New_York", 8), ("Asia/Beirut", 29)])
def test_a_day_of_23_hours_is_settled_with_what_moves_on_it(
    api: Api, make_shop: Callable[..., Shop], zone: str, day: int
) -> None:
    shop = make_shop(timezone=zone, now="2026-03-01T12:00:00Z")
    purse = Purse(shop.program_id, Market(api, shop).id("seller"))
    for each in (day - 1, day, day + 1):
        assert purse.midnight(each + 1) - purse.midnight(each) == timedelta(hours=23 if each == day else 24)
        purse.earn(10, each)
        purse.release(1, each + 1, decided=each, hours=22)
        purse.settle(each)
        assert purse.agrees()
    assert purse.booked.available_minor == 3 * 10 + 2
