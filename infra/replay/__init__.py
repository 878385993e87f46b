"""The replay of real orders: months of grocery baskets told to a deployed platform, and its answers proven.

`mapping.json` says how baskets become orders, `oracle` works out independently what must come of them.
docs/real-orders.md tells the story.
"""

import time
from typing import Any
from zoneinfo import ZoneInfo

from infra.replay.books import Books
from infra.replay.client import Api, ReplayError
from infra.replay.fall import find_fall
from infra.replay.journey import load_mapping, plan_journey
from infra.replay.oracle import expect
from infra.replay.player import Player
from infra.replay.progress import Teller
from infra.replay.readback import Readback
from infra.replay.report import Outcome, Seconds, report

__all__ = ["Outcome", "ReplayError", "replay", "run"]


def run(url: str, platform_key: str, *, baskets: int = 3000, months: int | None = None) -> None:
    """Replay the first months of about this many baskets a year to the platform at the URL; print what came of it.

    Makes a test program of its own, so it can be run again. Without `months`, as many as the mapping says.
    ReplayError when the platform refuses something or the oracle finds a difference.
    """
    mapping = load_mapping()
    months = months or mapping["clock"]["months"]
    print(f"Replaying {months} months of real baskets, about {baskets:,} a year", flush=True)
    with Teller() as teller:
        outcome = replay(url, platform_key, teller, baskets=baskets, months=months, mapping=mapping)
    print("\n".join(report(outcome)), flush=True)
    if outcome.differences:
        raise ReplayError(outcome.oracle_says)


def replay(
    url: str, platform_key: str, teller: Teller, *, baskets: int, months: int, mapping: dict[str, Any]
) -> Outcome:
    """The replay without the printing; differences are returned, not raised."""
    started = time.monotonic()
    with teller.step("Baskets, from raw to expected", 2) as step:
        journey = plan_journey(baskets, months, mapping)
        step.done()
        expected = expect(baskets, months, mapping)
        step.done()
    platform = Api(url, platform_key)
    player = Player(platform, mapping["program"], teller)
    stage = player.play(journey)
    auditor = platform.holding(stage.keys["auditor"])
    zone = ZoneInfo(mapping["program"]["timezone"])
    readback = Readback(auditor, stage, journey, Books(auditor, stage, zone))
    readback.read_all(teller)
    differences = readback.settle(expected)
    fall = find_fall(auditor, stage, journey, readback)
    seconds = Seconds(time.monotonic() - started, player.clock_seconds)
    currency = mapping["program"]["currency"]
    return Outcome(url, journey, stage, readback, expected, fall, differences, currency, zone, seconds)
