"""Stories by seed: `make test` tells thirty, `make soak SEEDS=n` as many as you like."""

from collections.abc import Callable
from random import Random

from tests.faults import ends
from tests.faults.mirror import Broken, Mirror
from tests.faults.story import Story
from tests.faults.wire import CALM, Fault, drawn, faulty
from tests.faults.world import World

STEPS = 40


def tell(world: World, mirror: Mirror, seed: int, draw: Callable[[Random, bool], Fault] = drawn) -> None:
    """A whole story. Raises Broken with what was told and how to tell it again."""
    story = Story(world, mirror, seed)
    try:
        story.tell(STEPS, draw)
        story.come_to_rest()
        with faulty(mirror, CALM):
            ends.settle_down(world)
        ends.check(world, mirror)
        ends.nothing_new(world, mirror, story)
    except (AssertionError, Broken) as broken:
        told = "\n".join(f"  {line}" for line in story.log)
        again = f"make soak SEEDS=1 SEED={seed}"
        raise AssertionError(f"{broken}\nseed {seed}, told:\n{told}\nto tell it again: {again}") from broken


def test_a_story_with_faults_ends_right(world: World, mirror: Mirror, seed: int) -> None:
    tell(world, mirror, seed)
