"""The oracle's holds, settlements and withdrawals, on cases worked out by hand."""

from collections import Counter
from collections.abc import Callable, Collection
from copy import deepcopy
from datetime import date, datetime
from typing import Any, cast

import pytest

from infra.replay.journey import load_mapping
from infra.replay.oracle import Expected, compare, expect
from infra.replay.oracle.judging import Credit, Judge, Verdict
from infra.replay.oracle.purses import Movement, Purse, Wallet, course_of, movements_of
from infra.replay.oracle.receipts import Back, Done, Receipt
from infra.replay.oracle.world import World, utc

ANA, BEN, EMMA, INES, KEIKO = "hh-2057", "hh-2202", "hh-1656", "hh-1004", "hh-1066"
"""By pretend these are paid, paid after a lost answer, paid a day later, paid and back, not paid."""
JONAS = "hh-1924"
"""Of whom the aftermath tells."""


class Judging:
    """Pays Ana 100 for an order, and 30 less for each thing that came back."""

    def verdict(self, credit: Credit, rank: int | None, backs: Collection[Back] | None = None) -> Verdict:
        left = max(0, 100 - 30 * len(backs or ()))
        return Verdict(credit.reason, ANA, {1: (ANA, left)} if left else {})


def _at(local: str) -> datetime:
    return utc(datetime.fromisoformat(local))


def _world(**hold: Any) -> World:
    """The replay's world without anybody who asks for money; `hold` is changed in the first plan."""
    mapping = deepcopy(load_mapping())
    mapping["payouts"]["asks_bp"] = 0
    mapping["aftermath"]["distributor"] = 6
    mapping["plans"][0]["plan"]["hold"].update(hold)
    return World(mapping, 300, 5)


def _moved(
    world: World,
    paid: str = "2017-01-11T12:00",
    told: str = "2017-01-19T03:00",
    done: tuple[str, str] | None = None,
    backs: Collection[Back] = (),
) -> list[Movement]:
    """What an order moves; `done` is when it was completed, and when that was told."""
    completed = Done(_at(done[0]), _at(done[1]), by_order=done[1] == told) if done else None
    receipt = Receipt(1, 1, _at(paid), _at(told), [], [], list(backs), None, completed)
    return list(movements_of(world, cast(Judge, Judging()), Credit(receipt, "binding", ANA), 1))


def _back(told: str, *, before: bool = False) -> Back:
    return Back(_at(told), [], [], before)


def _purse(world: World, moved: list[Movement], local: str) -> tuple[int, int]:
    """Pending and available."""
    purse = Wallet(world, ANA, moved).at(_at(local))
    return purse.pending, purse.available


def test_a_commission_is_pending_until_two_in_the_night_in_which_its_hold_is_over() -> None:
    world = _world()
    moved = _moved(world, done=("2017-01-13T09:00", "2017-01-19T03:00"))
    assert _purse(world, moved, "2017-01-19T02:59") == (0, 0)
    assert _purse(world, moved, "2017-01-19T03:00") == (100, 0)
    assert _purse(world, moved, "2017-01-21T01:59") == (100, 0)
    assert _purse(world, moved, "2017-01-21T02:00") == (0, 100)


def test_what_is_completed_long_ago_is_available_on_the_day_it_is_told_or_the_next() -> None:
    world = _world()
    after_two = _moved(world, "2017-01-15T12:00", done=("2017-01-16T12:00", "2017-01-28T12:00"))
    assert _purse(world, after_two, "2017-01-28T23:59") == (100, 0)
    assert _purse(world, after_two, "2017-01-29T02:00") == (0, 100)
    before_two = _moved(world, "2017-02-01T12:00", "2017-02-10T01:30", ("2017-02-02T12:00", "2017-02-10T01:30"))
    assert _purse(world, before_two, "2017-02-10T01:59") == (100, 0)
    assert _purse(world, before_two, "2017-02-10T02:00") == (0, 100)


def test_an_order_that_nobody_completes_completes_itself_after_fifteen_days() -> None:
    """Paid on the 11th at noon, complete on the 26th at noon, its hold over on 2 February at noon: so on the 3rd."""
    world = _world()
    moved = _moved(world)
    assert {each.decided for each in moved} == {_at("2017-01-19T03:00"), _at("2017-01-27")}
    assert _purse(world, moved, "2017-02-03T01:59") == (100, 0)
    assert _purse(world, moved, "2017-02-03T02:00") == (0, 100)


