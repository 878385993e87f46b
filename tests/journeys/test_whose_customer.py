"""Takeovers, and orders attributed anew by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.client import Shop, done, pick
from tests.journeys.plans import plan

MakeShop = Callable[..., Shop]

DAY_14 = "2026-03-18T10:00:00+08:00"
DAY_15 = "2026-03-19T10:00:00+08:00"
DAY_29 = "2026-04-02T10:00:00+08:00"


@pytest.mark.parametrize(
    ("takeover", "result", "why"), [("never", "kept", "takeover_never"), ("always", "taken", "takeover_always")]
)
def test_never_and_always(make_shop: MakeShop, takeover: str, result: str, why: str) -> None:
    shop = make_shop(plan(takeover=takeover))
    first, second = shop.distributor("first"), shop.distributor("second")
    assert shop.refer("ann", first)["why"] == "first_binding"
    shop.move_clock(DAY_14)
    outcome = shop.refer("ann", second, DAY_14)
    whose = second if result == "taken" else first
    assert (outcome["result"], outcome["why"], outcome["distributor_id"]) == (result, why, pick(whose))
    shop.order("A", 1000, customer_id="ann", code=first["code"], paid_at=DAY_14)
    assert shop.explained("A")["distributor_id"] == pick(whose)
    history = shop.get("/v1/referrals/ann")["history"]
    assert [each["distributor_id"] for each in history] == [pick(second), pick(first)][-len(history) :]


def test_after_days_of_both_binding_and_last_credited_order(make_shop: MakeShop) -> None:
    shop = make_shop(plan(takeover="after_days"))
    first, second = shop.distributor("first"), shop.distributor("second")
    shop.refer("ann", first)
    shop.refer("bob", first)
    shop.move_clock(DAY_14)
    shop.order("A", 1000, customer_id="ann", paid_at=DAY_14)
    assert shop.explained("A")["reason"] == "binding"
    assert shop.refer("bob", second, DAY_14)["why"] == "takeover_too_early"
    shop.move_clock(DAY_15)
    assert shop.refer("bob", second, DAY_15)["why"] == "takeover_after_days"
    assert shop.refer("ann", second, DAY_15)["why"] == "takeover_too_early"
    shop.move_clock(DAY_29)
    assert shop.refer("ann", second, DAY_29)["why"] == "takeover_after_days"
    assert shop.refer("ann", second, DAY_29)["why"] == "already_bound"
    assert shop.get("/v1/referrals/ann")["distributor_id"] == pick(second)
    assert list(shop.all(f"/v1/distributors/{pick(first)}/customers")) == []
    assert {one["customer_id"] for one in shop.all(f"/v1/distributors/{pick(second)}/customers")} == {"ann", "bob"}


def test_an_operator_binds_too_and_the_audit_log_knows(shop: Shop) -> None:
    seller = shop.distributor("seller")
    body = {"customer_id": "ann", "distributor_id": pick(seller), "source": "phone", "at": "2026-03-04T10:00:00+08:00"}
    done(shop.api.post("/v1/referrals", body, key=shop.keys.operator), 201)
    assert ("wang", "referral.bind", "ann") in {(r["actor"], r["action"], r["subject"]) for r in shop.all("/v1/audit")}


def rows(shop: Shop) -> set[tuple[int, str, int, str]]:
    found = shop.all("/v1/commissions?order_id=A")
    return {(c["tier"], c["distributor_id"], c["amount_minor"], c["status"]) for c in found}


def test_a_new_attribution_takes_back_what_was_booked_and_books_it_anew(shop: Shop) -> None:
    seller, middle, top = shop.chain()
    other = shop.distributor("other", top)
    shop.order("A", 10000, code=seller["code"])
    assert shop.targets("A") == [800, 200, 100]

    answer = done(shop.attribute("A", other))
    assert (answer["credited"], answer["distributor_id"], answer["reason"]) == (True, pick(other), "manual")
    explained = shop.explained("A")
    assert (explained["distributor_id"], explained["reason"]) == (pick(other), "manual")
    assert [(tier["distributor_id"], tier["target_minor"]) for tier in explained["tiers"]] == [
        (pick(other), 800),
        (pick(top), 200),
    ]
    assert [decision["targets"] for decision in explained["decisions"]] == [[800, 200, 100], [0, 0, 0], [800, 200]]
    assert rows(shop) == {
        (1, pick(seller), 0, "clawed_back"),
        (2, pick(middle), 0, "clawed_back"),
        (3, pick(top), 0, "clawed_back"),
        (1, pick(other), 800, "pending"),
        (2, pick(top), 200, "pending"),
    }
    assert balance(shop, seller) == 0
    assert balance(shop, top) == 200

    done(shop.attribute("A", None))
    explained = shop.explained("A")
    assert (explained["credited"], explained["reason"], explained["tiers"]) == (False, "manual", [])
    assert [balance(shop, one) for one in (seller, middle, top, other)] == [0, 0, 0, 0]

    # Back to the first: whatever happened between leaves no trace in the sums.
    done(shop.attribute("A", seller))
    shop.refund("A", "r-1", ("1", 5000, 0))
    assert shop.targets("A") == [400, 100, 50]
    assert [balance(shop, one) for one in (seller, middle, top, other)] == [400, 100, 50, 0]


def balance(shop: Shop, distributor: dict[str, Any]) -> int:
    """What the statement's lines leave on `pending`."""
    lines = shop.statement(distributor)
    return sum(amount * ((credit == "pending") - (debit == "pending")) for _, debit, credit, amount in lines)


def test_only_a_paid_order_and_only_to_somebody_approved(shop: Shop) -> None:
    seller, late = shop.distributor("seller"), shop.distributor("late")
    shop.stands(late, "suspend")
    shop.order("A", 1000)
    shop.order("B", 1000, paid_at=None)
    assert shop.attribute("A", late).code == "distributor_not_approved"
    assert shop.attribute("B", seller).code == "not_attributable"
    assert shop.attribute("A", {"distributor_id": "dst_01ARZ3NDEKTSV4RRFFQ69G5FAV"}).code == "unknown_distributor"


def test_a_move_in_the_tree_counts_for_later_orders(shop: Shop) -> None:
    seller, middle, top = shop.chain()
    shop.order("A", 10000, code=seller["code"])
    shop.explained("A")
    shop.move_clock("2026-03-04T12:00:00+08:00")
    body = {"sponsor_id": pick(top), "reason": "asked for it"}
    done(shop.api.post(f"/v1/distributors/{pick(seller)}/sponsor", body, key=shop.keys.operator))
    shop.order("B", 10000, code=seller["code"], paid_at="2026-03-04T12:00:00+08:00")
    shop.order("C", 10000, code=seller["code"], paid_at="2026-03-04T11:00:00+08:00")
    assert [tier["distributor_id"] for tier in shop.explained("B")["tiers"]] == [pick(seller), pick(top)]
    for before in ("A", "C"):
        assert [tier["distributor_id"] for tier in shop.explained(before)["tiers"]] == [
            pick(seller),
            pick(middle),
            pick(top),
        ]
    loop = {"sponsor_id": pick(seller), "reason": "a ring"}
    answer = shop.api.post(f"/v1/distributors/{pick(top)}/sponsor", loop, key=shop.keys.operator)
    assert answer.code == "sponsor_loop"
