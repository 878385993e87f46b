"""The lists of what was decided: a program's changes by month, a distributor's days."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.levels import service
from tests.levels.seller import Seller, rocket_snail
from tests.support import Api
from tests.support_engine import Held
from tests.support_state import held, put_back

MakeSeller = Callable[..., Seller]


_made: list[tuple[Seller, Held]] = []


@pytest.fixture
def story(make_seller: MakeSeller, api: Api) -> Seller:
    """Mei rises in March and falls in July; Lin rises twice in April and is given in May the rank that she has.

    Made once and put back: making it takes seconds.
    """
    if not _made:
        _made.append((_story(make_seller, api), held()))
    story, tables = _made[0]
    put_back(tables)
    return story


def _story(make_seller: MakeSeller, api: Api) -> Seller:
    mei = make_seller(now="2026-03-03T10:00:00+08:00")
    lin = Seller(api, mei.shop, mei.worker, name="lin")
    mei.sells("A", 500_000, "2026-03-03T10:00:01+08:00")
    for order_id, amount, day in (("B", 100_000, "08"), ("C", 150_000, "09")):
        mei.wait(f"2026-04-{day}T12:00:00+08:00")
        lin.sells(order_id, amount, f"2026-04-{day}T11:00:00+08:00")
    mei.wait("2026-05-10T12:00:00+08:00")
    lin.give(3, "keeps a shop")
    mei.wait("2026-07-02T12:00:00+08:00")
    return mei


def walked(seller: Seller, path: str, limit: int) -> list[Any]:
    rows: list[Any] = []
    cursor, joint = "", "&" if "?" in path else "?"
    while True:
        page = seller.get(f"{path}{joint}limit={limit}{cursor}")
        assert len(page["data"]) <= limit
        rows += page["data"]
        if page["next_cursor"] is None:
            return rows
        cursor = f"&cursor={page['next_cursor']}"


def told(rows: list[Any]) -> list[tuple[Any, ...]]:
    return [(row["day"], row["from_rank"], row["to_rank"], row["cause"], row["volume"], row["misses"]) for row in rows]


ALL = [
    ("2026-07-01", 4, 3, "snail", 0, 0),
    ("2026-05-11", 3, 3, "hand", 0, 0),
    ("2026-04-10", 2, 3, "rocket", 250_000, 0),
    ("2026-04-09", 1, 2, "rocket", 100_000, 0),
    ("2026-03-04", 1, 4, "rocket", 500_000, 0),
]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_changes_come_newest_first_page_by_page(story: Seller, limit: int) -> None:
    assert told(walked(story, "/v1/levels/changes", limit)) == ALL
    assert told(walked(story, "/v1/levels/changes?month=2026-04", limit)) == ALL[2:4]
    assert walked(story, "/v1/levels/changes?month=2026-06", limit) == []


def test_a_page_over_many_months_ends_early_and_goes_on(story: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_MONTHS_MAX", 2)
    assert told(walked(story, "/v1/levels/changes", 100)) == ALL


def test_a_change_says_whose_it_is_and_by_which_plan(story: Seller) -> None:
    last = story.get("/v1/levels/changes?month=2026-07", story.shop.auditor)["data"][0]
    assert last == {
        "distributor_id": story.id,
        "day": "2026-07-01",
        "from_rank": 4,
        "to_rank": 3,
        "cause": "snail",
        "reason": None,
        "volume": 0,
        "misses": 0,
        "plan_version": 1,
    }


def test_a_rank_given_by_hand_is_listed_with_its_reason_even_if_nothing_changed(story: Seller) -> None:
    (row,) = story.get("/v1/levels/changes?month=2026-05")["data"]
    assert (row["from_rank"], row["to_rank"], row["cause"], row["reason"]) == (3, 3, "hand", "keeps a shop")


@pytest.mark.parametrize("limit", [1, 100])
def test_a_distributors_days_tell_misses_too(story: Seller, limit: int) -> None:
    rows = walked(story, f"/v1/distributors/{story.id}/levels", limit)
    assert [(row["day"], row["rank"], row["misses"], row["target"]) for row in rows] == [
        ("2026-07-01", 3, 0, 500_000),
        ("2026-06-01", 4, 2, 500_000),
        ("2026-05-01", 4, 1, 500_000),
        ("2026-03-04", 4, 0, 500_000),
    ]
    assert rows[0].keys() >= {
        "day",
        "rank",
        "from_rank",
        "cause",
        "reason",
        "volume",
        "target",
        "misses",
        "plan_version",
    }


def test_storefronts_and_distributors_dont_see_everybodys_changes(story: Seller) -> None:
    token = story.post(f"/v1/distributors/{story.id}/sessions", {}, 201, story.shop.storefront)["token"]
    for key in (story.shop.storefront, token):
        assert story.api.get("/v1/levels/changes", key).status == 403


def test_cursors_belong_to_their_list_and_month(story: Seller) -> None:
    april = story.get("/v1/levels/changes?month=2026-04&limit=1")["next_cursor"]
    for path in (
        f"/v1/levels/changes?cursor={april}",
        f"/v1/levels/changes?month=2026-03&cursor={april}",
        f"/v1/distributors/{story.id}/levels?cursor={april}",
    ):
        answer = story.api.get(path, story.shop.operator)
        assert (answer.status, answer.code) == (422, "invalid_cursor")


@pytest.mark.parametrize("month", ["2026-13", "2026-4", "March", "", "0000-01", "2026-03-01"])
def test_a_month_is_written_with_its_year(story: Seller, month: str) -> None:
    assert story.api.get(f"/v1/levels/changes?month={month}", story.shop.operator).status == 422


def test_nothing_is_decided_about_one_who_was_closed_after_that_day(make_seller: MakeSeller) -> None:
    """Closed on 31 March at 20:00: neither the sale of that day lifts, nor does a missed month lower any more."""
    mei = make_seller(plan=rocket_snail(demotion={"misses": 1, "steps": 1}), now="2026-02-27T10:00:00+08:00")
    mei.sells("A", 500_000, "2026-02-27T10:00:00+08:00")
    mei.wait("2026-03-31T20:00:00+08:00")
    mei.sells("B", 1_000_000, "2026-03-31T20:00:00+08:00")
    mei.post(f"/v1/distributors/{mei.id}/close", {"reason": "moved away"})
    mei.wait("2026-05-02T12:00:00+08:00")
    assert mei.changes() == [("2026-02-28", 1, 4, "rocket")]
    assert [row["day"] for row in mei.records] == ["2026-02-28"]
    assert mei.level_of("B")[0] == 4
