"""Looking ahead: who would rise at the next close, who would fall or miss the month at the next 1st."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.levels import service
from tests.levels.seller import Seller
from tests.support import Api
from tests.support_meter import metered

MakeSeller = Callable[..., Seller]


@pytest.fixture
def crowd(make_seller: MakeSeller, api: Api) -> dict[str, Seller]:
    """On 15 June: Up has sold enough for rank 4; Down would miss its third month, Risk its first; Idle does nothing."""
    names = ("up", "down", "idle", "risk")
    first = make_seller(now="2026-03-03T10:00:00+08:00")
    shop, worker = first.shop, first.worker
    people = {name: Seller(api, shop, worker, name=name) for name in names}
    people["down"].sells("D", 500_000, "2026-03-03T10:00:01+08:00")
    first.wait("2026-05-31T12:00:00+08:00")
    people["risk"].sells("R", 100_000, "2026-05-31T11:00:00+08:00")
    first.wait("2026-06-15T12:00:00+08:00")
    people["up"].sells("U", 500_000, "2026-06-15T11:00:00+08:00")
    return people


def preview(seller: Seller, query: str = "") -> Any:
    return seller.post(f"/v1/levels/preview{query}", {}, key=seller.shop.auditor)


def rows_of(crowd: dict[str, Seller], rows: list[Any]) -> list[tuple[Any, ...]]:
    names = {seller.id: name for name, seller in crowd.items()}
    return [
        (names[row["distributor_id"]], row["day"], row["from_rank"], row["to_rank"], row["misses"], row["outcome"])
        for row in rows
    ]


EXPECTED = [
    ("up", "2026-06-16", 1, 4, 0, "rises"),
    ("down", "2026-07-01", 4, 3, 2, "falls"),
    ("risk", "2026-07-01", 2, 2, 0, "at_risk"),
]


def test_it_says_what_the_next_close_and_the_next_first_would_bring(crowd: dict[str, Seller]) -> None:
    answer = preview(crowd["up"])
    assert (answer["day"], answer["next_cursor"]) == ("2026-06-16", None)
    assert rows_of(crowd, answer["data"]) == EXPECTED


def test_it_comes_true_when_nothing_more_is_sold(crowd: dict[str, Seller]) -> None:
    crowd["up"].wait("2026-07-01T12:00:00+08:00")
    assert crowd["up"].changes()[-1:] == [("2026-06-16", 1, 4, "rocket")]
    assert crowd["down"].changes()[-1:] == [("2026-07-01", 4, 3, "snail")]
    assert crowd["risk"].progress["misses"] == 1


def test_pages_are_bounded_and_together_say_the_same(crowd: dict[str, Seller], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PREVIEWED_MAX", 2)
    for limit in (1, 2, 100):
        rows: list[Any] = []
        query = f"?limit={limit}"
        for _ in range(10):
            page = preview(crowd["up"], query)
            assert len(page["data"]) <= min(limit, 2)
            rows += page["data"]
            if page["next_cursor"] is None:
                break
            query = f"?limit={limit}&cursor={page['next_cursor']}"
        assert rows_of(crowd, rows) == EXPECTED


def test_it_writes_nothing(crowd: dict[str, Seller]) -> None:
    with metered() as meter:
        preview(crowd["up"])
    assert meter.writes == []
    assert meter.calls


def test_storefronts_and_distributors_dont_look_ahead(crowd: dict[str, Seller]) -> None:
    up = crowd["up"]
    token = up.api.post(f"/v1/distributors/{up.id}/sessions", {}, up.shop.storefront).json["token"]
    for key in (up.shop.storefront, token):
        assert up.api.post("/v1/levels/preview", {}, key).status == 403
    assert up.api.post("/v1/levels/preview", {"day": "2026-06-16"}, up.shop.operator).status == 422
