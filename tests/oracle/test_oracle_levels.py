"""The oracle's rocket and snail, on the cases that docs/plan.md works out."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime

import pytest

from infra.replay.journey import load_mapping
from infra.replay.oracle.levels import Life, Person, Volumes
from infra.replay.oracle.world import World, utc, wall

SEPTEMBER = date(2016, 9, 1)
TRACK = load_mapping()["plans"][0]["plan"]["tracks"]["everyone"]
Sold = dict[str, int]
"""Yuan by day."""


def _life(sold: Sold, *, grants: dict[str, int] | None = None, exempt: Iterable[str] = (), until: str) -> Life:
    sales = Counter({date.fromisoformat(day): 100 * yuan for day, yuan in sold.items()})
    given = {date.fromisoformat(day): rank for day, rank in (grants or {}).items()}
    excused = {date.fromisoformat(day) for day in exempt}
    person = Person("ana", SEPTEMBER, Volumes(sales), lambda _: (1, TRACK), given, lambda month: month in excused)
    return Life(person, date.fromisoformat(until))


def _changes(life: Life) -> list[tuple[str, int, int, str]]:
    return [(each.day.isoformat(), each.from_rank, each.to_rank, each.cause) for each in life.changes]


def test_five_thousand_by_the_third_is_rank_four_from_the_fourth() -> None:
    life = _life({"2017-03-02": 900, "2017-03-03": 4100}, until="2017-03-05")
    assert _changes(life) == [("2017-03-04", 1, 4, "rocket")]
    assert [life.rank_on(date(2017, 3, day)) for day in (3, 4, 5)] == [1, 4, 4]


def test_one_fen_less_is_not_enough() -> None:
    sales = Counter({date(2017, 3, 3): 499999})
    person = Person("ana", SEPTEMBER, Volumes(sales), lambda _: (1, TRACK), {}, lambda _: False)
    assert Life(person, date(2017, 3, 5)).rank_on(date(2017, 3, 5)) == 3


def test_what_is_sold_on_the_last_day_of_a_month_lifts_on_the_first() -> None:
    assert _changes(_life({"2017-02-20": 4000, "2017-02-28": 1000}, until="2017-03-31")) == [
        ("2017-02-21", 1, 3, "rocket"),
        ("2017-03-01", 3, 4, "rocket"),
    ]


def test_three_missed_months_cost_one_rank() -> None:
    life = _life({"2016-09-10": 5000, "2016-10-10": 4000, "2016-11-10": 4000, "2016-12-10": 4000}, until="2017-01-02")
    assert _changes(life) == [("2016-09-11", 1, 4, "rocket"), ("2017-01-01", 4, 3, "snail")]
    assert (life.changes[-1].volume, life.changes[-1].misses) == (400000, 0)


def test_a_month_that_is_met_wipes_the_misses() -> None:
    sold = {"2016-09-10": 5000, "2016-10-10": 4000, "2016-11-10": 6000, "2016-12-10": 4000, "2017-01-10": 10000}
    life = _life(sold, until="2017-01-31")
    assert _changes(life) == [("2016-09-11", 1, 4, "rocket"), ("2017-01-11", 4, 5, "rocket")]
    assert life.changes[-1].misses == 1


def test_falling_goes_on_after_three_more() -> None:
    life = _life({"2016-09-10": 2500}, until="2017-07-01")
    assert _changes(life)[1:] == [("2017-01-01", 3, 2, "snail"), ("2017-04-01", 2, 1, "snail")]


def test_a_suspended_month_adds_no_miss_and_wipes_none() -> None:
    life = _life({"2016-09-10": 2500}, exempt=["2016-11-01"], until="2017-07-01")
    assert _changes(life)[1][0] == "2017-02-01"


def test_the_month_of_the_approval_adds_no_miss() -> None:
    life = _life({"2016-09-05": 1000, "2016-09-06": -500}, until="2017-01-01")
    assert _changes(life)[1:] == [("2017-01-01", 2, 1, "snail")]


def test_a_grant_holds_from_the_next_day_and_excuses_its_month() -> None:
    life = _life({}, grants={"2016-10-10": 4}, until="2017-02-01")
    assert _changes(life) == [("2016-10-11", 1, 4, "hand"), ("2017-02-01", 4, 3, "snail")]


def test_a_grant_outdoes_what_the_same_close_decides() -> None:
    life = _life({"2017-03-03": 5000}, grants={"2017-03-03": 2}, until="2017-03-04")
    assert _changes(life) == [("2017-03-04", 1, 2, "hand")]


def test_after_a_lowering_only_what_comes_then_lifts() -> None:
    life = _life(
        {"2017-03-03": 5000, "2017-03-12": 900, "2017-03-13": 100}, grants={"2017-03-10": 1}, until="2017-04-01"
    )
    assert _changes(life)[1:] == [("2017-03-11", 4, 1, "hand"), ("2017-03-14", 1, 2, "rocket")]
    assert [each.volume for each in life.changes] == [500000, 500000, 100000]


@pytest.mark.parametrize(
    ("paid", "told", "counts_on"),
    [
        ("2017-03-03T23:59", "2017-03-04T00:30", "2017-03-03"),
        ("2017-03-03T23:59", "2017-03-04T02:59:59", "2017-03-03"),
        ("2017-03-03T23:59", "2017-03-04T03:00", "2017-03-04"),
        ("2017-03-03T00:00", "2017-03-09T01:30", "2017-03-09"),
        ("2017-03-11T23:59", "2017-03-12T03:30", "2017-03-11"),  # the night has no hour from two to three
        ("2017-03-11T23:59", "2017-03-12T04:00", "2017-03-12"),
        ("2017-11-03T12:00", "2017-11-05T00:00", "2017-11-03"),  # from July on a day closes after thirty hours
    ],
)
def test_what_is_told_before_the_close_counts_on_the_day_of_payment(paid: str, told: str, counts_on: str) -> None:
    world = World(load_mapping(), 300, 12)
    at, received = (utc(datetime.fromisoformat(each)) for each in (paid, told))
    assert world.counts_on(at, received) == date.fromisoformat(counts_on)


@pytest.mark.parametrize("at", ["2017-03-12T01:59", "2017-03-12T03:00", "2017-07-01T12:00", "2017-11-05T02:00"])
def test_the_oracles_clock_goes_there_and_back(at: str) -> None:
    assert wall(utc(datetime.fromisoformat(at))) == datetime.fromisoformat(at)
