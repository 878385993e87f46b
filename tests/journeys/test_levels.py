"""Rocket up and snail down on the deployed platform, under test programs' clocks."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.client import Shop, done, pick
from tests.journeys.plans import rocket_snail

MakeShop = Callable[..., Shop]


def opened(make_shop: MakeShop, now: str, misses: int = 3, **program: Any) -> Shop:
    """A shop whose plan takes effect when its clock first stands, with seven levels by month."""
    shop = make_shop(None, now=now, **program)
    shop.publish(rocket_snail(misses), now)
    return shop


@pytest.mark.parametrize("arrivals", ["AB", "BA"])
def test_an_order_of_0001_earns_what_one_of_2359_has_lifted_to(make_shop: MakeShop, arrivals: str) -> None:
    shop = opened(make_shop, "2026-03-03T23:55:00+08:00")
    mei = shop.distributor("mei")
    orders = {"A": (500_000, "2026-03-03T23:59:00+08:00"), "B": (100_000, "2026-03-04T00:01:00+08:00")}
    for order_id in arrivals:
        shop.sells(order_id, *orders[order_id], mei)
        shop.explained(order_id)
    shop.move_clock("2026-03-04T12:00:00+08:00")
    assert (shop.level_of("A"), shop.level_of("B")) == ((1, 200, 10_000), (4, 800, 8000))
    assert shop.changes(mei) == [("2026-03-04", 1, 4, "rocket")]
    booked = sum(amount for _, _, credit, amount in shop.statement(mei) if credit == "pending")
    assert booked == 18_000


@pytest.mark.parametrize(("told", "rises"), [("02:59", "2026-03-04"), ("03:00", "2026-03-05")])
def test_what_arrives_before_the_close_counts_for_the_day_before(make_shop: MakeShop, told: str, rises: str) -> None:
    shop = opened(make_shop, "2026-03-03T23:00:00+08:00")
    mei = shop.distributor("mei")
    shop.move_clock(f"2026-03-04T{told}:00+08:00")
    shop.sells("A", 500_000, "2026-03-03T23:59:00+08:00", mei)
    shop.move_clock("2026-03-05T12:00:00+08:00")
    assert shop.changes(mei) == [(rises, 1, 4, "rocket")]


def test_the_last_day_of_a_leap_february_still_lifts_and_march_begins_anew(make_shop: MakeShop) -> None:
    shop = opened(make_shop, "2028-02-28T10:00:00+08:00")
    mei = shop.distributor("mei")
    shop.sells("A", 200_000, "2028-02-28T10:00:00+08:00", mei)
    shop.move_clock("2028-02-29T23:55:00+08:00")
    shop.sells("B", 300_000, "2028-02-29T23:59:59+08:00", mei)
    shop.sells("C", 100_000, "2028-03-01T00:00:00+08:00", mei)
    shop.move_clock("2028-03-01T12:00:00+08:00")
    assert shop.changes(mei) == [("2028-02-29", 1, 2, "rocket"), ("2028-03-01", 2, 4, "rocket")]
    assert [shop.level_of(order_id)[0] for order_id in "ABC"] == [1, 2, 4]
    assert shop.progress(mei)["volume"] == 100_000


def test_three_missed_months_lower_by_a_step_unless_one_between_is_met(make_shop: MakeShop) -> None:
    shop = opened(make_shop, "2026-09-30T10:00:00+08:00")
    sold = {"mei": (400_000, 400_000, 400_000), "li": (400_000, 600_000, 400_000)}
    who = {name: shop.distributor(name) for name in sold}
    for name, seller in who.items():
        shop.sells(f"{name}-9", 500_000, "2026-09-30T10:00:00+08:00", seller)
    for i, month in enumerate((10, 11, 12)):
        paid_at = f"2026-{month}-30T12:00:00+08:00"
        shop.move_clock(paid_at)
        for name, seller in who.items():
            shop.sells(f"{name}-{month}", sold[name][i], paid_at, seller)
    shop.move_clock("2027-01-01T00:05:00+08:00")
    for name, seller in who.items():
        shop.sells(f"{name}-1", 100_000, "2027-01-01T00:05:00+08:00", seller)
    shop.move_clock("2027-01-01T12:00:00+08:00")
    risen = ("2026-10-01", 1, 4, "rocket")
    assert shop.changes(who["mei"]) == [risen, ("2027-01-01", 4, 3, "snail")]
    assert shop.changes(who["li"]) == [risen]
    assert [shop.level_of(f"{name}-12")[:2] for name in who] == [(4, 800), (4, 800)]
    assert [shop.level_of(f"{name}-1")[:2] for name in who] == [(3, 600), (4, 800)]
    assert [shop.progress(seller)["misses"] for seller in who.values()] == [0, 1]


def test_a_rank_by_hand_a_suspended_month_and_what_progress_says_of_them(make_shop: MakeShop) -> None:
    shop = opened(make_shop, "2026-03-30T10:00:00+08:00")
    mei, li = (shop.distributor(name) for name in ("mei", "li"))
    for each in (mei, li):
        shop.give(each, 4)
        assert (shop.progress(each)["rank"], shop.progress(each)["tomorrow"]["rank"]) == (1, 4)
    shop.move_clock("2026-04-10T10:00:00+08:00")
    shop.sells("A", 100_000, "2026-04-10T10:00:00+08:00", mei)
    assert shop.level_of("A") == (4, 800, 8000)
    shop.stands(li, "suspend")
    shop.move_clock("2026-04-10T10:01:00+08:00")
    shop.stands(li, "reinstate")
    shop.move_clock("2026-05-01T12:00:00+08:00")
    (given,) = (row for row in shop.all("/v1/levels/changes?month=2026-03") if row["distributor_id"] == pick(mei))
    assert (given["day"], given["from_rank"], given["to_rank"]) == ("2026-03-31", 1, 4)
    assert (given["cause"], given["reason"]) == ("hand", "so decided")
    assert shop.progress(li)["misses"] == 0, "April has a suspended day"
    told = shop.progress(mei)
    sentence = told.pop("sentence")
    assert told == {
        "day": "2026-05-01",
        "rank": 4,
        "name": "V4",
        "rate_bp": 800,
        "provisional": False,
        "measure": "monthly_sales",
        "volume": 0,
        "next": {"rank": 5, "name": "V5", "rate_bp": 1000, "target": 1_000_000, "missing": 1_000_000},
        "tomorrow": {"rank": 4, "name": "V4", "rate_bp": 800},
        "misses": 1,
        "misses_to_fall": 2,
        "wipe": {"missing": 500_000, "by": "2026-05-31"},
    }
    assert "V4" in sentence["zh"] and "V4" in sentence["en"]


def test_what_the_preview_says_is_what_the_close_does(make_shop: MakeShop) -> None:
    shop = opened(make_shop, "2026-01-31T10:00:00+08:00", misses=1)
    mei, li, wu = (shop.distributor(name) for name in ("mei", "li", "wu"))
    shop.sells("M", 500_000, "2026-01-31T10:00:00+08:00", mei)
    shop.move_clock("2026-02-28T10:00:00+08:00")
    shop.sells("L", 250_000, "2026-02-28T10:00:00+08:00", li)
    shop.sells("W", 99_999, "2026-02-28T10:00:00+08:00", wu)
    for order_id in "LW":
        shop.explained(order_id)
    before = list(shop.all("/v1/levels/changes"))
    preview = done(shop.api.post("/v1/levels/preview", {}, key=shop.keys.auditor))
    assert list(shop.all("/v1/levels/changes")) == before, "a preview changes nothing"
    assert preview["day"] == "2026-03-01"
    foreseen = {row["distributor_id"]: (row["day"], row["from_rank"], row["to_rank"]) for row in preview["data"]}
    assert foreseen == {pick(mei): ("2026-03-01", 4, 3), pick(li): ("2026-03-01", 1, 3)}
    assert {row["outcome"] for row in preview["data"]} == {"falls", "rises"}
    shop.move_clock("2026-03-01T12:00:00+08:00")
    happened = {
        row["distributor_id"]: (row["day"], row["from_rank"], row["to_rank"])
        for row in shop.all("/v1/levels/changes?month=2026-03")
    }
    assert happened == foreseen


@pytest.mark.parametrize(
    ("timezone", "joined", "told", "rises"),
    [
        ("Asia/Shanghai", "2026-03-07T20:00:00+08:00", "2026-03-08T03:30:00+08:00", "2026-03-09"),
        ("America/New_York", "2026-03-07T20:00:00-05:00", "2026-03-08T03:30:00-04:00", "2026-03-08"),
    ],
)
def test_where_the_clock_skips_an_hour_of_the_night_half_past_three_is_still_before_the_close(
    make_shop: MakeShop, timezone: str, joined: str, told: str, rises: str
) -> None:
    shop = opened(make_shop, joined, timezone=timezone)
    mei = shop.distributor("mei")
    shop.move_clock(told)
    shop.sells("A", 500_000, joined, mei)
    shop.move_clock(told.replace("-08T03:30", "-09T12:00"))
    assert shop.changes(mei) == [(rises, 1, 4, "rocket")]
