"""Closing a day as the worker does, and what that takes."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.levels import jobs, service
from chalicelib.programs.model import Program
from tests.benchmarks.crowd import closing
from tests.benchmarks.wire import Wire, watched

ALLOWED: Final = 0.10
"""By how much requests per distributor may differ between two sizes."""


@dataclass(frozen=True)
class Close:
    """What closing one day took."""

    distributors: int
    wire: Wire
    cpu_seconds: float
    """Of this process, which is the worker; not of the store."""
    seconds: float
    counts: Mapping[str, int]
    """How many rose and fell."""

    @property
    def requests_each(self) -> float:
        """Requests per distributor."""
        return self.wire.requests.total() / self.distributors

    def figures(self) -> dict[str, float]:
        """All that was counted, per distributor."""
        wire, asked = self.wire, self.wire.requests
        totals = {
            "requests": asked.total(),
            "  queries": asked["Query"],
            "  gets": asked["GetItem"] + asked["BatchGetItem"],
            "  puts": asked["PutItem"],
            "read units": wire.read_units,
            "write units": wire.write_units,
            "items read": wire.items_read,
            "CPU milliseconds": 1_000 * self.cpu_seconds,
            "milliseconds": 1_000 * self.seconds,
            **self.counts,
        }
        return {name: total / self.distributors for name, total in totals.items()}


def close(program: Program, day: date, done: Callable[[int], None] = lambda count: None) -> Close:
    """Decide everybody's ranks of a day: the parts are looked up, each is decided, then the day is closed."""
    assert jobs.next_due(program).day == day
    began, cpu = time.monotonic(), time.process_time()
    with watched() as wire:
        for after in jobs.parts(program.program_id):
            jobs.decide_part(program, closing(program, day), after)
            done(distributors.PART)
        counts = jobs.close(program, closing(program, day))
    return Close(
        counts["distributors"],
        wire,
        time.process_time() - cpu,
        time.monotonic() - began,
        {name: counts[name] for name in ("rises", "falls")},
    )


def grows(small: Close, large: Close) -> bool:
    """Whether a distributor of the one takes more requests than one of the other, by more than is allowed."""
    return abs(large.requests_each / small.requests_each - 1) > ALLOWED


def decide(program: Program, distributor: Distributor, day: date) -> Wire:
    """What deciding one distributor's rank of a day asks of the store, the plan being known."""
    terms = service.ladder(program)
    terms(distributor.track, day)
    before = service.close_before(program, day)
    with watched() as wire:
        jobs.decide(program, distributor, before, closing(program, day), terms)
    return wire
