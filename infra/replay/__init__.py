"""The replay of real orders: months of grocery baskets told to a deployed platform, and its answers proven.

`mapping.json` says how baskets become orders, `oracle` works out independently what must come of them.
docs/real-orders.md tells the story.
"""

import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from infra.replay.books import Books
from infra.replay.client import Api, ReplayError
from infra.replay.fall import find_fall
from infra.replay.journey import Journey, load_mapping, plan_journey
from infra.replay.oracle import Expected, expect
from infra.replay.player import Player
from infra.replay.progress import Teller
from infra.replay.readback import Readback
from infra.replay.report import Outcome, Seconds, report

__all__ = ["Outcome", "ReplayError", "Script", "prepare", "replay", "run"]


@dataclass(frozen=True)
class Script:
    """What is told, what must come of it, and the mapping that says both."""

    mapping: dict[str, Any]
    journey: Journey
    expected: Expected


def prepare(baskets: int = 3000, months: int | None = None, mapping: dict[str, Any] | None = None) -> Script:
    """About this many baskets a year, over so many months; without `months`, until the day that the mapping says."""
    mapping = mapping or load_mapping()
    return Script(mapping, plan_journey(baskets, months, mapping), expect(baskets, months, mapping))


def run(url: str, platform_key: str, script: Script) -> None:
    """Replay real baskets to the platform at the URL; print what came of it.

    Makes a test program of its own, so it can be run again. ReplayError when the platform refuses something or the
    oracle finds a difference.
    """
    until = date.fromisoformat(script.journey.horizon) - timedelta(days=1)
    print(f"Replaying the real baskets of {script.journey.starts[:10]} to {until}", flush=True)
    with Teller() as teller:
        outcome = replay(url, platform_key, teller, script)
    print("\n".join(report(outcome)), flush=True)
    if outcome.differences:
        raise ReplayError(outcome.oracle_says)


def replay(url: str, platform_key: str, teller: Teller, script: Script) -> Outcome:
    """The replay without the printing; differences are returned, not raised."""
    started = time.monotonic()
    journey, program = script.journey, script.mapping["program"]
    platform = Api(url, platform_key)
    player = Player(platform, program, teller)
    stage = player.play(journey)
    auditor = platform.holding(stage.keys["auditor"])
    zone = ZoneInfo(program["timezone"])
    readback = Readback(auditor, stage, journey, Books(auditor, stage, zone))
    readback.read_all(teller)
    differences = readback.settle(script.expected)
    fall = find_fall(auditor, stage, journey, readback)
    seconds = Seconds(time.monotonic() - started, player.clock_seconds)
    told = (script.expected, fall, differences, program["currency"], zone, seconds)
    return Outcome(url, journey, stage, readback, *told)
