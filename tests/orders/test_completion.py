"""Orders that nobody marks completed complete themselves."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.orders import jobs, rules
from chalicelib.programs import service as programs
from tests.support_clock import Worker
from tests.support_laws import law, plan, program
from tests.support_market import Market, at


def clock_to(market: Market, worker: Worker, days: float, minutes: float = 0) -> None:
    """Move the clock by the platform's own means: what falls due on the way is done."""
    body = {"now": at(days, minutes)}
    assert market.api.post("/v1/test/clock", body, market.shop.operator).status == 202
    worker.run()


def completed_at(market: Market, order_id: str) -> Any:
    return market.order(order_id)["completed_at"]


def test_an_order_completes_itself_the_days_of_its_plan_after_payment(market: Market, worker: Worker) -> None:
    market.tell("A")
    market.decide("A")
    clock_to(market, worker, 15, minutes=60)
    assert (completed_at(market, "A"), market.order("A")["status"]) == (None, "paid")
    clock_to(market, worker, 15, minutes=14 * 60)
    assert completed_at(market, "A") == "2026-03-19T02:00:00Z"
    assert market.order("A")["status"] == "completed"
    (tier, *_) = market.explained("A")["tiers"]
    assert tier["available_at"] == "2026-03-26T16:00:00Z", "the first midnight at or after 7 days"


def test_an_order_told_later_than_it_completes_itself_does_so_at_once(market: Market) -> None:
    market.move_to(days=20)
    market.tell("A")
    assert completed_at(market, "A") == "2026-03-19T02:00:00Z"
    assert market.tell("A", expect=200).json["status"] == "completed"


def test_a_completion_that_was_told_stands(market: Market, worker: Worker) -> None:
    market.tell("A")
    market.complete("A", at(minutes=-5))
    market.decide("A")
    clock_to(market, worker, 20)
    assert completed_at(market, "A") == "2026-03-04T01:55:00Z"


@pytest.mark.parametrize("back", ["cancel", "refund"])
def test_of_what_came_back_nothing_completes_itself(market: Market, worker: Worker, back: str) -> None:
    market.tell("A")
    if back == "cancel":
        market.cancel("A")
    else:
        market.refund("A", "r", ("1", 10_000))
    market.decide("A")
    clock_to(market, worker, 20)
    assert completed_at(market, "A") is None


def test_an_order_of_which_a_part_came_back_completes_itself(market: Market, worker: Worker) -> None:
    market.tell("A")
    market.refund("A", "r", ("1", 9_999))
    market.decide("A")
    clock_to(market, worker, 20)
    assert completed_at(market, "A") == "2026-03-19T02:00:00Z"


def test_each_order_completes_itself_by_the_plan_that_it_was_paid_under(
    make_market: Callable[..., Market], worker: Worker
) -> None:
    market = make_market(hold={"auto_complete_days": 15})
    market.tell("A")
    market.decide("A")
    shorter = programs.plan_version("shop-1", 1).document | {
        "hold": {"starts": "completed", "days": 7, "auto_complete_days": 3}
    }
    body = {"plan": shorter, "effective_at": at(days=1)}
    assert market.api.post("/v1/program/plans", body, market.shop.operator).status == 201
    clock_to(market, worker, 2)
    market.tell("B", paid_at=at(days=2))
    market.decide("B")
    clock_to(market, worker, 6)
    assert (completed_at(market, "A"), completed_at(market, "B")) == (None, "2026-03-09T02:00:00Z")
    clock_to(market, worker, 16)
    assert completed_at(market, "A") == "2026-03-19T02:00:00Z"


def test_many_orders_of_a_day_are_completed_by_pages(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"O{number}" for number in range(5)]
    for name in names:
        market.tell(name)
    market.move_to(days=16)
    monkeypatch.setattr(jobs, "_PAGE", 2)
    day, place, done = date(2026, 3, 20), None, []
    while True:
        completed, place = next(jobs.complete_due(market.program, day, place))
        done += completed
        if place is None:
            break
    assert sorted(done) == names
    again = [one for page, _ in jobs.complete_due(market.program, day, None) for one in page]
    assert again == []


@law(60)
@given(
    st.sampled_from(["America/New_York", "Asia/Shanghai", "America/Sao_Paulo", "Pacific/Apia"]),
    st.datetimes(datetime(2016, 1, 1), datetime(2019, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 40),
)
def test_every_order_is_looked_at_in_exactly_one_days_run(zone: str, paid_at: datetime, days: int) -> None:
    where, by = program(zone), plan(hold={"auto_complete_days": days})
    due = rules.completes_itself_at(by, paid_at)
    day = rules.completion_day(where, due)
    assert where.midnight(day - timedelta(days=1)) < due <= where.midnight(day)
    assert where.local_day(paid_at) in rules.days_completing(where, [by], day)


def test_an_order_of_the_hour_that_a_spring_night_skips_completes_itself() -> None:
    """Paid at 23:30 on 5 March 2017 in New York; 15 days of 24 hours later it is 0:30 on the 21st."""
    where, by = program("America/New_York"), plan()
    due = rules.completes_itself_at(by, datetime.fromisoformat("2017-03-05T23:30:00-05:00"))
    assert rules.completion_day(where, due) == date(2017, 3, 22)
    assert date(2017, 3, 5) in rules.days_completing(where, [by], date(2017, 3, 22))