def test_a_completion_told_after_that_changes_nothing_and_one_told_before_does() -> None:
    world = _world()
    late = _moved(world, done=("2017-01-22T12:00", "2017-01-28T12:00"))
    assert _purse(world, late, "2017-02-02T02:00") == (100, 0)
    early = _moved(world, done=("2017-01-16T12:00", "2017-01-19T03:00"))
    assert _purse(world, early, "2017-01-24T02:00") == (0, 100)


def test_a_hold_from_payment_is_known_at_once() -> None:
    world = _world(starts="paid", days=10)
    moved = _moved(world)
    assert _purse(world, moved, "2017-01-22T01:59") == (100, 0)
    assert _purse(world, moved, "2017-01-22T02:00") == (0, 100)


def test_no_hold_ends_before_the_close_of_the_day_of_payment() -> None:
    world = _world(starts="paid", days=0)
    moved = _moved(world, "2017-01-11T00:00", "2017-01-11T00:00")
    assert moved[-1].day == date(2017, 1, 13)  # at midnight of the 12th it hasn't closed yet


def test_days_of_a_hold_have_24_hours_in_the_night_that_has_23() -> None:
    world = _world()
    moved = _moved(world, "2017-03-04T23:30", "2017-03-10T01:30", ("2017-03-05T23:30", "2017-03-10T01:30"))
    assert moved[-1].day == date(2017, 3, 14)  # over on the 13th at half past midnight, not on the 12th before it


def test_what_comes_back_before_the_completion_comes_out_of_pending() -> None:
    world = _world(auto_complete_days=30)
    moved = _moved(world, done=("2017-01-20T12:00", "2017-02-01T02:59"), backs=[_back("2017-01-28T12:00")])
    assert _purse(world, moved, "2017-01-28T12:00") == (70, 0)
    assert _purse(world, moved, "2017-02-03T02:00") == (0, 70)


def test_what_comes_back_after_it_is_pending_until_the_release_and_comes_out_of_it() -> None:
    world = _world()
    moved = _moved(world, done=("2017-01-27T12:00", "2017-01-28T12:00"), backs=[_back("2017-02-01T02:59")])
    assert _purse(world, moved, "2017-02-01T02:59") == (100, 0)
    assert _purse(world, moved, "2017-02-03T02:00") == (0, 70)


def test_what_comes_back_after_the_release_makes_available_smaller_by_the_next_settlement() -> None:
    world = _world()
    done = ("2017-01-13T09:00", "2017-01-19T03:00")
    moved = _moved(world, done=done, backs=[_back("2017-02-01T02:59"), _back("2017-02-10T01:30")])
    assert _purse(world, moved, "2017-02-02T01:59") == (0, 100)
    assert _purse(world, moved, "2017-02-02T02:00") == (0, 70)
    assert _purse(world, moved, "2017-02-10T02:00") == (0, 40)


def test_what_is_told_before_its_order_is_never_pending() -> None:
    world = _world()
    done = ("2017-01-13T09:00", "2017-01-19T03:00")
    moved = _moved(world, done=done, backs=[_back("2017-01-19T03:00", before=True), _back("2017-01-19T03:00")])
    assert _purse(world, moved, "2017-01-19T03:00") == (70, 0)
    assert _purse(world, moved, "2017-01-21T02:00") == (0, 40)


def test_what_is_taken_back_whole_leaves_nothing() -> None:
    world = _world()
    four = [_back("2017-01-28T12:00") for _ in range(4)]
    assert _purse(world, _moved(world, backs=four), "2017-05-01T12:00") == (0, 0)
    assert _purse(
        world, _moved(world, backs=four, done=("2017-01-13T09:00", "2017-01-19T03:00")), "2017-05-01T12:00"
    ) == (
        0,
        0,
    )


@pytest.mark.parametrize(
    ("since", "rhythm", "released"),
    [
        ("2017-02-10T01:30", "daily", "2017-02-10T10:00"),
        ("2017-02-10T09:59", "daily", "2017-02-10T10:00"),
        ("2017-02-10T10:00", "daily", "2017-02-11T10:00"),
        ("2017-03-11T12:00", "daily", "2017-03-12T10:00"),  # ten by the clock, whatever the night
        ("2017-06-01T02:59", "weekly:5", "2017-06-02T10:00"),
        ("2017-06-02T10:00", "weekly:5", "2017-06-09T10:00"),
        ("2017-05-29T10:00", "weekly:1", "2017-06-05T10:00"),
        ("2017-01-31T12:00", "monthly:28", "2017-02-28T10:00"),
    ],
)
def test_releases_are_at_ten_on_the_days_of_the_rhythm(since: str, rhythm: str, released: str) -> None:
    assert _world().release_after(_at(since), rhythm) == _at(released)


