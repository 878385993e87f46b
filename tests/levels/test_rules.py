"""Rocket and snail, rule by rule. plan.md, "Levels"; sales in hundreds of yuan, ranks 1 to 7 at 0 10 25 50 100 200 500.

A distributor joins on 10 January unless told otherwise, so February is the first month that can be missed.
"""

from datetime import date

import pytest

from chalicelib.ledger.model import Volume
from chalicelib.levels import rules
from chalicelib.levels.model import Cause, Standing
from chalicelib.programs.model import Measure
from tests.levels.life import DAY, Rungs, day, life
from tests.support_laws import program

LIFETIME = Rungs((0, 10, 25, 50), "lifetime_sales", misses=None)
ORDERS = Rungs((0, 2, 5), "monthly_orders")
ONE_MISS = Rungs(misses=1)
MANUAL = Rungs(promotion="manual")


# Rocket


@pytest.mark.parametrize(
    ("sold", "rank"), [(9, 1), (10, 2), (24, 2), (25, 3), (49, 3), (50, 4), (199, 5), (200, 6), (499, 6), (500, 7)]
)
def test_the_rank_of_the_next_day_is_the_highest_whose_target_is_reached(sold: int, rank: int) -> None:
    one = life({"03-03": sold})
    assert one.on("03-03").rank == 1
    assert one.on("03-04").rank == rank


def test_no_rank_needs_to_be_passed_through() -> None:
    assert life({"03-03": 500}).path("03-31") == [("01-10", 1), ("03-04", 7)]


def test_a_month_adds_up_to_date() -> None:
    one = life({"03-02": 9, "03-10": 15, "03-20": 1, "03-21": 24})
    assert one.path("03-31") == [("01-10", 1), ("03-11", 2), ("03-21", 3)]
    assert one.on("03-11").volume == 24
    assert one.on("03-22").volume == 49


def test_a_month_starts_at_nothing() -> None:
    assert life({"02-28": 9, "03-01": 9}).on("03-02").rank == 1


def test_on_the_1st_the_whole_last_month_counts() -> None:
    one = life({"03-01": 20, "03-31": 30})
    assert one.on("03-31").rank == 2
    assert (one.on("04-01").rank, one.on("04-01").volume, one.on("04-01").cause) == (4, 50, Cause.ROCKET)


def test_what_is_sold_on_the_1st_is_of_the_new_month() -> None:
    one = life({"03-31": 30, "04-01": 20})
    assert one.path("04-30") == [("01-10", 1), ("04-01", 3)]
    assert one.on("04-02").volume == 20


def test_rank_never_falls_within_a_month_whatever_comes_back() -> None:
    one = life({"03-03": 50, "03-05": -50, "03-20": -7})
    assert one.path("03-31") == [("01-10", 1), ("03-04", 4)]
    assert one.on("03-21").volume == -7


def test_volume_that_came_back_has_to_be_sold_again_before_one_rises() -> None:
    one = life({"03-03": 20, "03-05": -20, "03-07": 20, "03-09": 5})
    assert one.path("03-31") == [("01-10", 1), ("03-04", 2), ("03-10", 3)]


def test_what_comes_back_in_a_later_month_is_taken_from_that_month() -> None:
    one = life({"03-03": 50, "04-02": -40, "04-10": 60})
    assert one.on("04-11").volume == 20
    assert one.on("05-01").misses == 1


def test_where_promotion_is_manual_nothing_lifts() -> None:
    one = life({"03-03": 500}, MANUAL, given={"03-10": 3})
    assert one.path("04-30") == [("01-10", 1), ("03-11", 3)]


def test_where_promotion_is_manual_the_snail_still_goes_down() -> None:
    one = life({}, Rungs(promotion="manual", misses=1), given={"03-10": 3})
    assert one.path("05-31") == [("01-10", 1), ("03-11", 3), ("05-01", 2)]


def test_orders_are_counted_where_the_measure_is_orders() -> None:
    one = life({"03-03": (1000, 1), "03-04": (1, 1), "03-05": (1, 3), "03-09": (0, -4)}, ORDERS)
    assert one.path("04-30") == [("01-10", 1), ("03-05", 2), ("03-06", 3)]
    assert (one.on("03-06").volume, one.on("03-06").target) == (5, 5)
    assert one.on("04-01").misses == 1, "one order is left of five"


# Snail


