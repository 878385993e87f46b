"""plan.md's worked cases of levels, over HTTP with the test clock: sales of one distributor, ranks day by day."""

from collections.abc import Callable

import pytest

from tests.levels.seller import Seller

MakeSeller = Callable[..., Seller]


def test_5000_yuan_on_3_march_are_rank_4_from_4_march(make_seller: MakeSeller) -> None:
    seller = make_seller(now="2026-03-03T11:00:00+08:00")
    seller.sells("A", 500_000, "2026-03-03T11:05:00+08:00")
    seller.clock("2026-03-04T00:30:00+08:00")
    assert (seller.progress["rank"], seller.progress["provisional"]) == (4, True)
    seller.sells("B", 100_000, "2026-03-04T00:01:00+08:00")
    assert seller.level_of("B") == (4, 800, 8000)
    seller.clock("2026-03-04T12:00:00+08:00")
    assert (seller.progress["rank"], seller.progress["provisional"]) == (4, False)
    assert seller.level_of("A") == (1, 200, 10_000)
    assert seller.level_of("B") == (4, 800, 8000)
    assert seller.changes() == [("2026-03-04", 1, 4, "rocket")]


def test_three_missed_months_fall_a_step_and_a_good_one_wipes_them(make_seller: MakeSeller) -> None:
    """Side by side in one program: mei misses October, November and December, li misses the first and the last."""
    mei = make_seller(now="2026-09-10T10:00:00+08:00")
    li = Seller(mei.api, mei.shop, mei.worker, name="li")
    sold = {mei: (400_000, 400_000, 400_000), li: (400_000, 600_000, 400_000)}
    for seller in sold:
        seller.sells(f"{seller.id}-9", 500_000, "2026-09-10T10:05:00+08:00")
    for place, month in enumerate((10, 11, 12)):
        mei.wait(f"2026-{month}-15T12:00:00+08:00")
        for seller, amounts in sold.items():
            seller.sells(f"{seller.id}-{month}", amounts[place], f"2026-{month}-15T11:00:00+08:00")
            assert seller.level_of(f"{seller.id}-{month}")[:2] == (4, 800)
    mei.clock("2027-01-01T12:00:00+08:00")
    for seller in sold:
        seller.sells(f"{seller.id}-last", 100, "2026-12-31T23:59:59+08:00")
        seller.sells(f"{seller.id}-next", 100, "2027-01-01T00:00:00+08:00")
        assert seller.level_of(f"{seller.id}-last")[:2] == (4, 800)
    assert mei.level_of(f"{mei.id}-next")[:2] == (3, 600)
    assert li.level_of(f"{li.id}-next")[:2] == (4, 800)
    assert mei.changes() == [("2026-09-11", 1, 4, "rocket"), ("2027-01-01", 4, 3, "snail")]
    assert li.changes() == [("2026-09-11", 1, 4, "rocket")]
    assert (mei.progress["misses"], li.progress["misses"]) == (0, 1)


@pytest.mark.parametrize(("told", "risen_on"), [("00:30", "2026-03-04"), ("03:30", "2026-03-05")])
def test_what_is_received_after_the_close_counts_on_the_day_it_is_received(
    make_seller: MakeSeller, told: str, risen_on: str
) -> None:
    seller = make_seller(now="2026-03-03T11:00:00+08:00")
    seller.clock(f"2026-03-04T{told}:00+08:00")
    seller.sells("A", 500_000, "2026-03-03T23:59:00+08:00")
    seller.clock("2026-03-06T12:00:00+08:00")
    assert seller.changes() == [(risen_on, 1, 4, "rocket")]