@pytest.mark.parametrize(
    ("seller", "channel", "at", "purse", "status"),
    [
        (ANA, "pretend", "2017-02-10T09:59", Purse(available=-8000, held=8000), "paid"),
        (ANA, "pretend", "2017-02-10T10:00", Purse(available=-8000, paid_out=7960, fee=40), "paid"),
        (BEN, "pretend", "2017-02-10T10:00", Purse(available=-8000, paid_out=7960, fee=40), "paid"),
        (EMMA, "pretend", "2017-02-11T09:59", Purse(available=-8000, held=8000), "paid"),
        (EMMA, "pretend", "2017-02-11T10:00", Purse(available=-8000, paid_out=7960, fee=40), "paid"),
        (INES, "pretend", "2017-02-10T10:00", Purse(available=-8000, paid_out=7960, fee=40), "returned"),
        (INES, "pretend", "2017-02-11T10:00", Purse(), "returned"),
        (KEIKO, "pretend", "2017-02-10T10:00", Purse(), "failed"),
        (ANA, "bank", "2017-02-19T02:59", Purse(available=-8000, held=8000), "paid"),
        (ANA, "bank", "2017-02-19T03:00", Purse(available=-8000, paid_out=7960, fee=40), "paid"),
    ],
)
def test_a_withdrawal_moves_money_when_it_is_asked_for_and_when_it_is_answered(
    seller: str, channel: str, at: str, purse: Purse, status: str
) -> None:
    course = course_of(_world(), seller, _at("2017-02-10T01:30"), channel, 8000)
    assert course.withdrawal.status == status
    assert sum((what for when, what in course.moves if when <= _at(at)), Purse()) == purse


def test_a_fee_may_be_a_fixed_amount_and_the_bank_may_not_have_answered() -> None:
    course = course_of(_world(), ANA, _at("2017-05-28T12:00"), "bank", 8000)
    assert (course.withdrawal.fee, course.withdrawal.status) == (200, "processing")


BASKETS = 3000
Mapping = dict[str, Any]


@pytest.fixture(scope="module")
def expected() -> Expected:
    return expect(BASKETS)


def test_the_story_sees_withdrawals_come_to_everything(expected: Expected) -> None:
    ends = Counter((each.channel, each.status) for each in expected.withdrawals.values())
    assert ends.keys() >= {
        (channel, status) for channel in ("bank", "pretend") for status in ("paid", "returned", "failed")
    }
    assert {status for _, status in ends} >= {"rejected", "processing"}
    lost = [each for each in expected.withdrawals.values() if (each.seller, each.channel) == (BEN, "pretend")]
    assert lost
    assert all(each.status == "paid" for each in lost)


@pytest.mark.parametrize("months", [2, 4, 12])
def test_whoever_was_paid_everything_owes_what_came_back_then(months: int) -> None:
    assert expect(BASKETS, months).purses[JONAS].available < 0


def test_that_debt_is_of_what_was_paid_out(expected: Expected) -> None:
    assert expected.withdrawals[f"{JONAS} asks 2017-05-10"].status == "paid"
    assert expected.purses[JONAS].available < 0
    assert expected.purses[JONAS].paid_out > -expected.purses[JONAS].available


def _hold_days(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["hold"]["days"] = 11


def _hold_starts(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["hold"]["starts"] = "completed"


def _completes_itself(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["hold"]["auto_complete_days"] = 16


def _fee(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["withdrawal"]["fee_bp"] = 51


def _rhythm(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["withdrawal"]["release"] = "weekly:6"


def _review(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["withdrawal"]["review_above_minor"] = 100000


def _minimum(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["withdrawal"]["min_minor"] = 10000


def _stop(mapping: Mapping) -> None:
    mapping["clock"]["stops"][1]["at"] = "02:00"


@pytest.mark.parametrize(
    "spoil", [_hold_days, _hold_starts, _completes_itself, _fee, _rhythm, _review, _minimum, _stop]
)
def test_one_wrong_number_makes_a_difference_in_money(expected: Expected, spoil: Callable[[Mapping], None]) -> None:
    wrong = deepcopy(load_mapping())
    spoil(wrong)
    other = expect(BASKETS, None, wrong)
    assert compare(expected.purses, other.purses)
    assert compare(expected.verdicts, other.verdicts) == []