def test_the_snail_goes_down_after_so_many_missed_months() -> None:
    one = life({"03-03": 50})
    assert [one.on(f"{month}-01").misses for month in ("04", "05", "06", "07", "08")] == [0, 1, 2, 0, 1]
    assert one.path("12-31") == [("01-10", 1), ("03-04", 4), ("07-01", 3), ("10-01", 2)]


def test_a_fall_says_what_was_missed() -> None:
    fallen = life({"03-03": 50, "06-10": 20}).on("07-01")
    assert (fallen.from_rank, fallen.rank, fallen.cause) == (4, 3, Cause.SNAIL)
    assert (fallen.volume, fallen.target, fallen.misses) == (20, 50, 0)


@pytest.mark.parametrize(
    ("misses", "steps", "path"),
    [
        (1, 1, [("04-01", 6), ("05-01", 5), ("06-01", 4)]),
        (1, 2, [("04-01", 5), ("05-01", 3), ("06-01", 1)]),
        (1, 9, [("04-01", 1)]),
        (2, 1, [("05-01", 6), ("07-01", 5)]),
        (2, 4, [("05-01", 3), ("07-01", 1)]),
    ],
)
def test_how_soon_and_how_far_is_the_plans(misses: int, steps: int, path: list[object]) -> None:
    one = life({"02-03": 500}, Rungs(misses=misses, steps=steps))
    assert [step for step in one.path("07-31") if step[0] <= ("06-30" if misses == 1 else "07-31")][2:] == path


def test_nobody_falls_below_rank_1() -> None:
    one = life({"02-03": 10}, Rungs(misses=1, steps=3))
    assert one.path("12-31") == [("01-10", 1), ("02-04", 2), ("04-01", 1)]


def test_a_month_that_is_met_forgets_the_misses() -> None:
    one = life({"03-03": 50, "06-20": 50})
    assert [one.on(f"{month}-01").misses for month in ("05", "06", "07", "08", "09", "10")] == [1, 2, 0, 1, 2, 0]
    assert one.path("10-31") == [("01-10", 1), ("03-04", 4), ("10-01", 3)]


@pytest.mark.parametrize(("sold", "misses"), [(49, 1), (50, 0), (51, 0)])
def test_met_is_the_target_itself(sold: int, misses: int) -> None:
    assert life({"03-03": 50, "04-30": sold}).on("05-01").misses == misses


def test_a_month_is_held_against_the_rank_of_its_last_day() -> None:
    """Risen to 4 on 20 April with what meets rank 4's target: April is met, though rank 4 was held for ten days."""
    one = life({"03-03": 10, "04-19": 50})
    assert (one.on("04-30").rank, one.on("05-01").misses) == (4, 0)


def test_the_rocket_comes_first_on_the_1st() -> None:
    """On the last day of April rank 2 sells enough for rank 4: April is met by rank 2's target."""
    one = life({"03-03": 10, "04-30": 50}, ONE_MISS)
    risen = one.on("05-01")
    assert (risen.from_rank, risen.rank, risen.cause, risen.misses) == (2, 4, Cause.ROCKET, 0)
    assert one.path("06-30") == [("01-10", 1), ("03-04", 2), ("05-01", 4), ("06-01", 3)]


def test_misses_stand_through_a_rise_within_the_month() -> None:
    one = life({"03-03": 10, "05-10": 60, "05-20": -30})
    assert (one.on("05-01").misses, one.on("05-31").rank, one.on("05-31").misses) == (1, 4, 1)
    assert one.on("06-01").misses == 2, "what came back makes May a miss for rank 4"


def test_rank_1_counts_no_misses() -> None:
    one = life({"03-03": 5, "04-02": -5, "05-02": 9, "06-02": -9}, ONE_MISS)
    assert {standing.misses for standing in one.standings(day("12-31")).values()} == {0}


def test_without_demotion_nobody_falls_and_nothing_is_counted() -> None:
    one = life({"03-03": 500}, Rungs(misses=None))
    assert one.path("12-31") == [("01-10", 1), ("03-04", 7)]
    assert one.on("12-31").misses == 0


# Lifetime


def test_a_lifetime_adds_up_over_months_and_only_rises() -> None:
    one = life({"01-20": 9, "03-03": 1, "04-01": 14, "07-09": 1, "08-01": -25, "09-01": 50}, LIFETIME)
    assert one.path("12-31") == [("01-10", 1), ("03-04", 2), ("07-10", 3), ("09-02", 4)]
    assert (one.on("08-02").volume, one.on("09-02").volume) == (0, 50)


