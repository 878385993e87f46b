"""Applications, invitations, and who is approved at once."""

from typing import Any

import pytest

from chalicelib.distributors import service
from chalicelib.shared import ids
from tests.distributors.village import Village, found, meanwhile
from tests.support import Answer


def test_an_open_track_approves_at_once(village: Village) -> None:
    made = village.apply("u-1", contact={"phone": "13800000000"}, evidence={"shop": "tmall"})
    assert made.status == 201
    told = made.json
    assert told["distributor_id"].startswith("dst_")
    assert (told["status"], told["track"], told["sponsor_id"]) == ("approved", "default", None)
    assert told["joined_at"] == told["created_at"] == "2026-03-01T00:00:00Z"
    assert len(told["code"]) == 10 and set(told["code"]) <= set(ids.READABLE)


@pytest.mark.parametrize("track", ["review", "buyer"])
def test_who_is_reviewed_or_enters_by_purchase_waits(village: Village, track: str) -> None:
    told = village.join("u-1", track=track)
    assert (told["status"], told["joined_at"]) == ("pending", None)


def test_the_same_user_again_is_the_same_distributor(village: Village) -> None:
    sponsor = village.join("u-0")
    first = village.apply("u-1", sponsor_code=sponsor["code"], contact={"phone": "1", "email": "a@b.c"})
    again = village.apply(
        "u-1", sponsor_code=sponsor["code"].lower(), track="default", contact={"email": "a@b.c", "phone": "1"}
    )
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json


def test_the_same_user_otherwise_is_a_conflict(village: Village) -> None:
    village.join("u-1")
    other = village.apply("u-1", evidence={"shop": "tmall"})
    assert (other.status, other.code) == (409, "exists_with_different_content")


def test_the_same_application_is_met_also_after_changes(village: Village) -> None:
    one = village.join("u-1")
    path = f"/v1/distributors/{one['distributor_id']}"
    village.api.patch(path, {"name": "Another"}, village.operator)
    village.act(one, "close")
    again = village.apply("u-1")
    assert (again.status, again.json["status"], again.json["name"]) == (200, "closed", "Another")


def test_two_applications_of_one_user_at_once_make_one_distributor(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Answer] = []
    meanwhile(monkeypatch, service, lambda: answers.append(village.apply("u-1")))
    answers.append(village.apply("u-1"))
    assert [answer.status for answer in answers] == [201, 200]
    assert answers[0].json == answers[1].json
    assert len(village.api.get("/v1/distributors", village.operator).json["data"]) == 1


