"""The next close and the next 1st, before they come: who would rise, fall, or miss the month, by what is known now."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.levels import rules, service
from chalicelib.levels.model import Forecast, Outcome
from tests.levels.life import Life, Rungs, life
from tests.levels.seller import Seller, local, rocket_snail
from tests.support_state import kept, rewound

ROOMS = ("programs", "access", "distributors", "orders", "decisions", "entries", "levels", "ops")


def foreseen(one: Life, on: str) -> Forecast | None:
    return rules.forecast("dst_A", one.on(on), one.case)


def outcome(one: Life, on: str) -> tuple[str, int, int, Outcome] | None:
    found = foreseen(one, on)
    return found and (found.day.isoformat()[5:], found.from_rank, found.to_rank, found.outcome)


# The rules


def test_one_who_sold_enough_today_rises_tomorrow() -> None:
    assert outcome(life({"03-10": 50}), "03-10") == ("03-11", 1, 4, Outcome.RISES)


def test_a_rank_by_hand_is_foreseen_for_tomorrow_up_and_down() -> None:
    assert outcome(life({}, given={"03-10": 3}), "03-10") == ("03-11", 1, 3, Outcome.RISES)
    assert outcome(life({"03-03": 50}, given={"03-10": 3}), "03-10") == ("03-11", 4, 3, Outcome.FALLS)


def test_one_whose_next_miss_is_the_last_falls_on_the_next_1st() -> None:
    assert outcome(life({"02-03": 50}), "05-10") == ("06-01", 4, 3, Outcome.FALLS)
    assert outcome(life({"02-03": 50}), "05-31") == ("06-01", 4, 3, Outcome.FALLS)


def test_one_who_would_miss_the_month_without_falling_is_at_risk() -> None:
    one = life({"02-03": 50, "04-05": 49})
    assert outcome(one, "04-10") == ("05-01", 4, 4, Outcome.AT_RISK)
    found = foreseen(one, "04-10")
    assert found is not None
    assert found.misses == 1, "those that stand now"


def test_what_counts_today_can_meet_the_month() -> None:
    assert outcome(life({"02-03": 50, "04-10": 50}), "04-10") is None
    assert outcome(life({"02-03": 50, "04-10": 49}), "04-10") is not None


@pytest.mark.parametrize(
    "one",
    [
        life({}),
        life({"02-03": 50}, Rungs(misses=None)),
        life({"04-03": 50}),
        life({"02-03": 50}, suspended=[("04-05 10:00", "04-06 10:00")]),
        life({"02-03": 50}, given={"04-05": 4}),
        life({}, joined="04-01"),
    ],
    ids=["rank 1", "no demotion", "met", "suspended", "given", "joined"],
)
def test_where_nothing_is_coming_nothing_is_foreseen(one: Life) -> None:
    assert foreseen(one, "04-10") is None


# Over HTTP


class Shop:
    """2 April, noon, two misses allowed: `mei` has missed March, `li` has met it and sold nothing since, `bo` has sold
    enough today, `an` nothing ever, `wu` is lowered by hand from tomorrow; `xu` is suspended in April, `yu` closed."""

    def __init__(self, make_seller: Callable[..., Seller]) -> None:
        plan = rocket_snail(demotion={"misses": 2, "steps": 1})
        self.mei = make_seller(plan=plan, now=local("02-10 10:00"))
        names = ("li", "bo", "an", "wu", "xu", "yu")
        others = {name: Seller(self.mei.api, self.mei.shop, self.mei.worker, name=name) for name in names}
        self.who: dict[str, Seller] = {"mei": self.mei, **others}
        for name, amount in (("mei", 500_000), ("li", 100_000), ("wu", 250_000), ("xu", 500_000), ("yu", 500_000)):
            self.who[name].sells(f"{name}-2", amount, local("02-10 10:00"))
        self.mei.wait(local("03-10 12:00"))
        self.who["li"].sells("li-3", 100_000, local("03-10 12:00"))
        self.who["wu"].sells("wu-3", 250_000, local("03-10 12:00"))
        self.mei.wait(local("04-02 12:00"))
        self.who["bo"].sells("bo-4", 100_000, local("04-02 12:00"))
        self.who["wu"].give(1)
        for name, action in (("xu", "suspend"), ("yu", "close")):
            self.mei.post(f"/v1/distributors/{self.who[name].id}/{action}", {"reason": "why"})

    def preview(self, query: str = "") -> dict[str, Any]:
        return dict(self.mei.post(f"/v1/levels/preview{query}", {}))

    def row(self, name: str, of: str, from_rank: int, to_rank: int, misses: int, outcome: str) -> dict[str, Any]:
        told = {"day": of, "from_rank": from_rank, "to_rank": to_rank, "misses": misses, "outcome": outcome}
        return {"distributor_id": self.who[name].id, **told}

    @property
    def expected(self) -> list[dict[str, Any]]:
        return [
            self.row("mei", "2026-05-01", 4, 3, 1, "falls"),
            self.row("li", "2026-05-01", 2, 2, 0, "at_risk"),
            self.row("bo", "2026-04-03", 1, 2, 0, "rises"),
            self.row("wu", "2026-04-03", 3, 1, 0, "falls"),
        ]


@pytest.fixture
def shop(make_seller: Callable[..., Seller]) -> Shop:
    return Shop(make_seller)


def test_a_preview_tells_what_the_close_then_does_and_changes_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(*ROOMS)
    assert shop.preview() == {"day": "2026-04-03", "data": shop.expected, "next_cursor": None}
    assert kept(*ROOMS) == before
    with rewound():
        shop.mei.wait(local("05-02 12:00"))
        assert [shop.who[name].progress["rank"] for name in ("mei", "li", "bo", "wu", "xu")] == [3, 2, 2, 1, 4]
        assert [shop.who[name].progress["misses"] for name in ("mei", "li")] == [0, 1]
    _pages(shop, monkeypatch)
    _scopes(shop)


def _pages(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """One row a page; and where a page looks at two distributors only, it may be short or empty and still go on."""
    for query, bound in (("?limit=1", 100), ("?limit=100", 2), ("?limit=1", 2)):
        monkeypatch.setattr(service, "PREVIEWED_MAX", bound)
        rows, pages, cursor = [], 0, ""
        while pages == 0 or cursor:
            page = shop.preview(f"{query}{cursor}")
            rows, pages = [*rows, *page["data"]], pages + 1
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
        assert rows == shop.expected
        assert pages >= 4
    other = shop.mei.get("/v1/levels/changes?limit=1")["next_cursor"]
    refused = shop.mei.api.post(f"/v1/levels/preview?cursor={other}", {}, shop.mei.shop.operator)
    assert refused.status == 422


def _scopes(shop: Shop) -> None:
    keys = shop.mei.shop
    token = shop.mei.post(f"/v1/distributors/{shop.mei.id}/sessions", {}, 201, keys.storefront)["token"]
    tried = (keys.auditor, keys.storefront, token)
    assert [shop.mei.api.post("/v1/levels/preview", {}, key).status for key in tried] == [200, 403, 403]
    assert shop.mei.api.post("/v1/levels/preview", {"day": "2026-05-01"}, keys.operator).status == 422


def test_between_midnight_and_the_close_the_day_that_has_begun_is_foreseen(make_seller: Callable[..., Seller]) -> None:
    mei = make_seller(now=local("03-31 20:00"))
    mei.sells("A", 500_000, local("03-31 20:00"))
    mei.wait(local("04-01 02:00"))
    answer = mei.post("/v1/levels/preview", {})
    assert (answer["day"], [row["outcome"] for row in answer["data"]]) == ("2026-04-01", ["rises"])
    mei.wait(local("04-01 04:00"))
    answer = mei.post("/v1/levels/preview", {})
    assert (answer["day"], [row["outcome"] for row in answer["data"]]) == ("2026-04-02", ["at_risk"])


def test_one_who_joins_after_the_day_that_is_closed_is_not_foreseen_yet(make_seller: Callable[..., Seller]) -> None:
    mei = make_seller(now=local("03-31 20:00"))
    mei.wait(local("04-01 02:00"))
    li = Seller(mei.api, mei.shop, mei.worker, name="li")
    li.sells("A", 500_000, local("04-01 02:00"))
    assert mei.post("/v1/levels/preview", {})["data"] == []
    mei.wait(local("04-01 04:00"))
    (row,) = mei.post("/v1/levels/preview", {})["data"]
    assert (row["distributor_id"], row["day"], row["to_rank"]) == (li.id, "2026-04-02", 4)