def test_a_lifetime_of_orders() -> None:
    one = life({"01-20": (1, 99), "03-03": (1, 1), "05-05": (1, 400)}, Rungs((0, 100, 500), "lifetime_orders", None))
    assert one.path("12-31") == [("01-10", 1), ("03-04", 2), ("05-06", 3)]


# Months that add no miss


def test_the_month_of_the_first_approval_adds_no_miss() -> None:
    one = life({"03-25": 50, "03-27": -50}, ONE_MISS, joined="03-20")
    assert one.path("05-31") == [("03-20", 1), ("03-26", 4), ("05-01", 3)]


def test_one_who_joins_on_the_1st_or_on_the_last_day_is_spared_that_month_alone() -> None:
    for joined, spared, falls in (("03-01", "04-01", "05-01"), ("03-31", "04-01", "05-01")):
        one = life({joined: 60, "04-01": -60}, ONE_MISS, joined=joined)
        assert one.on(spared).rank == 4
        assert one.on(falls).rank == 3


@pytest.mark.parametrize(
    ("since", "until", "spared"),
    [
        ("04-10 12:00", "04-12 12:00", {"04"}),
        ("04-10 12:00", "04-10 12:01", {"04"}),
        ("04-30 23:59", "05-01 00:00", {"04"}),
        ("04-30 23:59", "05-01 00:01", {"04", "05"}),
        ("05-01 00:00", "05-01 00:01", {"05"}),
        ("04-20 00:00", "06-01 00:00", {"04", "05"}),
        ("03-31 23:00", "07-01 09:00", {"03", "04", "05", "06", "07"}),
        ("05-05 00:00", None, {"05", "06", "07"}),
        ("04-10 12:00", "04-10 12:00", set()),
        ("05-01 00:00", "05-01 00:00", set()),
    ],
)
def test_a_month_with_a_suspended_day_adds_no_miss(since: str, until: str | None, spared: set[str]) -> None:
    one = life({"02-03": 500}, Rungs(misses=9), suspended=[(since, until)])
    months = ["03", "04", "05", "06", "07"]
    exempt = {month for month in months if one.case.exempt(day(f"{month}-01"))}
    assert exempt == spared
    assert one.on("08-01").misses == len(months) - len(spared)


def test_a_month_that_is_spared_forgets_nothing_unless_it_is_met() -> None:
    away = [("05-10 09:00", "05-11 09:00")]
    assert life({"03-03": 50}, suspended=away).on("06-01").misses == 1
    assert life({"03-03": 50, "05-20": 50}, suspended=away).on("06-01").misses == 0


def test_two_suspensions_spare_both_their_months() -> None:
    away = [("04-10 09:00", "04-11 09:00"), ("06-10 09:00", "06-11 09:00")]
    one = life({"02-03": 50}, suspended=away)
    assert [one.on(f"{month}-01").misses for month in ("04", "05", "06", "07", "08")] == [1, 1, 2, 2, 0]


def test_a_month_begins_and_ends_by_the_programs_clock() -> None:
    """Suspended on 30 April in New York is suspended on 1 May in Shanghai."""
    one = life(suspended=[("05-01 01:00", "05-01 02:00")]).distributor
    assert rules.joined_or_suspended_in(program("America/New_York"), one, day("04-01"))
    assert not rules.joined_or_suspended_in(program("America/New_York"), one, day("05-01"))
    assert rules.joined_or_suspended_in(program(), one, day("05-01"))


# Ranks by hand


def test_a_rank_by_hand_holds_from_the_next_midnight() -> None:
    one = life({}, given={"03-10": 5})
    assert one.path("03-31") == [("01-10", 1), ("03-11", 5)]
    given = one.on("03-11")
    assert (given.cause, given.reason, given.from_rank, given.target) == (Cause.HAND, "why", 1, 100)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_a_rank_by_hand_outdoes_what_the_same_close_decides(rank: int) -> None:
    assert life({"03-10": 500}, given={"03-10": rank}).on("03-11").rank == rank


def test_a_rank_by_hand_outdoes_the_snail_and_wipes_the_misses() -> None:
    one = life({"03-03": 50}, given={"06-30": 4})
    assert one.on("06-30").misses == 2
    assert (one.on("07-01").rank, one.on("07-01").misses) == (4, 0)


def test_given_the_rank_one_has_the_misses_are_forgotten_and_volume_goes_on_lifting() -> None:
    one = life({"03-03": 50, "06-10": 40, "06-20": 60}, given={"06-15": 4})
    assert (one.on("06-15").misses, one.on("06-16").misses) == (2, 0)
    assert one.path("06-30")[2:] == [("06-21", 5)]


