"""One order under three tiers from placing to full refund, with its explanation, commissions and statements."""

from typing import Any

import pytest

from tests.journeys.client import NOW, Shop, line, order, pick
from tests.journeys.plans import plan

LATER = "2026-03-05T10:00:00+08:00"
AFTER_HOLD = "2026-03-13T02:30:00+08:00"
"""Completed on 5 March at 10:00, seven days later it is 12 March at 10:00; the next midnight ends the hold.

The settlement of that morning books what is released.
"""
HOLD_ENDS = "2026-03-12T16:00:00Z"


def statuses(shop: Shop, order_id: str) -> list[tuple[int, int, str]]:
    """Tier, amount and status of an order's commissions."""
    found = shop.all(f"/v1/commissions?order_id={order_id}")
    return sorted((c["tier"], c["amount_minor"], c["status"]) for c in found)


def available(shop: Shop, distributor: dict[str, Any]) -> int:
    """What the statement's lines leave on `available`."""
    lines = shop.statement(distributor)
    return sum(amount * ((credit == "available") - (debit == "available")) for _, debit, credit, amount in lines)


def test_placed_paid_completed_refunded_in_parts_and_then_wholly(shop: Shop) -> None:
    chain = seller, middle, top = shop.chain()
    placed = order("A", ("x", 6000, 2), 4000, code=seller["code"], customer_id="ann", paid_at=None)

    # Placed: nobody's yet, and nothing is decided.
    told = shop.tell(placed)
    assert (told.status, told.json["status"], told.json["attribution"]["reason"]) == (201, "placed", "not_paid")
    explained = shop.explained("A")
    assert (explained["credited"], explained["reason"]) == (False, "not_paid")
    assert (explained["tiers"], explained["decisions"], explained["plan_version"]) == ([], [], None)
    assert statuses(shop, "A") == []

    # Paid: three accruals, and the customer is bound.
    paid = placed | {"paid_at": NOW, "version": 2}
    told = shop.tell(paid)
    assert (told.status, told.json["status"], told.json["attribution"]["reason"]) == (200, "paid", "code")
    explained = shop.explained("A")
    assert (explained["credited"], explained["distributor_id"], explained["plan_version"]) == (True, pick(seller), 1)
    assert [tier["target_minor"] for tier in explained["tiers"]] == [800, 200, 100]
    assert [tier["level"] for tier in explained["tiers"]] == [1, None, None]
    assert [tier["available_at"] for tier in explained["tiers"]] == [None, None, None]
    assert statuses(shop, "A") == [(1, 800, "pending"), (2, 200, "pending"), (3, 100, "pending")]
    assert [shop.statement(one) for one in chain] == [
        [("accrue", "expense", "pending", amount)] for amount in (800, 200, 100)
    ]
    assert shop.get("/v1/referrals/ann")["distributor_id"] == pick(seller)

    # Completed: the hold's end is known, the money moves when it has come.
    shop.move_clock(LATER)
    shop.complete("A", LATER)
    explained = shop.explained("A")
    assert [tier["available_at"] for tier in explained["tiers"]] == [HOLD_ENDS] * 3
    assert statuses(shop, "A") == [(1, 800, "pending"), (2, 200, "pending"), (3, 100, "pending")]
    assert len(shop.statement(seller)) == 1
    assert shop.get("/v1/orders/A")["status"] == "completed"

    # A part comes back before the hold is over.
    shop.refund("A", "r-1", ("1", 3000, 1))
    explained = shop.explained("A")
    assert [tier["target_minor"] for tier in explained["tiers"]] == [560, 140, 70]
    assert explained["decisions"][-1]["deltas"] == [-240, -60, -30]
    assert explained["decisions"][-1]["cause"] == "refund"

    # The hold is over.
    shop.move_clock(AFTER_HOLD)
    assert statuses(shop, "A") == [(1, 560, "available"), (2, 140, "available"), (3, 70, "available")]
    assert [available(shop, one) for one in chain] == [560, 140, 70]

    # More comes back after it: from what was released, with the next morning's settlement.
    shop.refund("A", "r-2", ("2", 2001, 0))
    assert shop.targets("A") == [399, 99, 49]
    assert [available(shop, one) for one in chain] == [560, 140, 70]
    shop.move_clock("2026-03-14T02:30:00+08:00")
    assert shop.statement(seller)[-1] == ("clawback", "available", "expense", 161)
    assert [available(shop, one) for one in chain] == [399, 99, 49]
    assert shop.get("/v1/orders/A")["status"] == "partially_refunded"

    # And the rest: exactly nothing is left, and the books balance.
    shop.refund("A", "r-3", ("1", 3000, 1), ("2", 1999, 1))
    explained = shop.explained("A")
    assert [tier["target_minor"] for tier in explained["tiers"]] == [0, 0, 0]
    assert statuses(shop, "A") == [(1, 0, "clawed_back"), (2, 0, "clawed_back"), (3, 0, "clawed_back")]
    shop.move_clock("2026-03-15T02:30:00+08:00")
    assert [available(shop, one) for one in chain] == [0, 0, 0]
    assert shop.get("/v1/orders/A")["status"] == "refunded"
    assert [decision["n"] for decision in explained["decisions"]] == [1, 2, 3, 4, 5]
    totals = [sum(each["deltas"][i] for each in explained["decisions"]) for i in range(3)]
    assert totals == [0, 0, 0]


