"""The nouns of operations: jobs, when they are due, and runs of them."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from chalicelib.shared.value import Value


class Job(StrEnum):
    """What becomes due for a program. Of what is due at the same instant, the first here comes first."""

    COMPLETION = "completion"
    """Orders that nobody has marked completed complete themselves."""
    LEVELS = "levels"
    """The close: everybody's ranks of the days that are due."""
    SETTLEMENT = "settlement"
    """What has matured by a day is booked into everybody's balance."""
    PAYOUTS = "payouts"
    """Approved withdrawals are released; those under way are asked after."""
    RECONCILIATION = "reconciliation"
    """Orders, decisions, entries, balances and withdrawals are held against each other."""


class Phase(StrEnum):
    """How far a run is."""

    PREPARE = "prepare"
    """What was told in time is decided first."""
    SWEEP = "sweep"
    """The stream has lost something of it: whatever else was told lately is looked at."""
    WALK = "walk"
    """Distributor by distributor, order by order, withdrawal by withdrawal."""
    JUDGE = "judge"
    """Orders that were judged before the ranks were decided are judged again."""
    DONE = "done"


class Due(Value):
    """That a job, about a day and perhaps the days after it, can be done from `at` on."""

    job: Job
    day: date
    at: datetime


class Run(Value):
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


class Reconciled(Value):
    """What holding everything against everything has found: at most 100 differences, and how many there are.

    `totals_minor`: where all money that was ever accrued is, by account; they come to zero.
    """

    as_of: datetime
    since: date | None
    started_at: datetime
    """Real time, as is `finished_at`; None: a worker is still at it."""
    finished_at: datetime | None
    differences: tuple[Mapping[str, Any], ...]
    found: int
    healed: int
    """How many orders the stream had lost that are right now."""
    totals_minor: Mapping[str, int]
    counts: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Whether it has found no difference."""
        return not self.found