def test_a_taken_code_is_drawn_again(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter(["AAAAAAAAAA", "AAAAAAAAAA", "BBBBBBBBBB"])
    monkeypatch.setattr(service.ids, "readable", lambda length: next(codes))
    assert village.join("u-1")["code"] == "AAAAAAAAAA"
    assert village.join("u-2")["code"] == "BBBBBBBBBB"


@pytest.mark.parametrize(
    ("told", "pointer", "code"),
    [
        ({"track": "nowhere"}, "/track", "unknown_track"),
        ({"sponsor_code": "AAAAAAAAAA"}, "/sponsor_code", "unknown_sponsor"),
        ({"track": "agent"}, "/invitation", "invitation_needed"),
        ({"track": "agent", "invitation": "inv_x_y"}, "/invitation", "invitation_not_valid"),
        ({"track": "agent", "invitation": "nonsense"}, "/invitation", "invitation_not_valid"),
    ],
)
def test_what_it_refers_to_must_be_there(village: Village, told: dict[str, Any], pointer: str, code: str) -> None:
    refused = village.apply("u-1", **told)
    assert (refused.status, refused.code) == (422, code)
    assert refused.errors == {(pointer, code)}


@pytest.mark.parametrize(
    "told", [{"user_id": "a/b"}, {"contact": {"fax": "1"}}, {"evidence": {"a": "x" * 5_000}}, {"name": ""}]
)
def test_a_wrong_body_is_refused(village: Village, told: dict[str, Any]) -> None:
    body = {"user_id": "u-1", "name": "U", **told}
    refused = village.api.post("/v1/distributors", body, village.storefront)
    assert (refused.status, refused.code) == (422, "invalid_request")


def test_only_an_approved_distributor_sponsors(village: Village) -> None:
    sponsor = village.join("u-0")
    village.act(sponsor, "suspend")
    refused = village.apply("u-1", sponsor_code=sponsor["code"])
    assert (refused.status, refused.code) == (422, "unknown_sponsor")


def test_without_a_plan_nobody_enters(village: Village) -> None:
    bare = found(village.api, "bare", village.platform)
    refused = bare.apply("u-1")
    assert (refused.status, refused.code) == (409, "no_plan_in_force")


def test_an_invitation_lets_one_person_in_under_its_sponsor(village: Village) -> None:
    sponsor, other = village.join("u-0"), village.join("u-9")
    made = village.invite(sponsor_id=sponsor["distributor_id"])
    assert made.status == 201
    invitation = made.json["invitation"]
    assert made.json == {
        "invitation": invitation,
        "track": "agent",
        "sponsor_id": sponsor["distributor_id"],
        "expires_at": "2026-04-01T00:00:00Z",
        "used_at": None,
    }
    # Its sponsor outdoes the code; its track stands in for one left out.
    told = village.join("u-1", other, invitation=invitation)
    assert (told["track"], told["status"], told["sponsor_id"]) == ("agent", "approved", sponsor["distributor_id"])
    assert village.apply("u-1", invitation=invitation, sponsor_code=other["code"]).status == 200
    used = village.apply("u-2", invitation=invitation)
    assert (used.status, used.code) == (422, "invitation_not_valid")


def test_an_invitation_opens_a_track_with_review(village: Village) -> None:
    invitation = village.invite("review").json["invitation"]
    assert village.join("u-1", track="review", invitation=invitation)["status"] == "approved"


def test_an_invitation_is_to_its_track_only(village: Village) -> None:
    invitation = village.invite("review").json["invitation"]
    refused = village.apply("u-1", track="agent", invitation=invitation)
    assert (refused.status, refused.code) == (422, "invitation_not_valid")


def test_an_invitation_expires_in_the_programs_clock(village: Village) -> None:
    invitation = village.invite().json["invitation"]
    village.later("2026-04-01T00:00:00Z")
    refused = village.apply("u-1", invitation=invitation)
    assert (refused.status, refused.code) == (422, "invitation_not_valid")


def test_of_two_who_use_one_invitation_at_once_one_enters(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    invitation = village.invite().json["invitation"]
    answers: list[Answer] = []
    meanwhile(monkeypatch, service, lambda: answers.append(village.apply("u-1", invitation=invitation)))
    answers.append(village.apply("u-2", invitation=invitation))
    assert [answer.status for answer in answers] == [201, 422]
    assert service.by_user("village", "u-2") is None


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"track": "nowhere"}, "unknown_track"),
        ({"sponsor_id": "dst_nobody"}, "unknown_sponsor"),
        ({"expires_at": "2026-03-01T00:00:00Z"}, "time_out_of_range"),
        ({"expires_at": "2028-01-01T00:00:00Z"}, "time_out_of_range"),
    ],
)
def test_an_invitation_refers_to_what_is_there(village: Village, told: dict[str, Any], code: str) -> None:
    refused = village.invite(**told)
    assert (refused.status, refused.code) == (422, code)


def test_an_invitation_is_made_once_under_one_idempotency_key(village: Village) -> None:
    body = {"track": "agent", "expires_at": "2026-04-01T00:00:00Z"}
    first, again, other = (
        village.api.post("/v1/invitations", each, village.operator, idempotency_key="k")
        for each in (body, body, body | {"track": "review"})
    )
    assert (first.status, again.status, other.status) == (201, 200, 409)
    assert again.json == first.json | {"invitation": None}


def test_an_invitations_secret_is_kept_nowhere(village: Village) -> None:
    text = village.invite().json["invitation"]
    item = service.InvitationItem.find("village#invitation", text.rpartition("_")[0])
    assert item is not None and text.rpartition("_")[2] not in str(item.serialize())
    assert text.rpartition("_")[2] not in str(village.audit())
