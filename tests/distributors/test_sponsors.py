"""The sponsor tree: moves, loops, chains as of a time, downlines."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.distributors import service
from tests.distributors.village import Village, meanwhile
from tests.support import Answer


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def ids(*distributors: dict[str, Any]) -> list[str]:
    return [each["distributor_id"] for each in distributors]


def line(village: Village, length: int) -> list[dict[str, Any]]:
    """Distributors, each below the one before."""
    made: list[dict[str, Any]] = []
    for i in range(length):
        made.append(village.join(f"u-{i}", made[-1] if made else None))
    return made


def test_a_chain_is_told_nearest_first(village: Village) -> None:
    a, b, c, d = line(village, 4)
    seller = service.get("village", d["distributor_id"])
    for tiers, wanted in {0: [], 1: ids(c), 2: ids(c, b), 5: ids(c, b, a)}.items():
        assert [each.distributor_id for each in service.chain_at("village", seller, day(1), tiers)] == wanted


def test_a_move_counts_from_then_on(village: Village) -> None:
    a, b, c = line(village, 3)
    other = village.join("u-9")
    village.later("2026-03-05T00:00:00Z")
    moved = village.move(b, sponsor_id=other["distributor_id"])
    assert (moved.status, moved.json["sponsor_id"]) == (200, other["distributor_id"])
    seller = service.get("village", c["distributor_id"])
    for at, wanted in {day(4): ids(b, a), day(5): ids(b, other)}.items():
        assert [each.distributor_id for each in service.chain_at("village", seller, at, 2)] == wanted


def test_a_sponsor_is_named_by_code_by_id_or_not_at_all(village: Village) -> None:
    a, b = line(village, 2)
    other = village.join("u-9")
    assert village.move(b, sponsor_code=other["code"].lower()).json["sponsor_id"] == other["distributor_id"]
    assert village.move(b, sponsor_id=a["distributor_id"]).json["sponsor_id"] == a["distributor_id"]
    assert village.move(b, sponsor_id=None).json["sponsor_id"] is None
    assert village.move(b, sponsor_code=None).status == 200
    assert village.move(b).status == 422
    assert village.move(b, sponsor_id=a["distributor_id"], sponsor_code=a["code"]).status == 422
    assert village.move(b, sponsor_id="dst_x").code == village.move(b, sponsor_code="x").code == "unknown_sponsor"
    rows = [row["detail"] for row in village.audit() if row["action"] == "distributor.sponsor"]
    assert rows == [
        {"from": a["distributor_id"], "to": None},
        {"from": other["distributor_id"], "to": a["distributor_id"]},
        {"from": a["distributor_id"], "to": other["distributor_id"]},
    ]


def test_nobody_comes_below_itself(village: Village) -> None:
    a, b, c = line(village, 3)
    for sponsor in (a, b, c):
        refused = village.move(a, sponsor_id=sponsor["distributor_id"])
        assert (refused.status, refused.code) == (409, "sponsor_loop")
    assert village.move(c, sponsor_id=a["distributor_id"]).status == 200


def test_two_moves_at_once_make_no_loop(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = village.join("u-1"), village.join("u-2")
    answers: list[Answer] = []
    meanwhile(monkeypatch, service, lambda: answers.append(village.move(b, sponsor_id=a["distributor_id"])))
    answers.append(village.move(a, sponsor_id=b["distributor_id"]))
    assert [answer.status for answer in answers] == [200, 409]
    assert answers[1].code == "sponsor_loop"


def test_a_walk_has_an_end(village: Village, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHAIN_MAX", 3)
    made, other = line(village, 4), village.join("u-9")
    refused = village.move(other, sponsor_id=made[3]["distributor_id"])
    assert (refused.status, refused.code) == (409, "sponsor_chain_too_long")
    assert village.move(other, sponsor_id=made[2]["distributor_id"]).status == 200


def test_a_downline_is_whom_one_sponsors_now(village: Village) -> None:
    a, b = line(village, 2)
    c = village.join("u-9", a)
    path = f"/v1/distributors/{a['distributor_id']}/downline"
    listed = village.api.get(f"{path}?limit=1", village.operator).json
    rest = village.api.get(f"{path}?limit=1&cursor={listed['next_cursor']}", village.operator).json
    assert [each["distributor_id"] for each in listed["data"] + rest["data"]] == sorted(ids(b, c), reverse=True)
    assert set(listed["data"][0]) == {"distributor_id", "name", "status", "joined_at"}
    assert rest["next_cursor"] is None
    village.move(b, sponsor_id=None)
    assert [each["distributor_id"] for each in village.api.get(path, village.auditor).json["data"]] == ids(c)
    assert village.api.get(path, village.storefront).status == 403
    assert village.api.get("/v1/distributors/dst_x/downline", village.operator).status == 404
