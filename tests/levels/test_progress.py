"""What a distributor is told: where it stands, what is missing to rise, what tomorrow brings, what to sell by when."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chalicelib.levels import rules
from chalicelib.levels.model import Progress
from chalicelib.levels.sentences import sentence
from chalicelib.programs.model import Measure
from chalicelib.shared.locales import LANGUAGES
from tests.levels.life import Life, Rungs, day, life
from tests.levels.seller import Seller, local, rocket_snail

YUAN = Rungs((0, 100_000, 250_000, 500_000))
"""Targets in fen: 1,000, 2,500 and 5,000 yuan; the rates are 1 to 4 %."""
ORDERS = Rungs((0, 2, 5), "monthly_orders")
LIFETIME = Rungs((0, 2, 5), "lifetime_orders", misses=None)


def progress(one: Life, on: str) -> Progress:
    """At the end of a day, by the plan that began."""
    told = rules.progress(one.on(on), one.case, one.plans[-1][1].track, provisional=False)
    assert told is not None
    return told


def told(one: Life, on: str, language: str) -> str:
    return sentence(progress(one, on), "CNY")[language]


# The rules


def test_what_is_missing_is_counted_to_the_next_rank_above_what_tomorrow_brings() -> None:
    found = progress(life({"03-03": 30}), "03-03")
    assert (found.level.rank, found.tomorrow.rank) == (1, 3)
    assert found.next_level is not None
    assert (found.next_level.rank, found.missing, found.volume) == (4, 20, 30)


def test_at_the_top_nothing_is_next() -> None:
    found = progress(life({"03-03": 500}), "03-20")
    assert (found.next_level, found.missing, found.tomorrow.rank) == (None, 0, 7)


def test_where_promotion_is_manual_nothing_is_next() -> None:
    assert progress(life({"03-03": 30}, Rungs(promotion="manual")), "03-03").next_level is None


def test_volume_is_the_months_though_only_a_part_of_it_lifts_after_a_lowering() -> None:
    found = progress(life({"03-03": 30, "03-12": 4}, given={"03-10": 1}), "03-20")
    assert (found.level.rank, found.volume, found.missing) == (1, 34, 6)


def test_above_a_rank_by_hand_the_next_is_what_enough_is_sold_for() -> None:
    """Given rank 2 on the day on which 60 were sold: 2 tomorrow, and 4 the day after without selling more."""
    one = life({"03-10": 60}, given={"03-10": 2})
    found = progress(one, "03-10")
    assert found.next_level is not None
    assert (found.tomorrow.rank, found.next_level.rank, found.missing) == (2, 4, 0)
    assert one.on("03-12").rank == 4


def test_nothing_is_next_that_tomorrows_plan_has_not() -> None:
    assert progress(life({"03-03": 30}, plans={"03-11 00:00": Rungs((0, 10, 25))}), "03-10").next_level is None


def test_misses_are_wiped_by_meeting_the_target_of_the_rank_held_by_the_months_end() -> None:
    found = progress(life({"02-03": 50, "04-05": 20}), "04-20")
    assert (found.misses, found.misses_to_fall, found.spared) == (1, 2, False)
    assert (found.wipe_missing, found.wipe_by) == (30, day("04-30"))


def test_in_a_leap_year_february_ends_on_the_29th() -> None:
    one = life({"2027-12-05": 50}, joined="2027-11-10")
    assert progress(one, "2028-02-10").wipe_by == day("2028-02-29")


def test_nothing_is_missing_once_the_month_is_met() -> None:
    assert progress(life({"02-03": 50, "04-05": 60}), "04-20").wipe_missing == 0


def test_there_is_nothing_to_wipe_without_misses_without_demotion_and_at_rank_1() -> None:
    for one in (life({"02-03": 50}), life({"02-03": 50}, Rungs(misses=None)), life({})):
        found = progress(one, "02-20")
        assert (found.wipe_missing, found.wipe_by) == (None, None)
    assert progress(life({"02-03": 50}, Rungs(misses=None)), "02-20").misses_to_fall is None
    assert progress(life({}), "02-20").misses_to_fall is None


def test_what_was_given_today_wipes_the_misses_by_itself() -> None:
    found = progress(life({"02-03": 50}, given={"04-10": 4}), "04-10")
    assert (found.misses, found.wipe_missing) == (1, None)


def test_where_a_new_plan_allows_fewer_misses_than_stand_the_next_one_falls() -> None:
    one = life({"02-03": 50}, plans={"05-15 00:00": Rungs(misses=1)})
    found = progress(one, "05-20")
    assert (found.misses, found.misses_to_fall) == (2, 1)
    assert one.on("06-01").rank == 3


def test_without_a_plan_there_is_nothing_to_tell() -> None:
    one = life({}).but(plans=())
    assert rules.progress(one.first, one.case, YUAN.track, provisional=False) is None


# The sentences


@pytest.mark.parametrize(
    ("one", "on", "zh", "en"),
    [
        pytest.param(
            life({"03-03": 120_050}, YUAN),
            "03-20",
            "您现在是 V2，佣金 2%。本月已售 1,200.50 CNY，再售 1,299.50 CNY，即可升到 V3（佣金 3%）。",
            "You are V2, which pays 2%. You have sold 1,200.50 CNY this month; 1,299.50 CNY more lifts you to V3, "
            "which pays 3%.",
            id="on the way",
        ),
        pytest.param(
            life({"03-03": 300_000}, YUAN),
            "03-03",
            "您现在是 V1，佣金 1%。明天升到 V3，佣金 3%。"
            "本月已售 3,000.00 CNY，再售 2,000.00 CNY，即可升到 V4（佣金 4%）。",
            "You are V1, which pays 1%. Tomorrow you rise to V3, which pays 3%. You have sold 3,000.00 CNY this month; "
            "2,000.00 CNY more lifts you to V4, which pays 4%.",
            id="rising tomorrow",
        ),
        pytest.param(
            life({"03-03": 500_000}, YUAN),
            "03-20",
            "您现在是 V4，佣金 4%。本月已售 5,000.00 CNY。",
            "You are V4, which pays 4%. You have sold 5,000.00 CNY this month.",
            id="top rank",
        ),
        pytest.param(
            life({"02-03": 500_000, "04-05": 100}, YUAN),
            "04-20",
            "您现在是 V4，佣金 4%。本月已售 1.00 CNY。已有 1 个月未达标；4月30日前再售 4,999.00 CNY，未达标记录清零。",
            "You are V4, which pays 4%. You have sold 1.00 CNY this month. "
            "Months missed in a row: 1. Sell 4,999.00 CNY more by April 30 and they are forgotten.",
            id="a miss",
        ),
        pytest.param(
            life({"02-03": 500_000}, YUAN),
            "05-20",
            "您现在是 V4，佣金 4%。本月已售 0.00 CNY。"
            "已有 2 个月未达标；5月31日前再售 5,000.00 CNY，未达标记录清零。否则下月降级。",
            "You are V4, which pays 4%. You have sold 0.00 CNY this month. "
            "Months missed in a row: 2. Sell 5,000.00 CNY more by May 31 and they are forgotten. "
            "Otherwise you fall next month.",
            id="the last chance",
        ),
        pytest.param(
            life({"02-03": 500_000, "05-05": 500_000}, YUAN),
            "05-20",
            "您现在是 V4，佣金 4%。本月已售 5,000.00 CNY。已有 2 个月未达标；本月已达标，月末结算后清零。",
            "You are V4, which pays 4%. You have sold 5,000.00 CNY this month. "
            "Months missed in a row: 2. This month has reached its target, so they are forgotten when it closes.",
            id="met",
        ),
        pytest.param(
            life({"02-03": 500_000}, YUAN),
            "05-31",
            "您现在是 V4，佣金 4%。明天降到 V3，佣金 3%。本月已售 0.00 CNY。"
            "已有 2 个月未达标；5月31日前再售 5,000.00 CNY，未达标记录清零。否则下月降级。",
            "You are V4, which pays 4%. Tomorrow you fall to V3, which pays 3%. You have sold 0.00 CNY this month. "
            "Months missed in a row: 2. Sell 5,000.00 CNY more by May 31 and they are forgotten. "
            "Otherwise you fall next month.",
            id="falling tomorrow",
        ),
        pytest.param(
            life({"03-03": (9, 1)}, ORDERS),
            "03-20",
            "您现在是 V1，佣金 1%。本月已售 1 单，再售 1 单，即可升到 V2（佣金 2%）。",
            "You are V1, which pays 1%. You have sold 1 order this month; 1 order more lifts you to V2, which pays 2%.",
            id="one order",
        ),
        pytest.param(
            life({"02-03": (9, 1), "03-03": (9, 2)}, LIFETIME),
            "03-20",
            "您现在是 V2，佣金 2%。累计已售 3 单，再售 2 单，即可升到 V3（佣金 3%）。",
            "You are V2, which pays 2%. You have sold 3 orders so far; 2 orders more lifts you to V3, which pays 3%.",
            id="a lifetime of orders",
        ),
        pytest.param(
            life({"02-03": (9, 1234)}, LIFETIME),
            "03-20",
            "您现在是 V3，佣金 3%。累计已售 1,234 单。",
            "You are V3, which pays 3%. You have sold 1,234 orders so far.",
            id="the top of a lifetime",
        ),
    ],
)
def test_a_distributor_is_told_in_words(one: Life, on: str, zh: str, en: str) -> None:
    assert (told(one, on, "zh"), told(one, on, "en")) == (zh, en)


def test_nobody_is_threatened_with_a_fall_in_a_month_that_adds_no_miss() -> None:
    one = life({"02-03": 500_000}, YUAN, suspended=[("05-05 10:00", "05-06 10:00")])
    found = progress(one, "05-20")
    assert (found.misses_to_fall, found.spared) == (1, True)
    for language, threat in (("zh", "降级"), ("en", "you fall")):
        assert threat not in told(one, "05-20", language)
    assert one.on("06-01").rank == 4


def test_amounts_are_told_with_the_decimals_of_the_currency() -> None:
    found = replace(progress(life({"03-03": 1500}, Rungs((0, 2000))), "03-03"), measure=Measure.MONTHLY_SALES)
    assert "1,500 JPY" in sentence(found, "JPY")["en"]
    assert "1.500 KWD" in sentence(found, "KWD")["zh"]


# Over HTTP


def test_progress_says_all_that_a_distributor_asks(make_seller: Callable[..., Seller]) -> None:
    seller = make_seller(now=local("03-03 11:00"))
    seller.sells("A", 300_000, local("03-03 11:00"))
    answer = seller.progress
    assert answer.pop("sentence").keys() == set(LANGUAGES)
    assert answer == {
        "day": "2026-03-03",
        "rank": 1,
        "name": "V1",
        "rate_bp": 200,
        "provisional": False,
        "measure": "monthly_sales",
        "volume": 300_000,
        "next": {"rank": 4, "name": "V4", "rate_bp": 800, "target": 500_000, "missing": 200_000},
        "tomorrow": {"rank": 3, "name": "V3", "rate_bp": 600},
        "misses": 0,
        "misses_to_fall": None,
        "wipe": None,
    }


def test_a_rank_is_provisional_until_its_day_is_decided(make_seller: Callable[..., Seller]) -> None:
    seller = make_seller(now=local("03-03 11:00"))
    seller.sells("A", 300_000, local("03-03 11:00"))
    seller.wait(local("03-04 02:59"))
    assert (seller.progress["day"], seller.progress["rank"], seller.progress["provisional"]) == ("2026-03-04", 3, True)
    seller.refund("A", "r", 250_000, local("03-04 02:59"))
    assert (seller.progress["rank"], seller.progress["provisional"]) == (1, True), "it was known no better"
    seller.wait(local("03-04 03:00"))
    assert (seller.progress["rank"], seller.progress["provisional"]) == (1, False)
    assert seller.progress["volume"] == 50_000


def test_misses_are_told_with_what_wipes_them(make_seller: Callable[..., Seller]) -> None:
    seller = make_seller(now=local("02-10 10:00"))
    seller.sells("A", 500_000, local("02-10 10:00"))
    seller.wait(local("04-02 12:00"))
    seller.sells("B", 100_000, local("04-02 12:00"))
    answer = seller.progress
    assert (answer["rank"], answer["misses"], answer["misses_to_fall"]) == (4, 1, 2)
    assert answer["wipe"] == {"missing": 400_000, "by": "2026-04-30"}
    assert answer["sentence"]["en"].endswith(
        "Months missed in a row: 1. Sell 4,000.00 CNY more by April 30 and they are forgotten."
    )
    assert answer["sentence"]["zh"].endswith("已有 1 个月未达标；4月30日前再售 4,000.00 CNY，未达标记录清零。")


def test_a_distributor_sees_its_own_progress_and_records_and_nobody_elses(make_seller: Callable[..., Seller]) -> None:
    mei = make_seller()
    li = Seller(mei.api, mei.shop, mei.worker, name="li")
    session = mei.post(f"/v1/distributors/{mei.id}/sessions", {}, 201, mei.shop.storefront)["token"]
    statuses: dict[tuple[str, str], list[int]] = {}
    for what in ("progress", "levels"):
        for name, key in (("session", session), ("auditor", mei.shop.auditor), ("storefront", mei.shop.storefront)):
            paths = [f"/v1/distributors/{each.id}/{what}" for each in (mei, li)]
            statuses[what, name] = [mei.api.get(path, key).status for path in paths]
    assert statuses == {
        (what, name): expected
        for what in ("progress", "levels")
        for name, expected in (("session", [200, 404]), ("auditor", [200, 200]), ("storefront", [403, 403]))
    }


def test_nobody_has_progress_who_is_unknown_or_was_never_approved(make_seller: Callable[..., Seller]) -> None:
    mei = make_seller(plan=rocket_snail(entry={"mode": "review"}))
    answer = mei.api.get(f"/v1/distributors/{mei.id}/progress", mei.shop.operator)
    assert (answer.status, answer.code) == (409, "distributor_not_approved")
    assert mei.api.get("/v1/distributors/dst_X/progress", mei.shop.operator).status == 404
    assert mei.api.get("/v1/distributors/dst_X/levels", mei.shop.operator).status == 404
    mei.post(f"/v1/distributors/{mei.id}/approve", {"reason": "known"})
    assert mei.progress["rank"] == 1
