"""The independent oracle: what the platform should have decided, worked out again from the raw baskets.

It reads `mapping.json` and the parquet files itself and shares no code with the platform or with the rest of the
replay, so that one mistake can't be made twice. Where the platform counts in integers it counts in fractions, where the
platform asks the time zone database it knows the two nights of 2017, and where the platform keeps what it knew at each
close, it adds a month up again for every day.

Read it in this order: `world` (who there is, and when it is), `receipts` (what was bought and taken back, and when that
was told), `judging` (whose order it is, and how much), `levels` (who rises, who falls), `purses` (where the money is).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from infra.replay.oracle.judging import Credit, Judge, Verdict
from infra.replay.oracle.levels import Change, Life, life_of, volumes_of
from infra.replay.oracle.purses import Purse, Withdrawal, movements_of, take_back_late, wallets_of
from infra.replay.oracle.receipts import read_clicks, read_receipts
from infra.replay.oracle.world import World

__all__ = ["Change", "Difference", "Expected", "Purse", "Verdict", "Withdrawal", "compare", "expect"]

Told = TypeVar("Told")


@dataclass(frozen=True)
class Expected:
    """What must come of a replay."""

    verdicts: dict[str, Verdict]
    """By order id."""
    ranks: dict[str, int]
    """The seller's rank on the day each credited order was paid, by order id."""
    changes: dict[str, Change]
    """Every change of a level, by "<user id> <day>"."""
    purses: dict[str, Purse]
    """Everybody's money when the clock stops, by user id."""
    withdrawals: dict[str, Withdrawal]
    """By "<user id> asks <day>"."""


@dataclass(frozen=True)
class Difference:
    """Something on which the platform and the oracle disagree: an order, a distributor's day, money or withdrawal."""

    about: str
    expected: object
    found: object


def expect(baskets: int, months: int | None = None, mapping: dict[str, Any] | None = None) -> Expected:
    """What must come of a replay of so many baskets a year, over so many months of it or as the mapping says."""
    text = Path(__file__).parents[1].joinpath("mapping.json").read_text(encoding="utf-8")
    world = World(mapping or json.loads(text), baskets, months)
    receipts = read_receipts(world)
    judge = Judge(world, read_clicks(world, receipts))
    credits = [judge.credit(receipt) for receipt in receipts]
    ranks = _ranks(world, credits, _lives(world, judge, credits))
    take_back_late(world, judge, credits, ranks)
    lives = _lives(world, judge, credits)
    moved = (move for each in credits for move in movements_of(world, judge, each, ranks.get(each.receipt.name)))
    wallets = wallets_of(world, moved)
    courses = [course.withdrawal for wallet in wallets.values() for course in wallet.courses]
    return Expected(
        verdicts={each.receipt.name: judge.verdict(each, ranks.get(each.receipt.name)) for each in credits},
        ranks=ranks,
        changes={f"{each.seller} {each.day}": each for life in lives.values() for each in life.changes},
        purses={seller: wallet.at(world.ends) for seller, wallet in wallets.items()},
        withdrawals={f"{each.seller} asks {each.asked}": each for each in courses},
    )


def _lives(world: World, judge: Judge, credits: list[Credit]) -> dict[str, Life]:
    volumes = volumes_of(world, judge, credits)
    return {seller: life_of(world, seller, volumes[seller]) for seller in world.willing()}


def _ranks(world: World, credits: list[Credit], lives: dict[str, Life]) -> dict[str, int]:
    return {
        each.receipt.name: lives[each.seller].rank_on(world.day(each.receipt.at)) for each in credits if each.seller
    }


def compare(expected: Mapping[str, Told], found: Mapping[str, Told]) -> list[Difference]:
    """Everything on which the two don't agree; [] = all the same."""
    names = sorted(expected.keys() | found.keys())
    pairs = ((name, expected.get(name), found.get(name)) for name in names)
    return [Difference(name, ours, theirs) for name, ours, theirs in pairs if ours != theirs]
