"""Products and coupons over HTTP, and as the rooms above read them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.catalog import service
from tests.distributors.village import START, Village, found, meanwhile


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def put(village: Village, sku: str = "diaper-l", **told: Any) -> Any:
    return village.api.put(f"/v1/products/{sku}", {"mode": "replace", **told}, village.operator)


def test_a_product_has_a_rule_at_once(village: Village) -> None:
    told = put(village, rate_bp=1000)
    assert told.status == 201
    assert told.json == {
        "sku": "diaper-l",
        "mode": "replace",
        "rate_bp": 1000,
        "fixed_minor": 0,
        "eligible": True,
        "tracks": None,
        "effective_at": START,
    }
    shown = village.api.get("/v1/products/diaper-l", village.storefront).json
    assert shown.pop("versions") == [{"effective_at": START, "rule": told.json}]
    assert shown == told.json


def test_the_same_again_changes_nothing(village: Village) -> None:
    first = put(village, rate_bp=1000)
    village.later("2026-03-05T00:00:00Z")
    for told in ({}, {"effective_at": START}, {"effective_at": "2026-03-01T08:00:00+08:00"}):
        again = put(village, rate_bp=1000, **told)
        assert (again.status, again.json) == (200, first.json)
    assert len(village.api.get("/v1/products/diaper-l", village.operator).json["versions"]) == 1


def test_an_order_takes_the_version_of_its_time(village: Village) -> None:
    put(village, rate_bp=100, effective_at="2025-06-01T00:00:00Z")
    put(village, rate_bp=300, effective_at="2026-03-10T00:00:00Z")
    put(village, rate_bp=200)
    put(village, "other", fixed_minor=500, mode="at_least", tracks=["agent"], eligible=False)
    wanted = {
        datetime(2025, 5, 31, tzinfo=UTC): None,
        datetime(2026, 2, 28, tzinfo=UTC): 100,
        day(9): 200,
        day(10): 300,
    }
    for at, rate_bp in wanted.items():
        rules = service.rules_at("village", ["diaper-l", "diaper-l", "nothing"], at)
        assert {sku: rule.rate_bp for sku, rule in rules.items()} == ({"diaper-l": rate_bp} if rate_bp else {})
    assert set(service.rules_at("village", ["diaper-l", "other"], day(1))) == {"diaper-l", "other"}
    assert service.rules_at("village", (f"sku-{i}" for i in range(200)), day(1)) == service.rules_at("v", [], day(1))
    assert village.api.get("/v1/products/diaper-l", village.auditor).json["rate_bp"] == 200


def test_a_later_version_is_never_in_the_past(village: Village) -> None:
    put(village, rate_bp=100)
    village.later("2026-03-05T00:00:00Z")
    refused = put(village, rate_bp=200, effective_at="2026-03-04T23:59:59Z")
    assert (refused.status, refused.code) == (422, "effective_in_the_past")


def test_a_deleted_product_takes_the_levels_rate_from_then_on(village: Village) -> None:
    put(village, rate_bp=100)
    put(village, rate_bp=300, effective_at="2026-03-10T00:00:00Z")
    village.later("2026-03-05T00:00:00Z")
    assert village.api.delete("/v1/products/diaper-l", village.operator).status == 204
    assert service.rules_at("village", ["diaper-l"], day(4))["diaper-l"].rate_bp == 100
    assert service.rules_at("village", ["diaper-l"], day(5)) == service.rules_at("village", ["diaper-l"], day(11)) == {}
    for gone in (village.api.get, village.api.delete):
        assert gone("/v1/products/diaper-l", village.operator).status == 404
    assert village.api.get("/v1/products", village.operator).json["data"] == []
    assert put(village, rate_bp=100).status == 201
    assert len(village.api.get("/v1/products", village.operator).json["data"]) == 1


def test_products_are_listed_newest_first(village: Village) -> None:
    for sku in ("b", "a", "c"):
        put(village, sku, rate_bp=100)
    put(village, "b", rate_bp=200)
    first = village.api.get("/v1/products?limit=2", village.storefront).json
    rest = village.api.get(f"/v1/products?limit=2&cursor={first['next_cursor']}", village.auditor).json
    assert [(each["sku"], each["rate_bp"]) for each in first["data"] + rest["data"]] == [
        ("c", 100),
        ("a", 100),
        ("b", 200),
    ]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"mode": "double"}, "invalid_request"),
        ({"rate_bp": 10_001}, "invalid_request"),
        ({"rate_bp": -1}, "invalid_request"),
        ({"fixed_minor": 1.0}, "invalid_request"),
        ({"tracks": []}, "invalid_request"),
        ({"price": 1}, "invalid_request"),
        ({"tracks": ["agent", "nowhere"]}, "unknown_track"),
    ],
)
def test_a_wrong_rule_is_refused(village: Village, told: dict[str, Any], code: str) -> None:
    refused = put(village, **told)
    assert (refused.status, refused.code) == (422, code)
    assert village.api.get("/v1/products/diaper-l", village.operator).status == 404


def test_before_the_first_plan_any_track_is_taken(village: Village) -> None:
    bare = found(village.api, "bare", village.platform)
    assert put(bare, tracks=["soon"]).status == 201


def test_a_coupon_is_a_distributors_from_then_on(village: Village) -> None:
    one, two = village.join("u-1")["distributor_id"], village.join("u-2")["distributor_id"]
    made = village.api.put("/v1/coupons/spring10", {"distributor_id": one}, village.operator)
    assert (made.status, made.json) == (201, {"code": "SPRING10", "distributor_id": one})
    assert village.api.put("/v1/coupons/SPRING10", {"distributor_id": one}, village.operator).status == 200
    village.later("2026-03-05T00:00:00Z")
    changed = village.api.put("/v1/coupons/Spring10", {"distributor_id": two}, village.operator)
    assert (changed.status, changed.json["distributor_id"]) == (200, two)
    assert village.api.get("/v1/coupons/sPRING10", village.storefront).json == changed.json
    village.later("2026-03-07T00:00:00Z")
    assert village.api.delete("/v1/coupons/spring10", village.operator).status == 204
    for gone in (village.api.get, village.api.delete):
        assert gone("/v1/coupons/spring10", village.operator).status == 404
    owners = [service.coupon_owner_at("village", "sPrInG10", day(number)) for number in (1, 4, 5, 6, 7)]
    assert owners == [one, one, two, two, None]
    assert (
        service.coupon_owner_at("village", "other", day(1)) is service.coupon_owner_at("village", "#", day(1)) is None
    )


def test_a_coupon_is_of_a_distributor_that_is_there(village: Village) -> None:
    refused = village.api.put("/v1/coupons/x", {"distributor_id": "dst_x"}, village.operator)
    assert (refused.status, refused.code) == (422, "unknown_distributor")
    assert refused.errors == {("/distributor_id", "unknown_distributor")}


def test_coupons_have_a_bound(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service.rules, "CHANGES_MAX", 1)
    one = village.join("u-1")["distributor_id"]
    village.api.put("/v1/coupons/x", {"distributor_id": one}, village.operator)
    refused = village.api.delete("/v1/coupons/x", village.operator)
    assert (refused.status, refused.code) == (409, "too_many_changes")


def test_a_change_that_lost_the_race_is_a_conflict(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(monkeypatch, service, lambda: put(village, rate_bp=100))
    refused = put(village, rate_bp=200)
    assert (refused.status, refused.code) == (409, "changed_meanwhile")
    assert village.api.get("/v1/products/diaper-l", village.operator).json["rate_bp"] == 100


def test_every_change_leaves_an_audit_row(village: Village) -> None:
    one = village.join("u-1")["distributor_id"]
    put(village, rate_bp=100)
    village.api.delete("/v1/products/diaper-l", village.operator)
    village.api.put("/v1/coupons/x", {"distributor_id": one}, village.operator)
    village.api.delete("/v1/coupons/x", village.operator)
    about = [row for row in village.audit() if row["subject"] in ("X", "diaper-l")]
    assert sorted((row["actor"], row["action"], row["subject"]) for row in about) == [
        ("operator", "coupon.end", "X"),
        ("operator", "coupon.set", "X"),
        ("operator", "product.end", "diaper-l"),
        ("operator", "product.set", "diaper-l"),
    ]


def test_other_programs_and_other_scopes_change_nothing(village: Village) -> None:
    one = village.join("u-1")["distributor_id"]
    put(village, rate_bp=100)
    other = found(village.api, "elsewhere", village.platform)
    assert village.api.get("/v1/products/diaper-l", other.operator).status == 404
    assert village.api.put("/v1/coupons/x", {"distributor_id": one}, other.operator).status == 422
    for key in (village.storefront, village.auditor):
        assert village.api.put("/v1/coupons/x", {"distributor_id": one}, key).status == 403
        assert village.api.delete("/v1/products/diaper-l", key).status == 403
