"""Recorded runs, in the `ops` table, kept for 400 days.

pk=`jobs#{program}`, sk=`{due at}#{job}#{last day}`, so that they sort as they fell due.
"""

from datetime import timedelta
from typing import Final

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.operations.model import Job, Phase, Run
from chalicelib.shared import clock
from chalicelib.shared.errors import Conflict
from chalicelib.shared.tables import JsonAttribute, Revised

KEPT: Final = timedelta(days=400)


class RunItem(Revised):
    """A run. Whoever works on it replaces it after each stretch; who is overtaken by another worker stops."""

    room = "ops"

    class Meta:
        """pynamodb's."""

    job = UnicodeAttribute()
    first = UnicodeAttribute()
    last = UnicodeAttribute()
    due_at = UnicodeAttribute()
    phase = UnicodeAttribute()
    cutoff = UnicodeAttribute(null=True)
    """By the program's clock: when everything told in time was decided, and the walk began."""
    place = JsonAttribute(null=True)
    """Where in the phase it goes on: a day, and a place among the orders paid on it."""
    parts = NumberAttribute(default=0)
    """In how many parts the walk goes on at once."""
    counts = JsonAttribute(default=dict)
    started_at = UnicodeAttribute()
    touched_at = UnicodeAttribute()
    finished_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()

    def replace(self) -> None:
        """See `Revised`. What the SDK has sent again, because an answer was lost, meets itself: that is no conflict."""
        try:
            super().replace()
        except Conflict:
            stored = type(self).query(self.pk, type(self).sk == self.sk, consistent_read=True)
            if [item.serialize() for item in stored] != [self.serialize()]:
                raise

    def run(self) -> Run:
        """The item as the room's noun."""
        return Run(
            Job(self.job),
            clock.day(self.first),
            clock.day(self.last),
            clock.read(self.due_at),
            Phase(self.phase),
            clock.read(self.started_at),
            clock.read(self.touched_at),
            clock.read(self.finished_at) if self.finished_at else None,
            self.counts,
        )


def runs_pk(program_id: str) -> str:
    """The partition of a program's runs."""
    return f"jobs#{program_id}"


def new_run(program_id: str, job: Job, first: str, last: str, due_at: str) -> RunItem:
    """A run that begins now."""
    now = clock.now()
    return RunItem(
        runs_pk(program_id),
        f"{due_at}#{job}#{last}",
        job=job.value,
        first=first,
        last=last,
        due_at=due_at,
        phase=Phase.PREPARE.value,
        started_at=clock.stored(now),
        touched_at=clock.stored(now),
        expires_at=int((now + KEPT).timestamp()),
    )


def last_run(program_id: str) -> RunItem | None:
    """The run that became due last, be it done or not; they are done one after the other."""
    newest = RunItem.query(runs_pk(program_id), scan_index_forward=False, limit=1, consistent_read=True)
    return next(iter(newest), None)
