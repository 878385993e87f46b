"""Recorded runs and reconciliations, in the `ops` table, kept for 400 days.

| pk                          | sk                          | item                                                   |
|-----------------------------|-----------------------------|--------------------------------------------------------|
| `jobs#{program}`            | `{turn}#{job}#{last day}`   | a run, so that they sort as they were begun            |
| `done#{program}`            | job                         | up to when a job is done that keeps nothing else       |
| `reconciliation#{program}`  | its name                    | what a reconciliation has found                        |
"""

from datetime import date, datetime, timedelta
from typing import Final

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.operations.model import Job, Phase, Reconciled, Run
from chalicelib.shared import clock
from chalicelib.shared.errors import Conflict
from chalicelib.shared.tables import JsonAttribute, Revised, Table

KEPT: Final = timedelta(days=400)


class Progressing(Revised):
    """What is worked on in stretches. Whoever works on it replaces it after each; who is overtaken by another stops."""

    room = "ops"

    def replace(self) -> None:
        """See `Revised`. What the SDK has sent again, because an answer was lost, meets itself: that is no conflict."""
        try:
            super().replace()
        except Conflict:
            stored = type(self).query(self.pk, type(self).sk == self.sk, consistent_read=True)
            if [item.serialize() for item in stored] != [self.serialize()]:
                raise


class RunItem(Progressing):
    """A run."""

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
    """Where in the phase it goes on: a day, and a place among the orders paid on it; of a sweep, a place in a table."""
    told_since = UnicodeAttribute(null=True)
    """From when on the sweep looks at what was told; None: nothing is known to be lost."""
    parts = NumberAttribute(default=0)
    """In how many parts the walk goes on at once."""
    counts = JsonAttribute(default=dict)
    started_at = UnicodeAttribute()
    touched_at = UnicodeAttribute()
    finished_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()

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


def new_run(program_id: str, job: Job, first: str, last: str, due_at: str, before: RunItem | None) -> RunItem:
    """A run that begins now, after the one before it: its turn is when it falls due, or a microsecond after that one's.

    Several may fall due at one instant, in another order than that of their names.
    """
    now = clock.now()
    turn = due_at if before is None else max(due_at, _just_after(before.sk.partition("#")[0]))
    return RunItem(
        runs_pk(program_id),
        f"{turn}#{job}#{last}",
        job=job.value,
        first=first,
        last=last,
        due_at=due_at,
        phase=Phase.PREPARE.value,
        started_at=clock.stored(now),
        touched_at=clock.stored(now),
        expires_at=int((now + KEPT).timestamp()),
    )


def _just_after(turn: str) -> str:
    return clock.stored(clock.read(turn) + timedelta(microseconds=1))


def last_run(program_id: str) -> RunItem | None:
    """The run that was begun last, be it done or not; they are done one after the other."""
    newest = RunItem.query(runs_pk(program_id), scan_index_forward=False, limit=1, consistent_read=True)
    return next(iter(newest), None)


class DoneItem(Table):
    """Up to when a job is done: a day, or an instant."""

    room = "ops"

    class Meta:
        """pynamodb's."""

    until = UnicodeAttribute()


def last_done(program_id: str, job: Job) -> date | None:
    """Up to which day a job is done that keeps nothing else; None: it never was."""
    item = DoneItem.find(_done_pk(program_id), job.value, consistent=True)
    return None if item is None else clock.day(item.until)


def note_done(program_id: str, job: Job, last: date) -> None:
    """Note that a job is done up to a day, unless it is done further."""
    _note(program_id, job, last.isoformat())


def last_paid(program_id: str) -> datetime | None:
    """When payouts last fell due that are done; None: none ever did."""
    item = DoneItem.find(_done_pk(program_id), Job.PAYOUTS.value, consistent=True)
    return None if item is None else clock.read(item.until)


def note_paid(program_id: str, at: datetime) -> None:
    """Note that the payouts are done that fell due at an instant, unless later ones are."""
    _note(program_id, Job.PAYOUTS, clock.stored(at))


def _note(program_id: str, job: Job, until: str) -> None:
    item = DoneItem(_done_pk(program_id), job.value, until=until)
    item.put_if(DoneItem.pk.does_not_exist() | (DoneItem.until < until))


def _done_pk(program_id: str) -> str:
    return f"done#{program_id}"


class ReportItem(Progressing):
    """A reconciliation, finished or not."""

    class Meta:
        """pynamodb's."""

    since = UnicodeAttribute(null=True)
    """The first day whose orders it looks at; None: all."""
    stage = UnicodeAttribute()
    place = JsonAttribute(null=True)
    told_since = UnicodeAttribute(null=True)
    """From when on it looks at what was told of older orders; None: nothing is known to be lost."""
    healed = NumberAttribute(default=0)
    found = NumberAttribute(default=0)
    differences = JsonAttribute(default=list)
    totals = JsonAttribute(default=dict)
    counts = JsonAttribute(default=dict)
    started_at = UnicodeAttribute()
    finished_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()

    def reconciled(self) -> Reconciled:
        """The item as the room's noun."""
        return Reconciled(
            clock.read(self.sk.partition("#")[0]),
            clock.day(self.since) if self.since else None,
            clock.read(self.started_at),
            clock.read(self.finished_at) if self.finished_at else None,
            tuple(self.differences),
            int(self.found),
            int(self.healed),
            self.totals,
            self.counts,
        )


def reports_pk(program_id: str) -> str:
    """The partition of a program's reconciliations."""
    return f"reconciliation#{program_id}"


def new_report(program_id: str, name: str, since: str | None, stage: str) -> ReportItem:
    """A reconciliation that begins now. Its name begins with the instant that it is as of."""
    now = clock.now()
    return ReportItem(
        reports_pk(program_id),
        name,
        since=since,
        stage=stage,
        started_at=clock.stored(now),
        expires_at=int((now + KEPT).timestamp()),
    )
