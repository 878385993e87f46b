"""What is going on: a bar in a terminal, a line per step where there is none."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Step:
    """Something that goes on, a thing at a time; may be told from several threads."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def done(self, count: int = 1) -> None:
        """So many more are done."""
        self._bars.advance(self._task, count)


class Teller:
    """Tells of steps; use it as a context."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<30}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=Console(), disable=not sys.stdout.isatty())

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    @contextmanager
    def step(self, name: str, total: int) -> Iterator[Step]:
        """A step of so many things."""
        started = time.monotonic()
        yield Step(self._bars, self._bars.add_task(name, total=total))
        if self._bars.disable:
            print(f"  {name:<30} {total:>6,}  in {time.monotonic() - started:5.1f} s", flush=True)
