"""The nouns of operations: runs of jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class Job(StrEnum):
    """What becomes due for a program."""

    LEVELS = "levels"
    """The close: everybody's ranks of the days that are due."""


class Phase(StrEnum):
    """How far a run is."""

    PREPARE = "prepare"
    """What was told in time is decided first."""
    WALK = "walk"
    """Distributor by distributor."""
    JUDGE = "judge"
    """Orders that were judged before the ranks were decided are judged again."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job for a program, about the days `first` to `last`.

    `due_at` is by the program's clock; the other instants are real.
    """

    job: Job
    first: date
    last: date
    due_at: datetime
    phase: Phase
    started_at: datetime
    touched_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, Any]
