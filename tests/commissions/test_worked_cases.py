"""plan.md's worked cases, over HTTP in process."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.commissions import service
from tests.support import Api, Shop

PLAN: dict[str, Any] = {
    "tracks": {
        "default": {
            "entry": {"mode": "open"},
            "levels": [{"rank": 1, "name": "V1", "rate_bp": 800, "target": 0}],
            "measure": "monthly_sales",
            "promotion": "next_day",
            "demotion": None,
            "uplines": [{"rate_bp": 200}, {"rate_bp": 100}],
        }
    },
    "attribution": {
        "precedence": ["binding", "code", "coupon", "click"],
        "click_days": 30,
        "binding": {"days": 0, "takeover": "never", "takeover_after_days": 15, "bind_on_order": True},
    },
    "commission": {"self_purchase": "self", "cap_bp": 5000, "over_cap": "refuse"},
    "close_hours": 3,
    "hold": {"starts": "completed", "days": 7, "auto_complete_days": 15},
    "withdrawal": {
        "min_minor": 100,
        "max_minor": 2000000,
        "fee_bp": 0,
        "fee_minor": 0,
        "per_day": 3,
        "review_above_minor": 100000,
        "release": "daily",
        "method_age_hours": 24,
        "tax": "none",
        "channels": {"bank": {"sla_hours": 24, "peak_sla_hours": 48}},
        "peak_days": [],
    },
    "acknowledgements": [],
}
NOW = "2026-03-04T10:00:00+08:00"


def plan(rate_bp: int, uplines: list[int], cap_bp: int = 5000) -> dict[str, Any]:
    track = PLAN["tracks"]["default"] | {
        "levels": [{"rank": 1, "name": "V1", "rate_bp": rate_bp, "target": 0}],
        "uplines": [{"rate_bp": rate} for rate in uplines],
    }
    return PLAN | {"tracks": {"default": track}, "commission": PLAN["commission"] | {"cap_bp": cap_bp}}


def distributor(api: Api, shop: Shop, user_id: str, sponsor_code: str | None = None) -> dict[str, Any]:
    body = {"user_id": user_id, "name": user_id, "sponsor_code": sponsor_code}
    answer = api.post("/v1/distributors", body, key=shop.storefront)
    assert answer.status == 201, answer.json
    return answer.json


def order(order_id: str, lines: list[tuple[str, int]], code: str | None) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "customer_id": f"c-{order_id}",
        "currency": "CNY",
        "placed_at": NOW,
        "paid_at": NOW,
        "lines": [
            {"line_id": str(i), "sku": sku, "quantity": 1, "paid_minor": paid}
            for i, (sku, paid) in enumerate(lines, start=1)
        ],
        "referral_code": code,
    }


def decided(api: Api, shop: Shop, order_id: str) -> dict[str, Any]:
    service.decide(shop.program_id, order_id)
    answer = api.get(f"/v1/orders/{order_id}/explanation", key=shop.operator)
    assert answer.status == 200, answer.json
    assert answer.json["decided"], answer.json
    return answer.json


def targets(explanation: dict[str, Any]) -> list[int]:
    return [tier["target_minor"] for tier in explanation["tiers"]]


def refund(api: Api, shop: Shop, order_id: str, refund_id: str, line_id: str, amount: int, quantity: int = 0) -> None:
    lines = [{"line_id": line_id, "quantity": quantity, "amount_minor": amount}]
    body = {"refund_id": refund_id, "refunded_at": NOW, "lines": lines}
    assert api.post(f"/v1/orders/{order_id}/refunds", body, key=shop.storefront).status == 201


@pytest.fixture
def chain(api: Api, make_shop: Callable[..., Shop]) -> Callable[..., tuple[Shop, list[dict[str, Any]]]]:
    def make(document: dict[str, Any]) -> tuple[Shop, list[dict[str, Any]]]:
        shop = make_shop(plan=document, now=NOW)
        top = distributor(api, shop, "top")
        middle = distributor(api, shop, "middle", top["code"])
        return shop, [distributor(api, shop, "seller", middle["code"]), middle, top]

    return make


def test_case_1_two_percent_of_9900_is_198(api: Api, chain: Any) -> None:
    shop, (seller, *_) = chain(plan(200, []))
    answer = api.post("/v1/orders", order("A", [("x", 9900)], seller["code"]), key=shop.storefront)
    assert answer.status == 201, answer.json
    assert answer.json["attribution"]["reason"] == "code"
    explanation = decided(api, shop, "A")
    assert targets(explanation) == [198]
    assert explanation["tiers"][0]["lines"] == [
        {"line_id": "1", "base_minor": 9900, "rule": "level", "rate_bp": 200, "fixed_minor": 0, "exact": "19800/100"}
    ]


def test_cases_2_and_3_three_tiers_then_refunds(api: Api, chain: Any) -> None:
    shop, (seller, middle, top) = chain(plan(800, [200, 100]))
    rule = {"mode": "replace", "rate_bp": 1000}
    assert api.put("/v1/products/special", rule, key=shop.operator).status in (200, 201)
    api.post("/v1/orders", order("B", [("special", 6000), ("x", 4000)], seller["code"]), key=shop.storefront)
    explanation = decided(api, shop, "B")
    assert targets(explanation) == [920, 200, 100]
    assert [tier["distributor_id"] for tier in explanation["tiers"]] == [
        one["distributor_id"] for one in (seller, middle, top)
    ]
    refund(api, shop, "B", "r-1", "2", 2001)
    explanation = decided(api, shop, "B")
    assert targets(explanation) == [759, 159, 79]
    assert explanation["decisions"][-1]["deltas"] == [-161, -41, -21]
    assert explanation["tiers"][0]["lines"][1]["exact"] == "15992/100"
    refund(api, shop, "B", "r-2", "1", 6000)
    refund(api, shop, "B", "r-3", "2", 1999)
    explanation = decided(api, shop, "B")
    assert targets(explanation) == [0, 0, 0]
    assert {tier["status"] for tier in explanation["tiers"]} == {"clawed_back"}


def test_case_4_one_floor_an_order(api: Api, chain: Any) -> None:
    shop, (seller, *_) = chain(plan(200, []))
    api.post("/v1/orders", order("C", [("x", 333)] * 3, seller["code"]), key=shop.storefront)
    assert targets(decided(api, shop, "C")) == [19]
    for i in range(3):
        api.post("/v1/orders", order(f"C{i}", [("x", 333)], seller["code"]), key=shop.storefront)
        assert targets(decided(api, shop, f"C{i}")) == [6]


def test_case_5_a_fixed_amount_never_passes_the_base(api: Api, chain: Any) -> None:
    shop, (seller, *_) = chain(plan(200, [], cap_bp=10000))
    api.put("/v1/products/fix", {"mode": "replace", "rate_bp": 0, "fixed_minor": 500}, key=shop.operator)
    for order_id, back, left in (("D", 3000, 0), ("E", 2700, 300)):
        api.post("/v1/orders", order(order_id, [("fix", 3000)], seller["code"]), key=shop.storefront)
        assert targets(decided(api, shop, order_id)) == [500]
        refund(api, shop, order_id, "r", "1", back)
        assert targets(decided(api, shop, order_id)) == [left]
