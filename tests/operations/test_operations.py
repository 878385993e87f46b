"""Health, the test clock and the quarantine, over HTTP."""

from typing import Any

import pytest

from chalicelib.access import service as access
from chalicelib.access.model import Caller, Scope
from chalicelib.commissions import service as commissions
from chalicelib.shared import quarantine
from chalicelib.shared.version import VERSION
from tests.support import Api
from tests.support_clock import Worker

PLATFORM = Caller("ops", Scope.PLATFORM, None)
BEGINS = "2026-03-01T00:00:00Z"


@pytest.fixture
def platform() -> str:
    """A platform key."""
    return _key("platform", None)


@pytest.fixture
def operator(api: Api, platform: str) -> str:
    """An operator of a test program whose clock stands at `BEGINS`."""
    return _program(api, platform, "shop-1", mode="test", now=BEGINS)


def _program(api: Api, platform: str, program_id: str, **more: Any) -> str:
    body = {"program_id": program_id, "name": "Shop", "currency": "CNY", "timezone": "Asia/Shanghai", "country": "CN"}
    assert api.post("/v1/programs", body | more, platform).status == 201
    return _key("operator", program_id)


def _key(scope: str, program_id: str | None) -> str:
    _, secret = access.create_key(PLATFORM, "wang", Scope(scope), program_id, None)
    assert secret is not None
    return secret


def test_health_needs_no_key_and_tells_the_release(api: Api) -> None:
    answer = api.get("/health")
    assert (answer.status, answer.json) == (200, {"status": "ok", "version": VERSION})
    assert answer.headers["X-Request-Id"]


def test_the_clock_stands_where_the_program_began_until_a_worker_moves_it(
    api: Api, operator: str, worker: Worker
) -> None:
    assert api.get("/v1/test/clock", operator).json == {"now": BEGINS, "moving_to": None}
    for _ in range(2):
        moved = api.post("/v1/test/clock", {"now": "2026-04-01T08:00:00+08:00"}, operator)
        assert (moved.status, moved.json) == (202, {"now": BEGINS, "moving_to": "2026-04-01T00:00:00Z"})
        assert api.get("/v1/test/clock", operator).json == moved.json
    worker.run()
    assert api.get("/v1/test/clock", operator).json == {"now": "2026-04-01T00:00:00Z", "moving_to": None}
    assert len(worker.done) == 2, "asked twice, it is sent twice, and the second finds nothing left to do"


def test_the_clock_never_goes_back(api: Api, operator: str) -> None:
    answer = api.post("/v1/test/clock", {"now": "2026-02-28T23:59:59Z"}, operator)
    assert (answer.status, answer.code) == (409, "clock_goes_forward")
    assert api.get("/v1/test/clock", operator).json["now"] == BEGINS


def test_the_clock_waits_for_an_order_that_is_not_decided(
    api: Api, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commissions, "undecided_order", lambda program: "A-1001")
    answer = api.post("/v1/test/clock", {"now": "2026-04-01T00:00:00Z"}, operator)
    assert (answer.status, answer.code) == (409, "orders_undecided")
    assert "A-1001" in answer.json["detail"]
    assert api.get("/v1/test/clock", operator).json["now"] == BEGINS


def test_a_live_program_goes_by_real_time(api: Api, platform: str) -> None:
    operator = _program(api, platform, "shop-2", mode="live")
    for answer in (
        api.get("/v1/test/clock", operator),
        api.post("/v1/test/clock", {"now": "2030-01-01T00:00:00Z"}, operator),
    ):
        assert (answer.status, answer.code) == (409, "not_a_test_program")


def test_a_clock_without_an_offset_is_no_time(api: Api, operator: str) -> None:
    answer = api.post("/v1/test/clock", {"now": "2026-04-01T00:00:00"}, operator)
    assert (answer.status, answer.errors) == (422, {("/now", "value_error")})


def test_quarantined_records_are_listed_for_their_program_only(api: Api, platform: str, operator: str) -> None:
    for number in range(3):
        quarantine.keep("shop-1", "orders", f"A-{number}", "KeyError: 'sku'", {"eventID": str(number)})
    quarantine.keep("shop-2", "orders", "B-1", "ValueError: odd", {})
    first = api.get("/v1/quarantine?limit=2", operator).json
    second = api.get(f"/v1/quarantine?limit=2&cursor={first['next_cursor']}", operator).json
    assert [row["key"] for row in first["data"] + second["data"]] == ["A-0", "A-1", "A-2"]
    assert second["next_cursor"] is None
    assert first["data"][0]["reason"] == "KeyError: 'sku'"
    assert first["data"][0]["record"] == {"eventID": "0"}
    other = _program(api, platform, "shop-3", mode="live")
    assert api.get("/v1/quarantine", other).json == {"data": [], "next_cursor": None}


def test_an_auditor_reads_the_quarantine_and_moves_no_clock(api: Api, operator: str) -> None:
    auditor = _key("auditor", "shop-1")
    assert api.get("/v1/quarantine", auditor).status == 200
    assert api.post("/v1/test/clock", {"now": "2026-04-01T00:00:00Z"}, auditor).code == "forbidden"
