"""The harness notices the mistakes that it is there for: each, in a fixed story, by an invariant."""

from collections.abc import Callable
from random import Random

import pytest

from tests.faults.mirror import Mirror
from tests.faults.mutants import MUTANTS
from tests.faults.test_seeds import tell
from tests.faults.wire import CALM, Fault, Kind, drawn
from tests.faults.world import World
from tests.support_state import Held

CAUGHT = {
    "counter_add": (0, 16),
    "random_ids": (0, 12),
    "timeout_is_failure": (0, 24),
    "new_reference_on_timeout": (4, 25),
    "event_based_deltas": (1, 7),
    "no_repair_on_redelivery": (7, 7),
}
"""In which story each mistake is noticed, and by which invariant."""


def drawn_for(name: str) -> Callable[[Random, bool], Fault]:
    """What goes wrong in it; a counter is hurt by lost answers to what the jobs of a night add, and by nothing else."""
    if name != "counter_add":
        return drawn
    return lambda _, jobs: Fault(Kind.LOSES_ANSWER, 2, "accounts") if jobs else CALM


def test_every_mutant_is_told_of() -> None:
    assert CAUGHT.keys() == MUTANTS.keys()


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_caught(
    world: World, worlds: list[tuple[World, Held]], mirror: Mirror, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    seed, number = CAUGHT[name]
    MUTANTS[name](monkeypatch)
    # moto changes what is added to where it stands, in the tables that are to be put back, too.
    worlds.clear()
    with pytest.raises(AssertionError, match=rf"^invariant {number}: [\s\S]*make soak SEEDS=1 SEED={seed}$"):
        tell(world, mirror, seed, draw=drawn_for(name))
