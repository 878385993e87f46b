"""What isn't a success: always a problem answer with a stable code."""

import json
import re
from typing import Any

import pytest

from tests.journeys.client import Cloud, Shop, order
from tests.journeys.plans import plan
from tests.support import Answer

FIELDS = {"type", "title", "status", "code", "detail", "request_id", "errors"}


def assert_problem(answer: Answer, status: int, code: str) -> None:
    """RFC 9457, with our fields, and the request id in body and header."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json
    assert (answer.status, body["status"], body["code"]) == (status, status, code), answer.text
    assert body["type"] == f"urn:tributary:problem:{code}"
    assert body.keys() == FIELDS
    assert body["request_id"] == answer.headers["X-Request-Id"]
    assert body["title"]
    assert body["detail"]
    assert all(error.keys() == {"pointer", "code", "message"} for error in body["errors"])


@pytest.fixture(scope="module")
def told(cloud: Cloud) -> Shop:
    return Shop(cloud, plan())


def send(shop: Shop, body: Any, **headers: str) -> Answer:
    return shop.api.post("/v1/orders", body, key=shop.keys.storefront, **headers)


def test_every_answer_has_a_request_id_of_its_own(told: Shop) -> None:
    answers = [told.api.get("/v1/program", key=told.keys.auditor) for _ in range(3)]
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 3
    assert {answer.headers["Content-Type"] for answer in answers} == {"application/json"}


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b"\xff\xfe"])
def test_malformed_json_is_400(told: Shop, body: bytes) -> None:
    assert_problem(send(told, body), 400, "malformed_json")


def test_a_malformed_header_is_400(told: Shop) -> None:
    assert_problem(send(told, order("A", 1), idempotency_key="k" * 300), 400, "malformed_header")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_another_media_type_is_415(told: Shop, kind: str) -> None:
    body = json.dumps(order("A", 1)).encode()
    assert_problem(send(told, body, content_type=kind), 415, "unsupported_media_type")


def test_json_with_a_charset_is_read(told: Shop) -> None:
    body = json.dumps(order("charset", 1)).encode()
    assert send(told, body, content_type="application/json; charset=utf-8").status == 201


def test_a_body_over_a_megabyte_is_413(told: Shop) -> None:
    body = json.dumps(order("A", 1) | {"metadata": {"k": "x" * 1_000_001}}).encode()
    assert_problem(send(told, body), 413, "body_too_large")


SCHEMA = [
    ({"order_id": "a b"}, "/order_id"),
    ({"order_id": ".."}, "/order_id"),
    ({"order_id": "a#b"}, "/order_id"),
    ({"order_id": "x" * 129}, "/order_id"),
    ({"order_id": 7}, "/order_id"),
    ({"currency": "XXX1"}, "/currency"),
    ({"paid_at": "2026-03-04"}, "/paid_at"),
    ({"paid_at": "2026-03-04T10:00:00"}, "/paid_at"),
    ({"paid_at": "2026-02-30T10:00:00Z"}, "/paid_at"),
    ({"paid_at": 1772589600}, "/paid_at"),
    ({"lines": []}, "/lines"),
    ({"version": 0}, "/version"),
    ({"version": True}, "/version"),
    ({"metadata": {"k": "x" * 4_100}}, "/metadata"),
    ({"metadata": {"k": [float("nan")]}}, "/metadata"),
    ({"metadata": {"k": float("inf")}}, "/metadata"),
    ({"surprise": 1}, "/surprise"),
    ({"customer_id": None}, "/customer_id"),
]
LINE = [
    ({"paid_minor": "9900"}, "/lines/0/paid_minor"),
    ({"paid_minor": 9900.0}, "/lines/0/paid_minor"),
    ({"paid_minor": True}, "/lines/0/paid_minor"),
    ({"paid_minor": -1}, "/lines/0/paid_minor"),
    ({"paid_minor": 10**18}, "/lines/0/paid_minor"),
    ({"quantity": 10**9 + 1}, "/lines/0/quantity"),
    ({"price": 1}, "/lines/0/price"),
]


def test_what_the_schema_refuses_is_422_and_says_where(told: Shop) -> None:
    good = order("A", 1000)
    line = good["lines"][0]
    cases = [(good | wrong, pointer) for wrong, pointer in SCHEMA]
    cases += [(good | {"lines": [line | wrong]}, pointer) for wrong, pointer in LINE]
    cases += [(good | {"lines": [line, line]}, "/lines")]
    for body, pointer in cases:
        answer = send(told, body)
        assert_problem(answer, 422, "invalid_request")
        assert pointer in {where for where, _ in answer.errors}, (pointer, answer.text)


def test_a_time_out_of_reach_is_422(told: Shop) -> None:
    for wrong in ({"paid_at": "2026-03-04T02:10:01Z"}, {"placed_at": "2025-01-01T00:00:00Z"}):
        answer = send(told, order("A", 1000) | wrong)
        assert_problem(answer, 422, "time_out_of_range")
        assert {pointer for pointer, _ in answer.errors} == {f"/{field}" for field in wrong}
    assert send(told, order("ahead", 1000, paid_at="2026-03-04T02:10:00Z")).status == 201


def test_the_largest_numbers_are_exact(told: Shop) -> None:
    most = 10**18 - 1
    seller = told.distributor("rich")
    answer = send(told, order("most", ("x", most, 10**9), code=seller["code"]))
    assert answer.json["lines"][0]["paid_minor"] == most
    assert told.targets("most") == [most * 800 // 10_000]


def test_without_a_plan_there_is_nothing_to_judge_by(cloud: Cloud) -> None:
    shop = Shop(cloud, None)
    assert_problem(send(shop, order("A", 1000)), 409, "no_plan_in_force")


QUERIES = [
    ("/v1/orders", "/paid_day"),
    ("/v1/orders?paid_day=2026-3-4", "/paid_day"),
    ("/v1/orders?paid_day=2026-03-04&limit=101", "/limit"),
    ("/v1/orders?paid_day=2026-03-04&limit=0", "/limit"),
    ("/v1/orders?paid_day=2026-03-04&order=up", "/order"),
    ("/v1/commissions?status=lost", "/status"),
    ("/v1/commissions?from=today", "/from"),
]


def test_a_query_is_checked_as_a_body_is(told: Shop) -> None:
    for path, pointer in QUERIES:
        answer = told.api.get(path, key=told.keys.auditor)
        assert_problem(answer, 422, "invalid_request")
        assert pointer in {where for where, _ in answer.errors}, answer.text
    bad = told.api.get("/v1/commissions?cursor=zzz", key=told.keys.auditor)
    assert_problem(bad, 422, "invalid_cursor")


@pytest.mark.parametrize(
    "path", ["/v1/orders/none", "/v1/orders/a%20b", "/v1/distributors/none", "/v1/commissions/com"]
)
def test_what_is_not_there_is_404(told: Shop, path: str) -> None:
    assert_problem(told.api.get(path, key=told.keys.auditor), 404, "not_found")


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("GET", "/v1/nowhere/x"), ("DELETE", "/v1/orders")])
def test_an_unknown_path_or_method_is_a_problem_too(told: Shop, method: str, path: str) -> None:
    assert_problem(told.api.send(method, path, None, told.keys.operator), 404, "not_found")


def test_browsers_may_ask(cloud: Cloud) -> None:
    answer = cloud.api.get("/health", origin="https://shop.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]


def test_the_health_names_the_release(cloud: Cloud) -> None:
    answer = cloud.api.get("/health")
    assert answer.json["status"] == "ok"
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer.json["version"])
