"""Days and months are the program's: two zones at the same instants, nights of 23 and 25 hours, leap days.

In New York 8 March 2026 has 23 hours (no 02:00 to 03:00) and 1 November 25 (01:00 to 02:00 twice).
"""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.shared import clock
from tests.levels.life import DAY, Rungs, at, day, life
from tests.levels.seller import Seller, local, rocket_snail
from tests.support import Api

NEW_YORK = "America/New_York"
MakeSeller = Callable[..., Seller]


def two_sellers(make_seller: MakeSeller, api: Api, **shop: Any) -> tuple[Seller, Seller]:
    mei = make_seller(**shop)
    return mei, Seller(api, mei.shop, mei.worker, name="li")


def closing_after(hours: int, **track: Any) -> dict[str, Any]:
    return rocket_snail(**track) | {"close_hours": hours}


def test_at_one_instant_it_is_april_in_shanghai_and_march_in_new_york(make_seller: MakeSeller) -> None:
    """Paid at 16:00 on 31 March in New York: April's in Shanghai, where it is 04:00 of the 1st."""
    paid_at, stories = "2026-03-31T20:00:00Z", {}
    for zone in ("Asia/Shanghai", NEW_YORK):
        seller = make_seller(program_id=zone[-4:], timezone=zone, now=paid_at)
        seller.sells("A", 500_000, paid_at)
        seller.wait("2026-04-02T12:00:00Z")
        stories[zone] = (seller.changes(), seller.progress["volume"])
    assert stories == {
        "Asia/Shanghai": ([("2026-04-02", 1, 4, "rocket")], 500_000),
        NEW_YORK: ([("2026-04-01", 1, 4, "rocket")], 0),
    }


def test_each_program_closes_its_days_by_its_own_midnights(make_seller: MakeSeller) -> None:
    closed = {}
    for zone in ("Asia/Shanghai", NEW_YORK):
        seller = make_seller(program_id=zone[-4:], timezone=zone, now="2026-03-05T20:00:00Z")
        seller.wait("2026-03-07T08:00:00Z")
        rows = seller.get("/v1/jobs?job=levels")["data"]
        closed[zone] = [(row["first_day"], row["last_day"], row["due_at"]) for row in rows]
    assert closed == {
        "Asia/Shanghai": [("2026-03-07", "2026-03-07", "2026-03-06T19:00:00Z")],
        NEW_YORK: [("2026-03-06", "2026-03-07", "2026-03-07T08:00:00Z")],
    }


@pytest.mark.parametrize(
    ("hours", "in_time", "late"),
    [
        (2, "2026-03-08T01:59:59-05:00", "2026-03-08T03:00:00-04:00"),
        (3, "2026-03-08T03:59:59-04:00", "2026-03-08T04:00:00-04:00"),
    ],
)
def test_the_night_without_two_oclock_closes_after_as_many_hours(
    make_seller: MakeSeller, api: Api, hours: int, in_time: str, late: str
) -> None:
    """Both have sold at 23:59 on 7 March, one is told of before the close and one at it."""
    now = "2026-03-07T20:00:00-05:00"
    mei, li = two_sellers(make_seller, api, plan=closing_after(hours), timezone=NEW_YORK, now=now)
    mei.wait(in_time)
    mei.sells("A", 500_000, "2026-03-07T23:59:59-05:00")
    mei.wait(late)
    assert (mei.progress["rank"], mei.progress["provisional"]) == (4, False), "it closes on the second"
    li.sells("B", 500_000, "2026-03-07T23:59:59-05:00")
    li.sells("C", 500_000, "2026-03-08T03:00:00-04:00")
    mei.wait("2026-03-09T23:00:00-04:00")
    assert mei.changes() == [("2026-03-08", 1, 4, "rocket")]
    assert li.changes() == [("2026-03-09", 1, 5, "rocket")], "both counted on the 8th"


