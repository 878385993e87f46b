"""Clicks and referrals over HTTP."""

from typing import Any

import pytest

from chalicelib.access import service as access
from tests.referrals.conftest import World
from tests.support import Api

AT = "2026-03-04T10:00:00+08:00"


@pytest.fixture
def referral(world: World) -> dict[str, Any]:
    return {"customer_id": "c-1", "code": world.anna.code, "source": "link", "at": AT}


def test_a_click_is_told_once_under_a_key(api: Api, world: World) -> None:
    body = {"code": world.anna.code, "visitor_id": "v-1", "url": "https://shop.example/?r=1", "at": AT}
    key = world.shop.storefront
    first = api.post("/v1/clicks", body, key, idempotency_key="k-1")
    again = api.post("/v1/clicks", body | {"at": "2026-03-04T02:00:00Z"}, key, idempotency_key="k-1")
    other = api.post("/v1/clicks", body | {"visitor_id": "v-2"}, key, idempotency_key="k-1")
    assert (first.status, again.status, again.json) == (201, 200, first.json)
    assert first.json["distributor_id"] == world.anna.distributor_id
    assert (other.status, other.code) == (409, "exists_with_different_content")


def test_a_click_on_an_unknown_code_is_refused(api: Api, world: World) -> None:
    answer = api.post("/v1/clicks", {"code": "NOBODYS123", "visitor_id": "v-1", "at": AT}, world.shop.storefront)
    assert (answer.status, answer.code) == (422, "unknown_code")
    assert ("/code", "unknown_code") in answer.errors


def test_a_referral_says_what_it_did(api: Api, world: World, referral: dict[str, Any]) -> None:
    first = api.post("/v1/referrals", referral, world.shop.storefront)
    again = api.post("/v1/referrals", referral, world.shop.operator)
    anna = world.anna.distributor_id
    expected = {"result": "bound", "why": "first_binding", "customer_id": "c-1", "distributor_id": anna}
    assert (first.status, first.json) == (201, expected)
    assert (again.status, again.json) == (200, expected | {"result": "kept", "why": "already_bound"})


def test_a_referral_names_its_distributor_in_exactly_one_way(api: Api, world: World, referral: dict[str, Any]) -> None:
    both = api.post("/v1/referrals", referral | {"distributor_id": world.anna.distributor_id}, world.shop.storefront)
    neither = api.post("/v1/referrals", referral | {"code": None}, world.shop.storefront)
    assert (both.status, both.code) == (422, "invalid_request")
    assert (neither.status, neither.code) == (422, "invalid_request")
    by_id = {"customer_id": "c-1", "distributor_id": world.anna.distributor_id, "source": "link", "at": AT}
    assert api.post("/v1/referrals", by_id, world.shop.operator).status == 201


def test_a_time_out_of_reach_is_refused(api: Api, world: World, referral: dict[str, Any]) -> None:
    late = api.post("/v1/referrals", referral | {"at": "2026-03-04T10:10:01+08:00"}, world.shop.storefront)
    assert (late.status, late.code) == (422, "time_out_of_range")


def test_a_customers_history_is_shown_and_a_strangers_is_empty(
    api: Api, world: World, referral: dict[str, Any]
) -> None:
    api.post("/v1/referrals", referral, world.shop.storefront, idempotency_key="k-1")
    shown = api.get("/v1/referrals/c-1", world.shop.auditor).json
    anna, since = world.anna.distributor_id, "2026-03-04T02:00:00Z"
    cause = shown["history"][0].pop("cause")
    assert cause.startswith("ref_")
    assert shown == {
        "customer_id": "c-1",
        "distributor_id": anna,
        "since": since,
        "expires_at": None,
        "history": [{"distributor_id": anna, "since": since, "source": "link"}],
    }
    stranger = api.get("/v1/referrals/c-9", world.shop.storefront)
    nobody = {"customer_id": "c-9", "distributor_id": None, "since": None, "expires_at": None, "history": []}
    assert (stranger.status, stranger.json) == (200, nobody)


def test_customers_are_paged_and_a_distributor_sees_its_own_only(
    api: Api, world: World, referral: dict[str, Any]
) -> None:
    for n in range(3):
        api.post(
            "/v1/referrals",
            referral | {"customer_id": f"c-{n}", "at": f"2026-03-04T09:0{n}:00+08:00"},
            (world.shop.storefront),
        )
    path = f"/v1/distributors/{world.anna.distributor_id}/customers"
    session = access.open_session("shop-1", world.anna.distributor_id).token
    first = api.get(f"{path}?limit=2", session).json
    rest = api.get(f"{path}?limit=2&cursor={first['next_cursor']}", session).json
    assert first["data"][0] == {"customer_id": "c-2", "bound_at": "2026-03-04T01:02:00Z", "expires_at": None}
    assert [each["customer_id"] for each in rest["data"]] == ["c-0"]
    assert rest["next_cursor"] is None
    assert api.get(f"/v1/distributors/{world.bo.distributor_id}/customers", world.shop.auditor).json["data"] == []
    others = f"/v1/distributors/{world.bo.distributor_id}/customers"
    assert api.get(others, session).status == 404
    assert api.get(f"{others}?cursor={first['next_cursor']}", world.shop.operator).code == "invalid_cursor"


def test_only_storefronts_tell_clicks_and_auditors_tell_nothing(
    api: Api, world: World, referral: dict[str, Any]
) -> None:
    click = {"code": world.anna.code, "visitor_id": "v-1", "at": AT}
    assert api.post("/v1/clicks", click, world.shop.operator).status == 403
    assert api.post("/v1/referrals", referral, world.shop.auditor).status == 403
