"""What the benchmarks come to: one line for each figure that has a limit, in one aligned table."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Self

ROUNDS = 11


@dataclass(frozen=True)
class Row:
    """A figure: what was measured, what against, and the most that it may come to. A limit is on the ratio, if any."""

    what: str
    measured: float
    limit: float
    unit: str = ""
    against: float | None = None
    ratio: float | None = None

    @classmethod
    def of(cls, what: str, sides: "Sides", limit: float, unit: str, per: float) -> Self:
        """CPU of the one against the other, for each of so many things."""
        return cls(what, sides.one / per, limit, unit, sides.other / per, sides.ratio)

    @property
    def kept(self) -> bool:
        """Whether the limit is."""
        return (self.measured if self.ratio is None else self.ratio) <= self.limit

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        against = "" if self.against is None else f"{self.against:,.2f}"
        ratio = "" if self.ratio is None else f"{self.ratio:.3f}"
        judged = "" if self.kept else "TOO MUCH"
        return self.what, f"{self.measured:,.2f}", against, self.unit, ratio, f"{self.limit:g}", judged


HEAD = ("", "measured", "against", "", "ratio", "at most", "")


def printed(rows: Sequence[Row]) -> str:
    """The table."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    places = [f"{{:{'<' if i in (0, 3, 6) else '>'}{width}}}" for i, width in enumerate(widths)]
    return "\n".join("  ".join(places).format(*line).rstrip() for line in lines)


@dataclass(frozen=True)
class Sides:
    """Two ways of doing the same, in seconds of this process's CPU; medians, the ratio's of the rounds' ratios."""

    one: float
    other: float
    ratio: float


def interleaved(one: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS) -> Sides:
    """Both in turn, round after round, so that whatever else the machine does meets both. The first isn't counted."""
    gc.collect()
    gc.freeze()  # what was made for the benchmark isn't walked through again and again
    pairs = [(cpu(one), cpu(other)) for _ in range(rounds + 1)][1:]
    return Sides(*(median(side) for side in zip(*pairs, strict=True)), median(a / b for a, b in pairs))


def cpu(work: Callable[[], object]) -> float:
    """Seconds of this process's CPU; never of the wall."""
    began = process_time()
    work()
    return process_time() - began
