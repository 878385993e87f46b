"""Versions of the plan over HTTP: which one judges a day, which one an order's rank is looked up in, and when a day of
two versions closes."""

from collections.abc import Callable
from typing import Any

from tests.levels.seller import Seller, local, rocket_snail

MakeSeller = Callable[..., Seller]


def levels(*targets: int, rate_bp: int = 500) -> list[dict[str, Any]]:
    """Ranks at these targets; each pays as much more than the one below it."""
    return [
        {"rank": rank, "name": f"N{rank}", "rate_bp": rate_bp * rank, "target": target}
        for rank, target in enumerate(targets, start=1)
    ]


def publish(seller: Seller, plan: dict[str, Any], effective_at: str) -> None:
    body = {"plan": plan, "effective_at": local(effective_at)}
    assert seller.post("/v1/program/plans", body, 201)["version"] > 1


def judged(seller: Seller) -> list[tuple[str, int, int | None]]:
    """Day, rank and plan of each record."""
    return [(row["day"], row["rank"], row["plan_version"]) for row in seller.records]


def test_a_day_is_judged_by_the_plan_it_ended_under_and_an_order_by_the_plan_it_was_paid_under(
    make_seller: MakeSeller,
) -> None:
    """From April on orders count, 2 of them for rank 2 and 3 for rank 3; March ends by its sales."""
    mei = make_seller(now=local("03-31 10:00"))
    publish(mei, rocket_snail(measure="monthly_orders", levels=levels(0, 2, 3)), "04-01 00:00")
    mei.sells("A", 100_000, local("03-31 10:00"))
    mei.wait(local("04-01 12:00"))
    for order_id in "BCD":
        mei.sells(order_id, 10_000, local("04-01 12:00"))
    mei.wait(local("04-02 12:00"))
    mei.sells("E", 10_000, local("04-02 12:00"))
    assert judged(mei) == [("2026-04-01", 2, 1), ("2026-04-02", 3, 2)]
    assert [mei.level_of(order_id) for order_id in "ABE"] == [(1, 200, 2000), (2, 1000, 1000), (3, 1500, 1500)]
    assert (mei.progress["measure"], mei.progress["volume"]) == ("monthly_orders", 4)


def test_a_plan_that_begins_in_the_middle_of_a_day_judges_that_day_and_no_order_before_it(
    make_seller: MakeSeller,
) -> None:
    mei = make_seller(now=local("03-10 10:00"))
    publish(mei, rocket_snail(levels=levels(0, 5_000, 10_000)), "03-10 18:00")
    mei.sells("A", 20_000, local("03-10 10:00"))
    mei.wait(local("03-11 02:00"))
    mei.sells("B", 10_000, local("03-11 02:00"))
    mei.wait(local("03-11 12:00"))
    assert judged(mei) == [("2026-03-11", 3, 2)]
    assert [mei.level_of(order_id)[:2] for order_id in "AB"] == [(1, 200), (3, 1500)]


def test_whoever_rises_above_the_highest_rank_of_the_plan_that_begins_has_its_highest(make_seller: MakeSeller) -> None:
    mei = make_seller(now=local("03-10 10:00"))
    publish(mei, rocket_snail(levels=levels(0, 100_000)), "03-11 00:00")
    mei.sells("A", 5_000_000, local("03-10 10:00"))
    assert mei.progress["tomorrow"] == {"rank": 2, "name": "N2", "rate_bp": 1000}
    assert mei.progress["next"] is None
    mei.wait(local("03-11 12:00"))
    mei.sells("B", 10_000, local("03-11 12:00"))
    assert judged(mei) == [("2026-03-11", 2, 1)]
    assert mei.level_of("B") == (2, 1000, 1000)


def test_a_day_of_two_plans_closes_when_the_later_of_both_does(make_seller: MakeSeller) -> None:
    """10 March: after 24 hours until noon, after 1 hour from then on. An order of its morning counts for it until the
    end of the 11th; one of its evening doesn't any more at 01:00."""
    mei = make_seller(plan=rocket_snail() | {"close_hours": 24}, now=local("03-10 10:00"))
    li = Seller(mei.api, mei.shop, mei.worker, name="li")
    publish(mei, rocket_snail() | {"close_hours": 1}, "03-10 12:00")
    mei.wait(local("03-11 23:00"))
    mei.sells("A", 100_000, local("03-10 11:00"))
    li.sells("B", 100_000, local("03-10 20:00"))
    assert (mei.progress["rank"], mei.progress["provisional"]) == (2, True)
    mei.wait(local("03-13 12:00"))
    assert mei.changes() == [("2026-03-11", 1, 2, "rocket")]
    assert li.changes() == [("2026-03-12", 1, 2, "rocket")]
