"""Status, profile, sessions, lists: what becomes of one who has entered."""

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from chalicelib.distributors import rules, service
from chalicelib.distributors.model import Action, Status
from tests.distributors.village import Village, found, meanwhile

ALLOWED = {
    (Status.PENDING, Action.APPROVE): Status.APPROVED,
    (Status.PENDING, Action.REJECT): Status.REJECTED,
    (Status.PENDING, Action.CLOSE): Status.CLOSED,
    (Status.APPROVED, Action.SUSPEND): Status.SUSPENDED,
    (Status.APPROVED, Action.CLOSE): Status.CLOSED,
    (Status.SUSPENDED, Action.REINSTATE): Status.APPROVED,
    (Status.SUSPENDED, Action.CLOSE): Status.CLOSED,
}


def test_only_listed_steps_lead_anywhere() -> None:
    steps = {(status, action): rules.after(status, action) for status in Status for action in Action}
    assert {step: target for step, target in steps.items() if target} == ALLOWED


def test_a_distributors_statuses_are_kept_with_their_times(village: Village) -> None:
    one = village.join("u-1", track="review")
    for day, (action, status) in enumerate(
        [("approve", "approved"), ("suspend", "suspended"), ("reinstate", "approved"), ("close", "closed")], start=2
    ):
        village.later(f"2026-03-0{day}T00:00:00Z")
        answer = village.act(one, action)
        assert (answer.status, answer.json["status"]) == (200, status)
        assert answer.json["joined_at"] == "2026-03-02T00:00:00Z"
    distributor = service.get("village", one["distributor_id"])
    days = [distributor.status_at(datetime(2026, 3, day, tzinfo=UTC)) for day in range(1, 6)]
    assert days == ["pending", "approved", "suspended", "approved", "closed"]
    assert distributor.status_at(datetime(2026, 2, 28, tzinfo=UTC)) is None
    assert distributor.approved_at(datetime(2026, 3, 2, 23, 59, tzinfo=UTC))
    assert not distributor.approved_at(datetime(2026, 3, 3, tzinfo=UTC))


def test_a_step_from_the_wrong_status_is_a_conflict(village: Village) -> None:
    one = village.join("u-1")
    refused = village.act(one, "approve")
    assert (refused.status, refused.code) == (409, "wrong_status")


def test_a_step_is_taken_once_under_one_idempotency_key(village: Village) -> None:
    one = village.join("u-1")
    first, again = (village.act(one, "suspend", idempotency_key="k") for _ in range(2))
    other = village.act(one, "close", idempotency_key="k")
    assert (first.status, again.status) == (200, 200) and first.json == again.json
    assert (other.status, other.code) == (409, "exists_with_different_content")
    assert [row["action"] for row in village.audit()].count("distributor.suspend") == 1


def test_a_history_has_an_end(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "CHANGES_MAX", 2)
    one = village.join("u-1")
    assert village.act(one, "suspend").status == 200
    refused = village.act(one, "reinstate")
    assert (refused.status, refused.code) == (409, "too_many_changes")


