"""Keep the items of this release for the code of later ones: `python -m pytest tests/faults/releases/record.py`."""

from chalicelib.shared.version import VERSION
from tests.faults.mirror import Mirror
from tests.faults.releases.items import FOLDER, Release
from tests.faults.story import Story
from tests.faults.test_each_write import PATH
from tests.faults.world import Turn, World


def test_the_items_are_kept(world: World, turn: Turn) -> None:
    for place, (_, step) in enumerate(PATH, start=1):
        turn.next = place * 1_000
        step(Story(world, Mirror(), 0))
    (FOLDER / f"{VERSION}.json").write_text(Release.of(world).text())
