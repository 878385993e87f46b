"""What is done later, by nobody's request: a program's runs, one after the other, in the order in which they fall due.

The tick sends `advance` for each program of which something is due. `advance` goes on with the run that isn't done, or
begins the next, for at most `STRETCH_SECONDS`, then sends itself. Every step can be done twice, or by two at once: what
it writes is named by its cause. A message that is lost is made up for by a later tick.
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from chalicelib.access.model import Caller, Scope
from chalicelib.commissions import jobs as commissions
from chalicelib.operations import calendar, reconciliation, redriving, runs, tables
from chalicelib.operations.model import Due, Job
from chalicelib.operations.tables import RunItem
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import clock, log, queue
from chalicelib.shared.errors import Code, Conflict
from chalicelib.shared.tables import Key
from chalicelib.withdrawals import jobs as withdrawals

STRETCH_SECONDS: Final = 60
"""How long one message works before the next one goes on: half of the time that the worker has."""

LATE: Final = timedelta(hours=1)
"""How long after it became due a live program's job counts as late."""

_POLL_SECONDS: Final = 5
"""How often is asked whether all parts of a walk are done."""
_PROGRAMS: Final = 100


def tick(place: Key | None = None) -> None:
    """Have each program advance of which something is due, and tell of jobs that are late."""
    deadline = time.monotonic() + STRETCH_SECONDS
    while True:
        found, place = programs.list_programs(_PROGRAMS, place)
        due = [program for program in found if _needs_work(program)]
        queue.send_all(_to_advance(program.program_id) for program in due)
        log.info("tick", programs=len(found), due=len(due))
        if place is None:
            return
        if time.monotonic() > deadline:
            queue.send({"job": "tick", "place": place})
            return


def _needs_work(program: Program) -> bool:
    dues = calendar.dues(program)
    if program.mode is Mode.LIVE:
        _tell_of_late(program, dues)
    run = tables.last_run(program.program_id)
    if run is not None and run.finished_at is None:
        return clock.read(run.touched_at) + runs.STALE <= clock.now()
    return program.moving_to is not None or dues[0].at <= calendar.horizon(program)


def _tell_of_late(program: Program, dues: list[Due]) -> None:
    for due in dues:
        if due.at + LATE <= program.now():
            log.count("JobsLate", program_id=program.program_id, due_at=clock.shown(due.at), late=due.job)
    if not any(due.job is Job.SETTLEMENT for due in dues):
        log.count("SettlementBlocked", program_id=program.program_id)
    withdrawals.late(program)


def set_going(program_id: str, delay_seconds: int = 0) -> None:
    """Have a program advance as soon as a worker is free, or no sooner than in so many seconds."""
    queue.send(_to_advance(program_id), delay_seconds)


def _to_advance(program_id: str) -> dict[str, object]:
    return {"job": "advance", "program_id": program_id}


def work(message: Mapping[str, Any]) -> None:
    """Do the job that a message asks for. Raises KeyError for one that isn't known, and whatever the job raises."""
    about = {name: value for name, value in message.items() if name != "job"}
    log.info("work", **message)
    _JOBS[message["job"]](**about)


def _advance(program_id: str) -> None:
    deadline = time.monotonic() + STRETCH_SECONDS
    try:
        while True:  # at least once, so that each message comes a little further
            program = programs.get(program_id)
            run = _run_of(program)
            if run is None:
                _arrive(program)
                return
            if not runs.carry_on(program, run, deadline):
                set_going(program_id, _POLL_SECONDS)
                return
            if time.monotonic() > deadline:
                break
    except Conflict as overtaken:
        if overtaken.code is not Code.CHANGED_MEANWHILE:
            raise
        # Two were at it; the other one goes on. If it can't, the tick finds the run untouched.
        log.info("overtaken", program_id=program_id)
        return
    set_going(program_id)


def _reconcile(program_id: str, name: str) -> None:
    program = programs.get(program_id)
    report = reconciliation.find(program_id, name)
    if report is not None and not reconciliation.go_on(program, report, time.monotonic() + STRETCH_SECONDS):
        reconciliation.set_going(program_id, name)


def _redrive(program_id: str, quarantine_id: str, actor: str) -> None:
    redriving.redrive(Caller(actor, Scope.OPERATOR, program_id), program_id, quarantine_id)


def _look(program_id: str, reference: str) -> None:
    withdrawals.look(programs.get(program_id), reference)


_JOBS: Final[Mapping[str, Callable[..., None]]] = {
    "tick": tick,
    "advance": _advance,
    "part": runs.part,
    "reconcile": _reconcile,
    "look": _look,
    "redrive": _redrive,
}


def _run_of(program: Program) -> RunItem | None:
    """The run that isn't done, else a new one if something is due."""
    run = tables.last_run(program.program_id)
    if run is not None and run.finished_at is None:
        return run
    due = calendar.dues(program)[0]
    if due.at > calendar.horizon(program):
        return None
    last = calendar.last_of_run(program, due)
    # What falls due at instants, not on days, is about the day of its instant.
    at = due.at if last == due.day else calendar.due_at(program, due.job, last)
    # A plan that closes sooner can make a day due before the one that comes before it: it waits its turn.
    turn = clock.stored(at) if run is None else max(clock.stored(at), run.due_at)
    begun = tables.new_run(program.program_id, due.job, due.day.isoformat(), last.isoformat(), turn, run)
    if due.job is Job.SETTLEMENT:
        begun.cutoff = calendar.cutoff_of(program, at)
    begun.replace()
    return begun


def _arrive(program: Program) -> None:
    """Nothing is due any more: a moving clock has reached its end."""
    if program.moving_to is not None:
        commissions.catch_up_told(program)
        programs.stand(program.program_id, program.moving_to)