def test_after_a_raise_by_hand_what_was_sold_before_still_lifts() -> None:
    one = life({"03-10": 100}, given={"03-10": 2})
    assert one.path("03-31") == [("01-10", 1), ("03-11", 2), ("03-12", 5)]


def test_after_a_lowering_only_what_is_sold_from_that_midnight_lifts() -> None:
    one = life({"03-03": 100, "03-10": 40, "03-11": 9, "03-20": 16}, given={"03-10": 1})
    assert one.path("03-31") == [("01-10", 1), ("03-04", 5), ("03-11", 1), ("03-21", 3)]
    assert (one.on("03-12").volume, one.on("03-21").volume) == (9, 25)


def test_a_lowering_still_holds_at_the_months_end_and_no_longer() -> None:
    one = life({"03-03": 100, "04-10": 25}, given={"03-10": 1})
    assert one.path("04-30") == [("01-10", 1), ("03-04", 5), ("03-11", 1), ("04-11", 3)]


def test_what_came_back_before_a_lowering_does_not_hold_one_down_after_it() -> None:
    one = life({"02-03": 100, "03-05": -60, "03-20": 25}, given={"03-10": 1})
    assert one.path("03-31")[2:] == [("03-11", 1), ("03-21", 3)]


def test_a_month_is_met_by_all_that_it_sold_even_before_a_lowering() -> None:
    one = life({"02-03": 25, "04-30": 5, "05-03": 50, "05-20": -20}, Rungs(misses=9), given={"05-10": 2})
    assert one.on("05-01").misses == 2
    assert one.on("06-01").misses == 0, "30 of May meet rank 2's target"


def test_a_lowering_on_the_last_day_of_a_month_lets_the_new_month_lift_as_a_whole() -> None:
    one = life({"03-03": 100, "04-01": 25}, given={"03-31": 1})
    assert one.path("04-30") == [("01-10", 1), ("03-04", 5), ("04-01", 1), ("04-02", 3)]


def test_after_a_lowering_of_a_lifetime_only_what_is_sold_from_then_on_lifts_for_ever() -> None:
    one = life({"01-20": 60, "05-05": 9, "07-07": 1, "09-09": 15}, LIFETIME, given={"03-10": 1})
    assert one.path("12-31") == [("01-10", 1), ("01-21", 4), ("03-11", 1), ("07-08", 2), ("09-10", 3)]
    assert one.on("12-31").sums.of(Measure.LIFETIME_SALES) == 85


def test_a_second_lowering_starts_anew_and_a_raise_does_not() -> None:
    twice = life({"01-20": 60, "04-01": 12, "05-05": 9}, LIFETIME, given={"03-10": 1, "04-10": 1})
    assert twice.path("12-31")[2:] == [("03-11", 1), ("04-02", 2), ("04-11", 1)]
    raised = life({"01-20": 60, "04-01": 9, "05-05": 17}, LIFETIME, given={"03-10": 1, "04-10": 2})
    assert raised.path("12-31")[2:] == [("03-11", 1), ("04-11", 2), ("05-06", 3)]


@pytest.mark.parametrize("given", ["03-01", "03-15", "03-30"])
def test_the_month_of_a_grant_adds_no_miss(given: str) -> None:
    one = life({}, ONE_MISS, given={given: 4})
    assert one.path("05-31")[2:] == [("05-01", 3)]


def test_a_grants_month_is_that_of_the_day_on_which_it_was_given() -> None:
    """Given on 31 March it holds from 1 April: March is spared, April is not."""
    assert life({}, ONE_MISS, given={"03-31": 4}).path("05-31") == [("01-10", 1), ("04-01", 4), ("05-01", 3)]
    assert life({}, ONE_MISS, given={"04-01": 4}).path("06-30") == [("01-10", 1), ("04-02", 4), ("06-01", 3)]


def test_each_months_grant_spares_that_month() -> None:
    one = life({}, ONE_MISS, given={"03-31": 4, "04-10": 4})
    assert one.path("06-30") == [("01-10", 1), ("04-01", 4), ("06-01", 3)]


def test_a_rank_that_the_plan_has_not_is_given_as_its_highest() -> None:
    one = life({}, given={"03-10": 7}, plans={"03-11 00:00": Rungs((0, 10, 25))})
    assert one.path("03-31") == [("01-10", 1), ("03-11", 3)]


# Versions of the plan