def test_a_distributor_sees_what_it_earns_from_and_nothing_else(shop: Shop) -> None:
    seller, middle, top = shop.chain()
    shop.order("A", 10000, code=seller["code"])
    shop.order("B", 10000, code=top["code"])
    assert shop.targets("A") == [800, 200, 100]
    assert shop.targets("B") == [800]
    opened = shop.api.post(f"/v1/distributors/{pick(middle)}/sessions", {}, key=shop.keys.storefront)
    assert opened.status == 201
    session = opened.json["token"]

    def seen(path: str) -> Any:
        return shop.api.get(path, key=session)

    assert seen("/v1/me").json["distributor_id"] == pick(middle)
    assert [c["amount_minor"] for c in seen("/v1/commissions").json["data"]] == [200]
    (commission,) = seen(f"/v1/distributors/{pick(middle)}/commissions").json["data"]
    assert seen(f"/v1/commissions/{commission['commission_id']}").json["derivation"] == shop.explained("A")
    assert seen("/v1/orders/A").status == seen("/v1/orders/A/explanation").status == 200
    assert seen("/v1/orders/B").status == seen("/v1/orders/B/explanation").status == 404
    assert [one["name"] for one in seen(f"/v1/distributors/{pick(middle)}/downline").json["data"]] == ["seller"]
    for list_of in ("statement", "commissions", "orders", "customers", "downline"):
        assert seen(f"/v1/distributors/{pick(seller)}/{list_of}").status == 404
    assert seen(f"/v1/distributors/{pick(seller)}").status == 404
    assert seen(f"/v1/commissions?distributor_id={pick(seller)}").status == 404
    assert seen("/v1/program/plans").json["data"][0]["version"] == 1


def test_lists_show_what_was_sold_and_earned(shop: Shop) -> None:
    seller, middle, _ = shop.chain()
    for n in range(5):
        shop.order(f"A{n}", 1000 + n, code=seller["code"])
    for n in range(5):
        shop.explained(f"A{n}")
    assert {one["order_id"] for one in shop.all("/v1/orders?paid_day=2026-03-04", limit=2)} == {
        f"A{n}" for n in range(5)
    }
    assert list(shop.all("/v1/orders?paid_day=2026-03-03")) == []
    assert len(list(shop.all("/v1/commissions", limit=4))) == 15
    assert len(list(shop.all("/v1/commissions?status=available"))) == 0
    assert len(list(shop.all(f"/v1/distributors/{pick(seller)}/orders", limit=2))) == 5
    assert len(list(shop.all(f"/v1/distributors/{pick(seller)}/commissions", limit=2))) == 5
    assert len(list(shop.all(f"/v1/distributors/{pick(middle)}/statement", limit=2))) == 5
    assert len(list(shop.all(f"/v1/distributors/{pick(seller)}/customers", limit=2))) == 5
    assert [one["user_id"] for one in shop.all("/v1/distributors", limit=2)] == ["seller", "middle", "top"]
    assert [one["user_id"] for one in shop.all("/v1/distributors?q=midd")] == ["middle"]


@pytest.mark.parametrize(("starts", "available_at"), [("paid", "2026-03-11T16:00:00Z"), ("completed", None)])
def test_the_hold_starts_when_the_plan_says(make_shop: Any, starts: str, available_at: str | None) -> None:
    shop = make_shop(plan(hold_starts=starts))
    shop.order("A", 10000, code=shop.distributor("seller")["code"])
    assert [tier["available_at"] for tier in shop.explained("A")["tiers"]] == [available_at]


def test_a_newer_version_may_say_more_but_not_something_else(shop: Shop) -> None:
    code = shop.distributor("seller")["code"]
    told = order("A", 1000, code=code)
    assert shop.tell(told).status == 201
    assert shop.tell(told).status == 200
    assert shop.tell(told | {"lines": [line("1", "any", 900)], "version": 2}).code == "exists_with_different_content"
    assert shop.tell(told | {"metadata": {"till": 3}}).code == "exists_with_different_content"
    newer = shop.tell(told | {"metadata": {"till": 3}, "completed_at": NOW, "version": 2})
    assert (newer.status, newer.json["status"], newer.json["metadata"]) == (200, "completed", {"till": 3})
    assert shop.explained("A")["tiers"][0]["available_at"] == "2026-03-11T16:00:00Z"
