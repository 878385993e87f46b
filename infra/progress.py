"""Tell what is going on: one line a step, with what came of it and how long it took."""

import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

NAME_WIDTH = 16
OUTCOME_WIDTH = 66


class Progress:
    """Prints steps as they happen. A quiet one prints nothing, for tests."""

    def __init__(self, quiet: bool = False, out: TextIO | None = None) -> None:
        self._quiet = quiet
        self._out = out or sys.stdout

    def say(self, text: str = "") -> None:
        """A line of its own."""
        self._write(f"{text}\n")

    def table(self, rows: dict[str, str]) -> None:
        """Names and values, aligned."""
        width = max(map(len, rows))
        for name, value in rows.items():
            self.say(f"{name:<{width}}  {value}")

    @contextmanager
    def step(self, name: str) -> Iterator["Outcome"]:
        """Name a step before it begins; when it ends, its outcome and its seconds. In a terminal, how far it is."""
        begins = f"  {name:<{NAME_WIDTH}}"
        outcome = Outcome(lambda text: self._write(f"\r{begins}{text}\r{begins}") if self._out.isatty() else None)
        started = time.monotonic()
        self._write(begins)
        try:
            yield outcome
        except BaseException:
            self.say(_timed("failed", started))
            raise
        self.say(_timed(outcome.text, started))

    def _write(self, text: str) -> None:
        if not self._quiet:
            self._out.write(text)
            self._out.flush()


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows as lines with their columns one below the other; the columns `right` end at one place."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{cell:>{width}}" if i in right else f"{cell:<{width}}" for i, (cell, width) in enumerate(cells))
        for cells in (zip(row, widths, strict=True) for row in rows)
    )
    return [line.rstrip() for line in lines]


class Outcome:
    """What came of a step, or has come of it so far; call it with the words."""

    text = "done"

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show

    def __call__(self, text: str) -> None:
        self.text = text
        self._show(text)


def _timed(text: str, started: float) -> str:
    return f"{text:<{OUTCOME_WIDTH}}{time.monotonic() - started:7.1f} s"
