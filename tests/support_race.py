"""Two workers at once: while one is at a write, another does whatever the test says, wholly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support_faults import Wire, on_the_wire


class Overtaking(Wire):
    """Acts once, at one write attempt; what acts may write itself."""

    def __init__(self, at: int, act: Callable[[], object], *, answered: bool, only: str) -> None:
        super().__init__({at}, crash=False, answered=answered, only=only)
        self._act = act
        self.acted = False

    def _fail(self) -> None:
        if self.attempts in self._at and not self.acted:
            self.acted = True
            self._act()


@contextmanager
def meanwhile(at: int, act: Callable[[], object], *, answered: bool = False, only: str = "") -> Iterator[Overtaking]:
    """Have something happen just before (`answered`: just after) the write attempt `at`; `only`: of a room's table."""
    with on_the_wire(Overtaking(at, act, answered=answered, only=only)) as wire:
        yield wire
