"""Keys, sessions, scopes and the audit log, over HTTP in process."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.access import service
from chalicelib.access.model import Caller, Scope
from chalicelib.access.tables import AuditItem, KeyItem
from chalicelib.shared import clock
from tests.support import Api, Shop

CLERK = {"actor": "clerk", "scope": "storefront", "program_id": "shop-1"}


def make(api: Api, platform_key: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = api.post("/v1/keys", body, key=platform_key, **headers)
    assert answer.status == 201, answer.json
    return dict(answer.json)


def test_a_secret_is_shown_once_and_kept_as_a_hash(api: Api, shop: Shop, platform_key: str) -> None:
    made = make(api, platform_key, CLERK)
    random_part = made["secret"].removeprefix(made["key_id"] + "_")
    assert len(random_part) == 43
    (item,) = [item for item in KeyItem.scan() if item.sk == made["key_id"]]
    assert random_part not in str(item.serialize())
    listed = api.get("/v1/keys", key=platform_key).json["data"]
    assert made["key_id"] in {key["key_id"] for key in listed}
    assert not any("secret" in key for key in listed)


def test_a_key_says_what_it_is(api: Api, shop: Shop, platform_key: str) -> None:
    made = make(api, platform_key, CLERK)
    me = api.get("/v1/me", key=made["secret"]).json
    assert (me["actor"], me["scope"], me["program_id"]) == ("clerk", "storefront", "shop-1")
    assert api.get("/v1/me", key=platform_key).json["program_id"] is None


@pytest.mark.parametrize("damage", [lambda s: s[:-1], lambda s: s + "x", lambda s: "trb_none_" + s, lambda s: ""])
def test_a_damaged_key_is_no_key(api: Api, shop: Shop, platform_key: str, damage: Any) -> None:
    answer = api.get("/v1/me", key=damage(make(api, platform_key, CLERK)["secret"]))
    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_key_stops_and_stays_stopped(
    api: Api, shop: Shop, platform_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(api, platform_key, CLERK)
    assert api.get("/v1/me", key=made["secret"]).status == 200
    # Another function has seen the key and learns of the end within its cache's life, which is under a minute.
    remembered = dict(service._known)
    assert api.delete(f"/v1/keys/{made['key_id']}", key=platform_key).status == 204
    service._known.update(remembered)
    assert api.get("/v1/me", key=made["secret"]).status == 200
    monkeypatch.setattr(service, "_CACHE_SECONDS", 0)
    assert service._CACHE_SECONDS < 60
    assert api.get("/v1/me", key=made["secret"]).status == 401
    assert api.delete(f"/v1/keys/{made['key_id']}", key=platform_key).status == 404
    assert made["key_id"] not in {key["key_id"] for key in api.get("/v1/keys", key=platform_key).json["data"]}


def test_what_is_remembered_of_keys_is_kept_for_less_than_a_minute() -> None:
    assert 0 < service._CACHE_SECONDS < 60


def test_the_same_idempotency_key_makes_one_key(api: Api, shop: Shop, platform_key: str) -> None:
    made = make(api, platform_key, CLERK, idempotency_key="once")
    again = api.post("/v1/keys", CLERK, key=platform_key, idempotency_key="once")
    assert (again.status, again.json["key_id"]) == (200, made["key_id"])
    assert "secret" not in again.json
    other = api.post("/v1/keys", CLERK | {"actor": "other"}, key=platform_key, idempotency_key="once")
    assert (other.status, other.code) == (409, "exists_with_different_content")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"program_id": "nowhere"}, "unknown_program"),
        ({"program_id": None}, "invalid_request"),
        ({"scope": "platform"}, "invalid_request"),
        ({"scope": "distributor"}, "invalid_request"),
        ({"actor": ""}, "invalid_request"),
        ({"extra": 1}, "invalid_request"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    api: Api, shop: Shop, platform_key: str, change: dict[str, Any], code: str
) -> None:
    answer = api.post("/v1/keys", CLERK | change, key=platform_key)
    assert (answer.status, answer.code) == (422, code)


def test_only_the_first_deploy_makes_a_platform_key(platform_key: str) -> None:
    assert service.create_first_platform_key("root") is None


def test_a_session_is_one_distributors_and_ends(api: Api, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    session = service.open_session(shop.program_id, "dst_1")
    assert session.expires_at - clock.now() <= timedelta(minutes=15)
    me = api.get("/v1/me", key=session.token).json
    assert (me["scope"], me["distributor_id"], me["program_id"]) == ("distributor", "dst_1", "shop-1")
    monkeypatch.setattr("time.time", lambda: session.expires_at.timestamp())
    assert api.get("/v1/me", key=session.token).status == 401


def test_what_a_platforms_person_does_is_on_the_programs_record(api: Api, shop: Shop, platform_key: str) -> None:
    made = make(api, platform_key, CLERK)
    api.delete(f"/v1/keys/{made['key_id']}", key=platform_key)
    rows = api.get("/v1/audit", key=shop.auditor).json["data"]
    told = [(row["actor"], row["action"]) for row in rows if row["subject"] == made["key_id"]]
    assert sorted(told) == [("root", "key.create"), ("root", "key.revoke")]
    assert made["secret"] not in str(rows)


def test_the_audit_log_goes_on_where_it_stopped(api: Api, shop: Shop) -> None:
    caller = Caller("wang", Scope.OPERATOR, shop.program_id)
    start = datetime(2030, 1, 1, tzinfo=UTC)
    for i in range(5):
        service.audit_row(caller, start + timedelta(seconds=i), "test", f"s-{i}").put_new()
    seen, cursor = [], ""
    while cursor is not None and len(seen) < 5:
        page = api.get(f"/v1/audit?limit=2{cursor and '&cursor='}{cursor}", key=shop.auditor).json
        seen += [row["subject"] for row in page["data"]]
        cursor = page["next_cursor"]
    assert seen[:5] == ["s-4", "s-3", "s-2", "s-1", "s-0"]
    assert api.get("/v1/keys?cursor=nonsense", key=shop.auditor).status == 403
    assert api.get("/v1/audit?cursor=nonsense", key=shop.auditor).code == "invalid_cursor"


def test_an_audit_row_is_never_written_over() -> None:
    row = service.audit_row(Caller("wang", Scope.OPERATOR, "shop-1"), clock.now(), "test", "s")
    assert row.put_new()
    assert not row.put_new()
    assert len(list(AuditItem.query("audit#shop-1"))) == 1
