"""Programs and plans over HTTP."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.access.service import open_session
from tests.support import Api, Shop

PROGRAM = {
    "program_id": "shop-9",
    "name": "Shop nine",
    "currency": "CNY",
    "timezone": "Asia/Shanghai",
    "country": "CN",
    "mode": "test",
    "now": "2026-03-04T10:00:00+08:00",
}
LATER = "2026-03-05T10:00:00+08:00"


def preset(api: Api, key: str, name: str) -> dict[str, Any]:
    listed = api.get("/v1/presets", key=key).json["data"]
    return next(one["plan"] for one in listed if one["name"] == name)


def test_a_program_is_made_and_made_again(api: Api, platform_key: str) -> None:
    made = api.post("/v1/programs", PROGRAM, key=platform_key)
    assert made.status == 201
    assert made.json == {
        **{name: value for name, value in PROGRAM.items() if name != "now"},
        "paused": False,
        "kill_switch": False,
        "created_at": "2026-03-04T02:00:00Z",
    }
    again = api.post("/v1/programs", PROGRAM | {"now": "2026-03-04T02:00:00Z"}, key=platform_key)
    assert (again.status, again.json) == (200, made.json)
    other = api.post("/v1/programs", PROGRAM | {"name": "Another"}, key=platform_key)
    assert (other.status, other.code) == (409, "exists_with_different_content")


def test_the_time_zone_may_be_left_out(api: Api, platform_key: str) -> None:
    body = {name: value for name, value in PROGRAM.items() if name not in ("timezone", "now")}
    assert api.post("/v1/programs", body, key=platform_key).json["timezone"] == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("currency", "RMB"),
        ("currency", "cny"),
        ("timezone", "Asia/Atlantis"),
        ("timezone", "../etc/passwd"),
        ("timezone", "Asia"),
        ("timezone", ""),
        ("country", "cn"),
        ("country", "CHN"),
        ("mode", "demo"),
        ("name", ""),
        ("program_id", "a b"),
        ("program_id", ".."),
        ("now", "yesterday"),
        ("fee_minor", 1),
    ],
)
def test_a_wrong_program_is_refused(api: Api, platform_key: str, field: str, value: object) -> None:
    answer = api.post("/v1/programs", PROGRAM | {field: value}, key=platform_key)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert {pointer for pointer, _ in answer.errors} == {f"/{field}"}


def test_only_a_test_program_has_a_clock(api: Api, platform_key: str) -> None:
    answer = api.post("/v1/programs", PROGRAM | {"mode": "live"}, key=platform_key)
    assert (answer.status, answer.errors) == (422, {("/now", "not_a_test_program")})


def test_programs_are_listed_newest_first_in_pages(api: Api, platform_key: str) -> None:
    for number in range(3):
        api.post("/v1/programs", PROGRAM | {"program_id": f"shop-{number}"}, key=platform_key)
    first = api.get("/v1/programs?limit=2", key=platform_key).json
    assert [program["program_id"] for program in first["data"]] == ["shop-2", "shop-1"]
    rest = api.get(f"/v1/programs?limit=2&cursor={first['next_cursor']}", key=platform_key).json
    assert [program["program_id"] for program in rest["data"]] == ["shop-0"]
    assert rest["next_cursor"] is None


def test_an_operator_pauses_and_resumes(api: Api, shop: Shop) -> None:
    paused = api.patch("/v1/program", {"paused": True, "reason": "Stocktaking."}, key=shop.operator)
    assert (paused.status, paused.json["paused"]) == (200, True)
    assert api.get("/v1/program", key=shop.storefront).json == paused.json
    assert api.patch("/v1/program", {"paused": True}, key=shop.operator).json == paused.json
    resumed = api.patch("/v1/program", {"paused": False, "kill_switch": True, "name": "New"}, key=shop.operator).json
    assert (resumed["paused"], resumed["kill_switch"], resumed["name"]) == (False, True, "New")
    rows = api.get("/v1/audit", key=shop.auditor).json["data"]
    said = [(row["action"], row["reason"]) for row in rows if row["action"].startswith("program.pause")]
    assert said == [("program.pause", "Stocktaking.")]


def test_what_never_changes_cant_be_patched(api: Api, shop: Shop) -> None:
    answer = api.patch("/v1/program", {"currency": "USD"}, key=shop.operator)
    assert (answer.status, answer.errors) == (422, {("/currency", "extra_forbidden")})


@pytest.mark.parametrize("name", ["rocket-snail-7", "bronze-silver-gold", "teacher", "three-tier"])
def test_a_preset_passes_the_check_in_the_us_and_acknowledged_in_cn(
    api: Api, make_shop: Callable[..., Shop], name: str
) -> None:
    for country in ("US", "CN"):
        key = make_shop(f"in-{country}", plan=None, country=country, mode="live", now=None).operator
        plan = preset(api, key, name)
        if country == "CN":
            plan["acknowledgements"] = [{"of": "three_tiers", "by": "wang", "reason": "Counsel agreed."}]
        assert api.post("/v1/program/plans/check", {"plan": plan}, key=key).json == {"problems": [], "warnings": []}
        published = api.post("/v1/program/plans", {"plan": plan, "effective_at": LATER}, key=key)
        assert (published.status, published.json["version"], published.json["warnings"]) == (201, 1, [])


def test_three_tiers_in_cn_need_the_acknowledgement(api: Api, make_shop: Callable[..., Shop]) -> None:
    key = make_shop(plan=None, country="CN").operator
    plan = preset(api, key, "three-tier")
    problem = ("/plan/acknowledgements", "three_tiers_not_acknowledged")
    checked = api.post("/v1/program/plans/check", {"plan": plan}, key=key).json
    assert [(p["pointer"], p["code"]) for p in checked["problems"]] == [problem]
    refused = api.post("/v1/program/plans", {"plan": plan, "effective_at": LATER}, key=key)
    assert (refused.status, refused.code, refused.errors) == (422, "invalid_plan", {problem})


def test_a_plan_of_the_wrong_shape_is_a_problem_not_an_error_of_the_check(api: Api, shop: Shop) -> None:
    plan = preset(api, shop.operator, "three-tier") | {"joining_fee_minor": 39800}
    plan["tracks"]["default"]["levels"][0]["rate_bp"] = "8 %"
    checked = api.post("/v1/program/plans/check", {"plan": plan}, key=shop.operator)
    wrong = {("/plan/joining_fee_minor", "extra_forbidden"), ("/plan/tracks/default/levels/0/rate_bp", "int_type")}
    assert checked.status == 200
    assert {(p["pointer"], p["code"]) for p in checked.json["problems"]} == wrong
    refused = api.post("/v1/program/plans", {"plan": plan, "effective_at": LATER}, key=shop.operator)
    assert (refused.status, refused.errors) == (422, wrong)


def test_publishing_again_is_no_new_version(api: Api, shop: Shop) -> None:
    body = {"plan": preset(api, shop.operator, "three-tier") | {"close_hours": 5}, "effective_at": LATER}
    first = api.post("/v1/program/plans", body, key=shop.operator, idempotency_key="k")
    again = api.post("/v1/program/plans", body, key=shop.operator, idempotency_key="k")
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json == {"version": 2, "effective_at": "2026-03-05T02:00:00Z", "warnings": []}
    other = api.post(
        "/v1/program/plans", body | {"effective_at": "2026-03-06T00:00:00Z"}, shop.operator, idempotency_key="k"
    )
    assert (other.status, other.code) == (409, "exists_with_different_content")


def test_a_published_plan_is_shown_whole(api: Api, shop: Shop) -> None:
    shown = api.get("/v1/program/plans/1", key=shop.auditor).json
    assert shown["plan"] == preset(api, shop.operator, "three-tier")
    assert (shown["version"], shown["published_by"], shown["published_at"]) == (1, "wang", "2026-03-04T02:00:00Z")
    listed = api.get("/v1/program/plans", key=shop.auditor).json
    assert listed == {"data": [{k: v for k, v in shown.items() if k != "plan"}], "next_cursor": None}


@pytest.mark.parametrize("version", ["0", "2", "latest", "-1", "1.0", "9999999", "%20"])
def test_there_is_no_such_version(api: Api, shop: Shop, version: str) -> None:
    assert api.get(f"/v1/program/plans/{version}", key=shop.operator).status == 404


def test_a_distributor_sees_the_plan_in_force_only(api: Api, shop: Shop) -> None:
    session = open_session(shop.program_id, "dst_1").token
    body = {"plan": preset(api, shop.operator, "three-tier") | {"close_hours": 5}, "effective_at": LATER}
    assert api.post("/v1/program/plans", body, key=shop.operator).json["version"] == 2
    assert api.get("/v1/program/plans/1", key=session).status == 200
    assert api.get("/v1/program/plans/2", key=session).status == 404
    assert [plan["version"] for plan in api.get("/v1/program/plans", key=session).json["data"]] == [1]


def test_a_distributor_of_a_program_without_a_plan_sees_none(api: Api, make_shop: Callable[..., Shop]) -> None:
    session = open_session(make_shop(plan=None).program_id, "dst_1").token
    assert api.get("/v1/program/plans", key=session).json == {"data": [], "next_cursor": None}
    assert api.get("/v1/program/plans/0", key=session).status == 404


def test_presets_come_in_pages(api: Api, shop: Shop) -> None:
    first = api.get("/v1/presets?limit=3", key=shop.operator).json
    rest = api.get(f"/v1/presets?cursor={first['next_cursor']}", key=shop.operator).json
    names = [preset["name"] for page in (first, rest) for preset in page["data"]]
    assert names == ["bronze-silver-gold", "rocket-snail-7", "teacher", "three-tier"]
    assert rest["next_cursor"] is None


ROUTES = [
    ("POST", "/v1/programs", "P"),
    ("GET", "/v1/programs", "P"),
    ("GET", "/v1/program", "S O A D"),
    ("PATCH", "/v1/program", "O"),
    ("GET", "/v1/presets", "O"),
    ("POST", "/v1/program/plans/check", "O"),
    ("POST", "/v1/program/plans", "O"),
    ("GET", "/v1/program/plans", "O A D"),
    ("GET", "/v1/program/plans/1", "O A D"),
]


@pytest.mark.parametrize(("method", "path", "scopes"), ROUTES)
def test_each_scope_reaches_its_routes(
    api: Api, shop: Shop, platform_key: str, method: str, path: str, scopes: str
) -> None:
    session = open_session(shop.program_id, "dst_1").token
    keys = {"P": platform_key, "S": shop.storefront, "O": shop.operator, "A": shop.auditor, "D": session}
    for letter, key in keys.items():
        answer = api.send(method, path, {} if method != "GET" else None, key)
        assert (answer.status == 403) == (letter not in scopes.split()), (letter, answer.text)
    assert api.send(method, path, None, None).status == 401
