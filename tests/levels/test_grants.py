"""Ranks given by hand, over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.programs.document import presets
from tests.levels.seller import Seller
from tests.support import Answer, Api

MakeSeller = Callable[..., Seller]
TEN = "2026-03-03T10:00:00+08:00"


@pytest.fixture
def seller(make_seller: MakeSeller) -> Seller:
    return make_seller(now=TEN)


def give(seller: Seller, body: dict[str, Any], key: str | None = None, **headers: str) -> Answer:
    path = f"/v1/distributors/{seller.id}/level"
    return seller.api.post(path, body, key or seller.shop.operator, **headers)


def test_it_holds_from_the_next_midnight_and_the_last_word_of_a_day_counts(seller: Seller) -> None:
    answer = give(seller, {"rank": 6, "reason": "a guess"})
    assert (answer.status, answer.json["distributor_id"]) == (200, seller.id)
    assert give(seller, {"rank": 3, "reason": "ran our stall"}).status == 200
    assert (seller.progress["rank"], seller.progress["tomorrow"]["rank"]) == (1, 3)
    seller.wait("2026-03-04T00:00:00+08:00")
    assert seller.progress["rank"] == 3
    seller.wait("2026-03-04T12:00:00+08:00")
    (change,) = seller.get("/v1/levels/changes")["data"]
    assert (change["from_rank"], change["to_rank"], change["cause"]) == (1, 3, "hand")
    assert change["reason"] == "ran our stall"
    said = [row for row in seller.get("/v1/audit")["data"] if row["action"] == "distributor.level"]
    assert [(row["reason"], row["detail"], row["actor"]) for row in said] == [
        ("ran our stall", {"rank": 3, "from": "2026-03-04"}, "wang"),
        ("a guess", {"rank": 6, "from": "2026-03-04"}, "wang"),
    ]


def test_after_a_lowering_only_what_is_sold_from_then_on_lifts(seller: Seller) -> None:
    seller.sells("A", 1_000_000, "2026-03-03T10:00:01+08:00")
    seller.wait("2026-03-04T12:00:00+08:00")
    assert give(seller, {"rank": 2, "reason": "sold to itself"}).status == 200
    seller.wait("2026-03-05T12:00:00+08:00")
    assert (seller.progress["rank"], seller.progress["next"]["missing"]) == (2, 250_000)
    seller.sells("B", 250_000, "2026-03-05T11:00:00+08:00")
    seller.wait("2026-03-06T12:00:00+08:00")
    assert seller.changes() == [
        ("2026-03-04", 1, 5, "rocket"),
        ("2026-03-05", 5, 2, "hand"),
        ("2026-03-06", 2, 3, "rocket"),
    ]


def test_an_idempotency_key_asks_once(seller: Seller) -> None:
    first = give(seller, {"rank": 3, "reason": "so"}, idempotency_key="k")
    assert give(seller, {"rank": 4, "reason": "later"}).status == 200
    assert give(seller, {"rank": 3, "reason": "so"}, idempotency_key="k").json == first.json
    assert seller.progress["tomorrow"]["rank"] == 4, "the repeat gave nothing again"
    other = give(seller, {"rank": 5, "reason": "so"}, idempotency_key="k")
    assert (other.status, other.code) == (409, "exists_with_different_content")


def test_an_idempotency_key_asks_once_even_if_it_is_repeated_after_midnight(seller: Seller) -> None:
    """Else the repeat would hold a day later, and spare another month."""
    seller.wait("2026-03-31T23:50:00+08:00")
    give(seller, {"rank": 3, "reason": "so"}, idempotency_key="k")
    seller.wait("2026-04-01T00:10:00+08:00")
    assert give(seller, {"rank": 3, "reason": "so"}, idempotency_key="k").status == 200
    other = give(seller, {"rank": 5, "reason": "so"}, idempotency_key="k")
    assert (other.status, other.code) == (409, "exists_with_different_content")
    assert give(seller, {"rank": 3, "reason": "so"}, idempotency_key="k-2").status == 200
    seller.wait("2026-04-03T12:00:00+08:00")
    assert seller.changes() == [("2026-04-01", 1, 3, "hand"), ("2026-04-02", 3, 3, "hand")], "the second by `k-2`"
    said = [row for row in seller.get("/v1/audit")["data"] if row["action"] == "distributor.level"]
    assert len(said) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"rank": 8, "reason": "so"}, 422, "unknown_rank"),
        ({"rank": 0, "reason": "so"}, 422, "invalid_request"),
        ({"rank": "3", "reason": "so"}, 422, "invalid_request"),
        ({"rank": 3, "reason": "so", "day": "2026-03-04"}, 422, "invalid_request"),
        ({"rank": 3}, 422, "invalid_request"),
        ({"rank": 3, "reason": ""}, 422, "invalid_request"),
    ],
)
def test_what_can_not_be_given_is_refused(seller: Seller, body: dict[str, Any], status: int, code: str) -> None:
    answer = give(seller, body)
    assert (answer.status, answer.code) == (status, code)
    assert seller.progress["tomorrow"]["rank"] == 1


def test_only_operators_give_ranks_and_only_in_their_program(
    make_seller: MakeSeller, seller: Seller, make_shop: Callable[..., Any]
) -> None:
    token = seller.post(f"/v1/distributors/{seller.id}/sessions", {}, 201, seller.shop.storefront)["token"]
    for key in (seller.shop.storefront, seller.shop.auditor, token):
        assert give(seller, {"rank": 3, "reason": "so"}, key).status == 403
    other = make_shop("shop-2", plan="rocket-snail-7")
    assert give(seller, {"rank": 3, "reason": "so"}, other.operator).status == 404
    nobody = seller.api.post("/v1/distributors/dst_X/level", {"rank": 3, "reason": "so"}, seller.shop.operator)
    assert nobody.status == 404
    assert [row for row in seller.get("/v1/audit")["data"] if row["action"] == "distributor.level"] == []


def test_who_doesnt_take_part_is_given_no_rank(make_seller: MakeSeller, api: Api) -> None:
    plan: dict[str, Any] = presets()["rocket-snail-7"].model_dump(mode="json")
    plan["tracks"]["default"]["entry"] = {"mode": "review"}
    seller = make_seller(plan=plan, now=TEN)
    assert give(seller, {"rank": 3, "reason": "so"}).code == "wrong_status", "pending"
    seller.post(f"/v1/distributors/{seller.id}/approve", {"reason": "known"})
    seller.post(f"/v1/distributors/{seller.id}/suspend", {"reason": "complaints"})
    assert give(seller, {"rank": 3, "reason": "so"}).status == 200, "suspended"
    seller.post(f"/v1/distributors/{seller.id}/close", {"reason": "moved away"})
    assert give(seller, {"rank": 4, "reason": "so"}).code == "wrong_status", "closed"


def test_a_plan_may_not_drop_a_rank_that_was_given_for_tomorrow_or_is_held(seller: Seller) -> None:
    plan: dict[str, Any] = presets()["rocket-snail-7"].model_dump(mode="json")
    plan["tracks"]["default"]["levels"] = plan["tracks"]["default"]["levels"][:3]
    path = "/v1/program/plans/check"
    assert seller.post(path, {"plan": plan})["problems"] == []
    give(seller, {"rank": 5, "reason": "so"})
    for now in (TEN, "2026-03-04T12:00:00+08:00", "2026-03-05T12:00:00+08:00"):
        seller.wait(now)
        assert [problem["code"] for problem in seller.post(path, {"plan": plan})["problems"]] == ["rank_held"]
    give(seller, {"rank": 2, "reason": "so"})
    seller.wait("2026-03-06T12:00:00+08:00")
    assert seller.post(path, {"plan": plan})["problems"] == []
