"""What a distributor is told of itself: numbers, and the same in words."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.programs.document import presets
from tests.levels.seller import Seller
from tests.support import Api

MakeSeller = Callable[..., Seller]
TEN = "2026-03-03T10:00:00+08:00"


def test_a_beginner_is_told_what_is_missing(make_seller: MakeSeller) -> None:
    seller = make_seller(now=TEN)
    seller.sells("A", 30_000, "2026-03-03T10:00:01+08:00")
    assert seller.progress == {
        "day": "2026-03-03",
        "rank": 1,
        "name": "V1",
        "rate_bp": 200,
        "provisional": False,
        "measure": "monthly_sales",
        "volume": 30_000,
        "next": {"rank": 2, "name": "V2", "rate_bp": 400, "target": 100_000, "missing": 70_000},
        "tomorrow": {"rank": 1, "name": "V1", "rate_bp": 200},
        "misses": 0,
        "misses_to_fall": None,
        "wipe": None,
        "sentence": {
            "zh": "您现在是 V1，佣金 2%。本月已售 300.00 CNY，再售 700.00 CNY，即可升到 V2（佣金 4%）。",
            "en": "You are V1, which pays 2%. You have sold 300.00 CNY this month; 700.00 CNY more lifts you to V2, "
            "which pays 4%.",
        },
    }


def test_who_has_sold_enough_is_told_of_tomorrow(make_seller: MakeSeller) -> None:
    seller = make_seller(now=TEN)
    seller.sells("A", 600_000, "2026-03-03T10:00:01+08:00")
    told = seller.progress
    assert (told["rank"], told["tomorrow"]["rank"]) == (1, 4)
    assert (told["next"]["rank"], told["next"]["missing"]) == (5, 400_000), "rank 4 is certain already"
    assert "明天升到 V4，佣金 8%。" in told["sentence"]["zh"]
    assert "Tomorrow you rise to V4, which pays 8%." in told["sentence"]["en"]


def test_misses_are_told_with_what_wipes_them(make_seller: MakeSeller) -> None:
    seller = make_seller(now="2026-03-03T10:00:00+08:00")
    seller.sells("A", 500_000, "2026-03-03T10:00:01+08:00")
    seller.clock("2026-06-10T12:00:00+08:00")
    told = seller.progress
    assert (told["rank"], told["misses"], told["misses_to_fall"]) == (4, 2, 1)
    assert told["wipe"] == {"missing": 500_000, "by": "2026-06-30"}
    assert "已有 2 个月未达标；6月30日前再售 5,000.00 CNY，未达标记录清零。否则下月降级。" in told["sentence"]["zh"]
    assert told["sentence"]["en"].endswith(
        "Months missed in a row: 2. Sell 5,000.00 CNY more by June 30 and they are forgotten. "
        "Otherwise you fall next month."
    )
    seller.sells("B", 500_000, "2026-06-10T11:00:00+08:00")
    assert seller.progress["wipe"] == {"missing": 0, "by": "2026-06-30"}
    assert "本月已达标，月末结算后清零。" in seller.progress["sentence"]["zh"]
    seller.clock("2026-07-01T12:00:00+08:00")
    assert (seller.progress["misses"], seller.progress["wipe"]) == (0, None)


def test_at_the_top_nothing_is_missing_and_orders_are_counted_in_orders(make_seller: MakeSeller) -> None:
    plan = presets()["bronze-silver-gold"].model_dump(mode="json")
    levels = plan["tracks"]["default"]["levels"]
    for level, target in zip(levels, (0, 1, 2), strict=True):
        level["target"] = target
    seller = make_seller(plan=plan, now=TEN)
    seller.sells("A", 100, "2026-03-03T10:00:01+08:00")
    told = seller.progress
    assert (told["measure"], told["volume"], told["next"]["missing"]) == ("lifetime_orders", 1, 1)
    assert "累计已售 1 单，再售 1 单，即可升到" in told["sentence"]["zh"]
    assert "You have sold 1 order so far; 1 order more lifts you to" in told["sentence"]["en"]
    seller.sells("B", 100, "2026-03-03T10:00:01+08:00")
    seller.clock("2026-03-04T12:00:00+08:00")
    told = seller.progress
    assert (told["rank"], told["next"], told["wipe"]) == (3, None, None)
    assert told["sentence"]["en"].endswith("You have sold 2 orders so far.")


def test_before_the_close_today_is_provisional(make_seller: MakeSeller) -> None:
    seller = make_seller(now=TEN)
    seller.clock("2026-03-04T02:59:59+08:00")
    assert seller.progress["provisional"]
    seller.clock("2026-03-04T03:00:00+08:00")
    assert not seller.progress["provisional"]


def test_who_was_never_approved_has_no_progress(make_seller: MakeSeller, api: Api) -> None:
    plan: dict[str, Any] = presets()["rocket-snail-7"].model_dump(mode="json")
    plan["tracks"]["default"]["entry"] = {"mode": "review"}
    seller = make_seller(plan=plan, now=TEN)
    answer = api.get(f"/v1/distributors/{seller.id}/progress", seller.shop.operator)
    assert (answer.status, answer.code) == (409, "distributor_not_approved")


@pytest.mark.parametrize("what", ["progress", "levels"])
def test_a_distributor_sees_only_itself(make_seller: MakeSeller, api: Api, what: str) -> None:
    seller = make_seller(now=TEN)
    other = Seller(api, seller.shop, seller.worker, name="lin")
    token = api.post(f"/v1/distributors/{seller.id}/sessions", {}, seller.shop.storefront).json["token"]
    assert api.get(f"/v1/distributors/{seller.id}/{what}", token).status == 200
    assert api.get(f"/v1/distributors/{other.id}/{what}", token).status == 404
    assert api.get(f"/v1/distributors/{seller.id}/{what}", seller.shop.storefront).status == 403
    assert api.get(f"/v1/distributors/dst_nobody/{what}", seller.shop.operator).status == 404
