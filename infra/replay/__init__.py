"""The replay of real orders: a year of grocery baskets told to a deployed platform, and its answers proven.

`mapping.json` says how baskets become orders, `oracle` works out independently what must come of them.
docs/real-orders.md tells the story.
"""

import time

from infra.replay.client import Api, ReplayError
from infra.replay.journey import load_mapping, plan_journey
from infra.replay.oracle import expect
from infra.replay.player import Player
from infra.replay.progress import Teller
from infra.replay.readback import Readback
from infra.replay.report import Outcome, report

__all__ = ["Outcome", "ReplayError", "replay", "run"]


def run(url: str, platform_key: str, *, baskets: int = 3000) -> None:
    """Replay about this many baskets to the platform at the URL and print what came of it.

    Makes a test program of its own, so it can be run again. ReplayError when the platform refuses something or the
    oracle finds a difference.
    """
    print(f"Replaying about {baskets:,} real baskets of 2017", flush=True)
    with Teller() as teller:
        outcome = replay(url, platform_key, teller, baskets=baskets)
    print("\n".join(report(outcome)), flush=True)
    if outcome.differences:
        raise ReplayError(outcome.oracle_says)


def replay(url: str, platform_key: str, teller: Teller, *, baskets: int) -> Outcome:
    """The replay without the printing; differences are returned, not raised."""
    started = time.monotonic()
    program = load_mapping()["program"]
    with teller.step("Baskets, from raw to expected", 2) as step:
        journey = plan_journey(baskets)
        step.done()
        expected = expect(baskets)
        step.done()
    platform = Api(url, platform_key)
    stage = Player(platform, program, teller).play(journey)
    readback = Readback(platform.holding(stage.keys["auditor"]), stage, journey)
    readback.read_all(teller)
    differences = readback.settle(expected)
    seconds = time.monotonic() - started
    return Outcome(url, journey, stage, readback, expected, differences, program["currency"], seconds)