def test_a_change_that_lost_the_race_is_made_on_what_is_there(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = village.join("u-1")
    path = f"/v1/distributors/{one['distributor_id']}"
    meanwhile(monkeypatch, service, lambda: village.api.patch(path, {"name": "Faster"}, village.storefront))
    assert village.act(one, "suspend").status == 200
    after = village.api.get(path, village.operator).json
    assert (after["name"], after["status"]) == ("Faster", "suspended")


def test_a_profile_changes_and_the_audit_log_holds_nothing_personal(village: Village) -> None:
    one = village.join("u-1", contact={"phone": "13800001111", "email": "canary@example.com"})
    path = f"/v1/distributors/{one['distributor_id']}"
    change = {"name": "Li", "contact": {"wechat": "canary-wx"}}
    changed = village.api.patch(path, change, village.operator)
    assert (changed.status, changed.json["name"], changed.json["contact"]) == (200, "Li", {"wechat": "canary-wx"})
    assert village.api.patch(path, change, village.operator).status == 200
    rows = village.audit()
    assert [row["detail"] for row in rows if row["action"] == "distributor.change"] == [
        {"changed": ["name", "contact"]}
    ]
    assert "canary" not in str(rows) and "13800001111" not in str(rows)


def test_contact_is_not_for_storefronts_nor_lists(village: Village) -> None:
    one = village.join("u-1", contact={"phone": "1"})
    assert "contact" not in one
    path = f"/v1/distributors/{one['distributor_id']}"
    assert "contact" not in village.api.get(path, village.storefront).json
    assert "contact" not in village.api.get("/v1/distributors", village.operator).json["data"][0]
    for key in (village.operator, village.auditor, village.session(one)):
        assert village.api.get(path, key).json["contact"] == {"phone": "1"}


def test_every_change_leaves_an_audit_row(village: Village) -> None:
    one = village.join("u-1", track="review")
    for action in ("approve", "suspend", "reinstate", "close"):
        village.act(one, action)
    about = [row for row in village.audit() if row["subject"] == one["distributor_id"]]
    assert sorted((row["actor"], row["action"], row["reason"]) for row in about) == [
        *(("operator", f"distributor.{each}", "as agreed") for each in ("approve", "close", "reinstate", "suspend")),
        ("storefront", "distributor.apply", None),
    ]


def test_sessions_are_for_the_approved_and_the_suspended(village: Village) -> None:
    one = village.join("u-1")
    path = f"/v1/distributors/{one['distributor_id']}/sessions"
    opened = village.api.post(path, {}, village.storefront)
    assert opened.status == 201
    me = village.api.get("/v1/me", opened.json["token"]).json
    assert (me["scope"], me["distributor_id"]) == ("distributor", one["distributor_id"])
    village.act(one, "suspend")
    assert village.api.post(path, {}, village.operator).status == 201
    village.act(one, "close")
    refused = village.api.post(path, {}, village.storefront)
    assert (refused.status, refused.code) == (409, "distributor_not_approved")
    assert village.api.post("/v1/distributors/dst_x/sessions", {}, village.storefront).status == 404


def test_a_distributor_sees_itself_only(village: Village) -> None:
    one, other = village.join("u-1"), village.join("u-2")
    token = village.session(one)
    mine = f"/v1/distributors/{one['distributor_id']}"
    theirs = f"/v1/distributors/{other['distributor_id']}"
    assert village.api.get(mine, token).status == village.api.get(f"{mine}/downline", token).status == 200
    assert village.api.get(theirs, token).status == village.api.get(f"{theirs}/downline", token).status == 404
    assert village.api.get("/v1/distributors", token).status == 403


def test_the_list_is_newest_first_and_goes_on(village: Village) -> None:
    made = [village.join(f"u-{i}")["distributor_id"] for i in range(7)]
    assert _all(village, "/v1/distributors?limit=3") == sorted(made, reverse=True)
    first = village.api.get("/v1/distributors?limit=3", village.operator).json
    cursor = first["next_cursor"]
    elsewhere = village.api.get(f"/v1/distributors?limit=3&status=closed&cursor={cursor}", village.operator)
    assert (elsewhere.status, elsewhere.code) == (422, "invalid_cursor")


def test_the_list_is_filtered(village: Village) -> None:
    one = village.join("u-one", name="Wang Fang")
    two = village.join("u-two", track="review")
    for query, wanted in {
        "status=pending": [two],
        "track=default": [one],
        "q=FANG": [one],
        "q=u-TW": [two],
        f"q={one['code'].lower()[2:]}": [one],
        "q=nobody": [],
        "status=approved&track=review": [],
    }.items():
        listed = village.api.get(f"/v1/distributors?{query}", village.auditor).json["data"]
        assert [each["distributor_id"] for each in listed] == [each["distributor_id"] for each in wanted], query
    assert village.api.get("/v1/distributors?status=gone", village.operator).status == 422


def test_other_programs_see_nothing(village: Village) -> None:
    one = village.join("u-1")
    other = found(village.api, "elsewhere", village.platform)
    other.publish()
    path = f"/v1/distributors/{one['distributor_id']}"
    assert village.api.get(path, other.operator).status == 404
    assert village.api.get("/v1/distributors", other.operator).json["data"] == []
    assert other.act(one, "suspend").status == 404
    refused = other.apply("u-1", sponsor_code=one["code"])
    assert (refused.status, refused.code) == (422, "unknown_sponsor")
    assert other.apply("u-1").status == 201


def test_other_rooms_find_them_by_code_user_and_id(village: Village) -> None:
    one, two = village.join("u-1"), village.join("u-2")
    ids = [one["distributor_id"], two["distributor_id"]]
    assert service.find("village", ids[0]) == service.by_user("village", "u-1")
    assert service.by_code("village", one["code"].lower()) == service.get("village", ids[0])
    assert service.by_code("village", "AAAAAAAAAA") is service.by_code("village", "x" * 3_000) is None
    assert service.by_user("village", "u-3") is service.find("village", "dst_x") is None
    assert set(service.get_many("village", [*ids, ids[0], "dst_x"])) == set(ids)
    assert service.get_many("village", []) == {}


def _all(village: Village, path: str) -> list[str]:
    found: list[str] = []
    page: dict[str, Any] = village.api.get(path, village.operator).json
    while page["next_cursor"]:
        found += [each["distributor_id"] for each in page["data"]]
        page = village.api.get(f"{path}&cursor={page['next_cursor']}", village.operator).json
    found += [each["distributor_id"] for each in page["data"]]
    assert all(a > b for a, b in pairwise(found))
    return found