@pytest.mark.parametrize(
    ("hours", "in_time", "late"),
    [
        (1, "2026-11-01T00:59:59-04:00", "2026-11-01T01:00:00-04:00"),
        (2, "2026-11-01T01:59:59-04:00", "2026-11-01T01:00:00-05:00"),
        (3, "2026-11-01T01:59:59-05:00", "2026-11-01T02:00:00-05:00"),
    ],
)
def test_the_night_with_one_oclock_twice_closes_october_after_as_many_hours(
    make_seller: MakeSeller, api: Api, hours: int, in_time: str, late: str
) -> None:
    """What is told of 31 October at the close is November's; 1 November goes on for 25 hours."""
    now = "2026-10-31T20:00:00-04:00"
    mei, li = two_sellers(make_seller, api, plan=closing_after(hours), timezone=NEW_YORK, now=now)
    mei.wait(in_time)
    mei.sells("A", 500_000, "2026-10-31T23:59:59-04:00")
    mei.wait(late)
    li.sells("B", 400_000, "2026-10-31T23:59:59-04:00")
    mei.wait("2026-11-01T23:30:00-05:00")
    li.sells("C", 100_000, "2026-11-01T23:30:00-05:00")
    mei.wait("2026-11-02T12:00:00-05:00")
    assert mei.changes() == [("2026-11-01", 1, 4, "rocket")]
    assert li.changes() == [("2026-11-02", 1, 4, "rocket")]
    assert (mei.progress["volume"], li.progress["volume"]) == (0, 500_000)


@pytest.mark.parametrize(("of", "hours"), [("03-07", 24), ("03-08", 23), ("10-31", 24), ("11-01", 25)])
def test_a_day_in_new_york_has_23_to_25_hours(of: str, hours: int) -> None:
    begins, ends = (clock.midnight(each, NEW_YORK) for each in (day(of), day(of) + DAY))
    assert ends - begins == clock.hours(hours)


def test_in_a_leap_year_29_february_is_the_last_day_that_lifts_for_1_march(make_seller: MakeSeller) -> None:
    mei = make_seller(now="2028-02-28T12:00:00+08:00")
    mei.sells("A", 60_000, "2028-02-28T12:00:00+08:00")
    mei.wait("2028-02-29T12:00:00+08:00")
    mei.sells("B", 40_000, "2028-02-29T12:00:00+08:00")
    mei.wait("2028-03-01T02:00:00+08:00")
    mei.sells("C", 150_000, "2028-02-29T23:59:59+08:00")
    mei.sells("D", 100_000, "2028-03-01T00:00:00+08:00")
    mei.wait("2028-03-02T12:00:00+08:00")
    assert mei.changes() == [("2028-03-01", 1, 3, "rocket")]
    assert mei.level_of("D")[0] == 3
    assert mei.progress["volume"] == 100_000


def test_a_common_years_february_ends_a_day_earlier() -> None:
    assert life({"2027-02-28": 50}, joined="2027-01-10").on("2027-03-01").rank == 4
    assert life({"2028-02-29": 50}, joined="2028-01-10").on("2028-03-01").rank == 4
    spared = life({"2028-02-01": 50}, Rungs(misses=1), joined="2028-01-10").but(
        suspended=((at("2028-02-29 23:59"), at("2028-03-01 00:00")),)
    )
    assert spared.on("2028-03-01").misses == 0


def test_the_last_second_of_a_month_is_the_months_and_the_first_of_the_next_is_not(make_seller: MakeSeller) -> None:
    mei = make_seller(now=local("03-31 20:00"))
    mei.wait(local("04-01 02:59"))
    mei.sells("A", 100_000, "2026-03-31T23:59:59.999999+08:00")
    mei.sells("B", 150_000, "2026-04-01T00:00:00+08:00")
    mei.wait(local("04-02 12:00"))
    assert mei.changes() == [("2026-04-01", 1, 2, "rocket")]
    assert mei.progress["volume"] == 150_000


def test_an_order_told_just_before_the_midnight_after_which_it_was_paid_counts_for_the_new_month(
    make_seller: MakeSeller,
) -> None:
    """A shop's clock may be ahead of ours by ten minutes: what is decided in March lifts in April, and once."""
    mei = make_seller(now=local("03-31 20:00"))
    mei.wait(local("03-31 23:55"))
    mei.sells("A", 100_000, local("04-01 00:04"))
    assert (mei.progress["day"], mei.progress["volume"]) == ("2026-03-31", 0)
    mei.wait(local("04-02 12:00"))
    assert mei.changes() == [("2026-04-02", 1, 2, "rocket")]
    mei.wait(local("04-03 12:00"))
    assert mei.progress["volume"] == 100_000