def test_a_day_is_judged_by_the_plan_in_force_at_the_end_of_the_day_before() -> None:
    easier = Rungs((0, 5, 8))
    at_night = life({"03-03": 8}, plans={"03-04 00:00": easier})
    assert at_night.path("03-31") == [("01-10", 1), ("03-05", 3)]
    assert (at_night.on("03-04").plan_version, at_night.on("03-05").plan_version) == (1, 2)
    before = life({"03-03": 8}, plans={"03-03 23:59": easier})
    assert before.path("03-31") == [("01-10", 1), ("03-04", 3)]


def test_a_month_is_held_against_the_targets_in_force_when_it_ended() -> None:
    harder = Rungs((0, 10, 25, 80), misses=1)
    met = life({"02-03": 50, "03-20": 60}, ONE_MISS, plans={"04-01 00:00": harder})
    assert met.path("04-30") == [("01-10", 1), ("02-04", 4)]
    missed = life({"02-03": 50, "03-20": 60}, ONE_MISS, plans={"03-31 12:00": harder})
    assert missed.path("04-30") == [("01-10", 1), ("02-04", 4), ("04-01", 3)]


def test_how_many_misses_count_is_what_the_plan_says_when_the_month_ended() -> None:
    one = life({"03-03": 50}, plans={"05-15 00:00": Rungs(misses=2, steps=2)})
    assert one.path("06-30") == [("01-10", 1), ("03-04", 4), ("06-01", 2)]


def test_nobody_stands_above_the_highest_rank_of_the_plan_that_begins() -> None:
    lower = {"03-10 00:00": Rungs((0, 10, 25))}
    one = life({"03-03": 500}, plans=lower)
    assert one.path("03-31") == [("01-10", 1), ("03-04", 7), ("03-10", 3)]
    assert one.on("03-10").cause is None
    risen = life({"03-09": 500}, plans=lower)
    assert risen.path("03-31") == [("01-10", 1), ("03-10", 3)]


def test_a_measure_changes_with_the_month() -> None:
    """March is judged by its sales, April by its orders, both by what was counted all along."""
    one = life({"03-05": (49, 5), "03-31": (1, 1), "04-01": (1000, 1), "04-10": (1, 1)}, plans={"04-01 00:00": ORDERS})
    assert one.path("04-30") == [("01-10", 1), ("03-06", 3), ("04-01", 3)][:2]
    four = one.but(plans=(one.plans[0], (one.plans[1][0], Rungs((0, 2, 3, 4), "monthly_orders", 1))))
    assert four.path("05-31") == [("01-10", 1), ("03-06", 3), ("04-01", 4), ("05-01", 3)]


def test_a_lifetime_measure_that_takes_over_counts_everything_since_the_beginning() -> None:
    one = life({"01-20": 9, "02-20": 9, "03-20": 9}, plans={"04-01 00:00": LIFETIME})
    assert one.path("04-30") == [("01-10", 1), ("04-02", 3)]


def test_without_a_plan_in_force_nothing_changes() -> None:
    late = life({"01-20": 100, "02-20": 100})
    none_yet = late.but(plans=((late.plans[0][0].replace(year=2026, month=3, day=5, hour=12), Rungs()),))
    assert none_yet.path("03-31") == [("01-10", 1)]
    assert none_yet.on("03-05").plan_version is None
    assert none_yet.on("03-06").plan_version == 1
    assert none_yet.on("03-06").sums.of_life == Volume(200, 2)


# What is kept


def test_one_idle_day_after_another_is_the_same_as_being_carried() -> None:
    one = life({"03-03": 50, "03-05": -3}, Rungs(misses=9), given={"03-04": 2})
    start = one.on("03-06")
    for later in ("03-07", "03-31", "04-01", "04-02", "05-01", "05-02", "2027-01-01"):
        by_day = one.on(later)
        carried = start.carried(day(later))
        assert carried.sums == by_day.sums
        assert (carried.day, carried.from_rank, carried.rank) == (by_day.day, 2, 2)
    assert start.carried(day("03-06")) is start
    assert start.carried(day("01-01")) is start


def test_a_day_is_kept_only_if_it_says_something_new() -> None:
    one = life({"03-03": 50, "03-05": -3, "03-06": (0, 1)}, given={"04-10": 4})
    days: dict[date, Standing] = {one.joined: one.first, **one.standings(day("05-31"))}
    kept = [
        of for of, standing in days.items() if of != one.joined and rules.is_worth_keeping(days[of - DAY], standing)
    ]
    assert kept == [day(text) for text in ("03-04", "03-06", "03-07", "04-01", "04-11")]
