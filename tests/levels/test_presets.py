"""The presets' ladders as they ship: what one has to sell for each rank, and what becomes of it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from chalicelib.programs.document import presets
from chalicelib.programs.model import Track
from tests.levels.life import Life, Rungs, life
from tests.levels.seller import Seller, local
from tests.support import Api


def preset(name: str, track: str = "default") -> Track:
    return presets()[name].means().tracks[track]


def on_preset(name: str, sold: Mapping[str, int | tuple[int, int]], track: str = "default") -> Life:
    """A life on a preset's ladder."""
    of = preset(name, track)
    misses, steps = (of.demotion.misses, of.demotion.steps) if of.demotion else (None, 1)
    rungs = Rungs(tuple(level.target for level in of.levels), of.measure, misses, steps, of.promotion)
    assert rungs.track.levels[-1].rank == of.levels[-1].rank
    return life(sold, rungs)


YUAN = 100
"""Fen in one."""


# Rocket and snail, in seven ranks


def test_rocket_snail_7_pays_2_to_15_percent_for_up_to_50_000_yuan_a_month() -> None:
    levels = preset("rocket-snail-7").levels
    assert [level.rate_bp for level in levels] == [200, 400, 600, 800, 1000, 1200, 1500]
    targets = [level.target for level in levels]
    assert targets == [amount * YUAN for amount in (0, 1000, 2500, 5000, 10_000, 20_000, 50_000)]
    for level in levels[1:]:
        assert on_preset("rocket-snail-7", {"03-03": level.target - 1}).on("03-04").rank == level.rank - 1
        assert on_preset("rocket-snail-7", {"03-03": level.target}).on("03-04").rank == level.rank


@pytest.mark.parametrize(
    ("autumn", "path"),
    [
        ((4000, 4000, 4000), [("09-11", 4), ("01-01", 3)]),
        ((4000, 6000, 4000), [("09-11", 4)]),
        ((6000, 4000, 4000), [("09-11", 4)]),
        ((4000, 4000, 5000), [("09-11", 4)]),
        ((4000, 4000, 10_000), [("09-11", 4), ("12-16", 5)]),
        ((0, 0, 0), [("09-11", 4), ("01-01", 3)]),
    ],
)
def test_from_october_to_december_with_and_without_a_good_month(
    autumn: tuple[int, ...], path: list[tuple[str, int]]
) -> None:
    months = {f"{month}-15": amount * YUAN for month, amount in zip((10, 11, 12), autumn, strict=True)}
    one = on_preset("rocket-snail-7", {"09-10": 5000 * YUAN, **months})
    assert one.path("2027-01-31")[1:] == path
    misses = {(4000, 6000, 4000): 1, (6000, 4000, 4000): 2}
    assert one.on("2027-01-31").misses == misses.get(autumn, 0)


def test_from_the_top_an_idle_snail_needs_18_months_to_the_bottom() -> None:
    one = on_preset("rocket-snail-7", {"02-03": 50_000 * YUAN})
    falls = [
        "2026-06-01", "2026-09-01", "2026-12-01", "2027-03-01", "2027-06-01", "2027-09-01",
    ]  # fmt: skip
    assert one.path("2028-12-31")[1:] == [
        ("02-04", 7),
        *zip((each[5:] for each in falls), range(6, 0, -1), strict=True),
    ]


# Bronze, silver, gold, for life


@pytest.mark.parametrize("track", [("bronze-silver-gold", "default"), ("teacher", "agent")])
def test_bronze_silver_and_gold_are_for_100_and_500_orders_and_never_lost(track: tuple[str, str]) -> None:
    name, of = track
    levels = preset(name, of).levels
    assert [(level.name, level.rate_bp) for level in levels] == [("Bronze", 2000), ("Silver", 4000), ("Gold", 6000)]
    one = on_preset(name, {"01-20": (1, 99), "03-03": (1, 1), "03-09": (0, -50), "12-01": (1, 450)}, of)
    assert one.path("12-31") == [("01-10", 1), ("03-04", 2), ("12-02", 3)]
    assert one.on("12-31").misses == 0


def test_what_one_order_is_worth_doesnt_matter_to_bronze_silver_and_gold() -> None:
    assert on_preset("bronze-silver-gold", {"03-03": (99_999_999, 99)}).on("03-04").rank == 1


# The teacher's two tracks


def test_everyone_of_the_teachers_has_one_rank_for_ever() -> None:
    assert on_preset("teacher", {"03-03": (99_999_999, 9999)}, "everyone").path("12-31") == [("01-10", 1)]


def test_two_tracks_of_one_program_climb_by_their_own_measures(make_seller: Callable[..., Seller], api: Api) -> None:
    """The same sales twice: `everyone` rises by its second order ever, agents by 1,000 yuan a month."""
    plan: dict[str, Any] = presets()["teacher"].model_dump(mode="json")
    everyone, agents = plan["tracks"]["everyone"], plan["tracks"]["agent"]
    everyone["levels"].append({"rank": 2, "name": "Regular", "rate_bp": 1500, "target": 2})
    agents["measure"], agents["demotion"] = "monthly_sales", {"misses": 1, "steps": 1}
    for level, target in zip(agents["levels"], (0, 100_000, 500_000), strict=True):
        level["target"] = target
    mei = make_seller(plan=plan, now=local("03-30 10:00"), track="everyone")
    body = {"track": "agent", "expires_at": local("04-30 10:00")}
    invitation = mei.post("/v1/invitations", body, 201)["invitation"]
    li = Seller(api, mei.shop, mei.worker, "agent", "li", invitation=invitation)
    for seller in (mei, li):
        seller.sells(f"{seller.id}-1", 500_000, local("03-30 10:00"))
    mei.wait(local("03-31 12:00"))
    assert [(each.progress["name"], each.progress["volume"]) for each in (mei, li)] == [
        ("Everyone", 1),
        ("Gold", 500_000),
    ]
    for seller in (mei, li):
        seller.sells(f"{seller.id}-2", 100, local("03-31 12:00"))
        seller.sells(f"{seller.id}-3", 100, local("03-31 12:00"))
    mei.wait(local("05-01 12:00"))
    assert mei.changes() == [("2026-04-01", 1, 2, "rocket")]
    assert li.changes() == [("2026-03-31", 1, 3, "rocket"), ("2026-05-01", 3, 2, "snail")]
    assert [(each.progress["measure"], each.progress["volume"]) for each in (mei, li)] == [
        ("lifetime_orders", 3),
        ("monthly_sales", 0),
    ]
    assert mei.level_of(f"{mei.id}-2")[:2] == (1, 1000)
    assert li.level_of(f"{li.id}-2")[:2] == (3, 6000)
