"""What is done later, by nobody's request: a program's runs, one after the other, in the order in which they fall due.

The tick sends `advance` for each program of which something is due. `advance` goes on with the run that isn't done, or
begins the next, for at most `STRETCH_SECONDS`, then sends itself. Every step can be done twice, or by two at once: what
it writes is named by its cause. A message that is lost is made up for by a later tick.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from chalicelib.commissions import jobs as commissions
from chalicelib.commissions import service as decisions
from chalicelib.commissions.service import DayPlace
from chalicelib.levels import jobs as levels
from chalicelib.levels.jobs import Closing
from chalicelib.operations import tables
from chalicelib.operations.model import Job, Phase
from chalicelib.operations.tables import RunItem
from chalicelib.orders import service as orders
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import clock, log, queue
from chalicelib.shared.errors import Code, Conflict
from chalicelib.shared.tables import Key

STRETCH_SECONDS: Final = 60
"""How long one message works before the next one goes on: half of the time that the worker has."""

LATE: Final = timedelta(hours=1)
"""How long after it became due a live program's job counts as late."""

STALE: Final = timedelta(minutes=10)
"""How long nobody may have touched a run before the tick has it taken up again."""

_DAYS_AT_ONCE: Final = 40
"""How many days without orders one run closes."""
_POLL_SECONDS: Final = 5
"""How often is asked whether all parts of a walk are done."""
_PROGRAMS: Final = 100
_DAY: Final = timedelta(days=1)


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
    due = levels.next_due(program)
    if program.mode is Mode.LIVE and due.at + LATE <= program.now():
        log.count("JobsLate", program_id=program.program_id, due_at=clock.shown(due.at))
    run = tables.last_run(program.program_id)
    if run is not None and run.finished_at is None:
        return clock.read(run.touched_at) + STALE <= clock.now()
    return program.moving_to is not None or due.at <= _horizon(program)


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
            if not _carry_on(program, run, deadline):
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


def _part(program_id: str, first: str, last: str, cutoff: str, after: str) -> None:
    closing = Closing(clock.day(first), clock.day(last), clock.read(cutoff))
    levels.decide_part(programs.get(program_id), closing, after)


_JOBS: Final[Mapping[str, Callable[..., None]]] = {"tick": tick, "advance": _advance, "part": _part}


def _horizon(program: Program) -> datetime:
    """Up to when what becomes due is to be run: where a test program's clock is moving to, else now."""
    return program.moving_to or program.now()


def _run_of(program: Program) -> RunItem | None:
    """The run that isn't done, else a new one if something is due."""
    run = tables.last_run(program.program_id)
    if run is not None and run.finished_at is None:
        return run
    due = levels.next_due(program)
    if due.at > _horizon(program):
        return None
    last = _last_of_run(program, due.day)
    due_at = clock.stored(levels.due_at(program, last))
    # A plan that closes sooner can make a day due before the one that comes before it: it waits its turn.
    turn = due_at if run is None else max(due_at, run.due_at)
    begun = tables.new_run(program.program_id, Job.LEVELS, due.day.isoformat(), last.isoformat(), turn)
    begun.replace()
    return begun


def _last_of_run(program: Program, day: date) -> date:
    """The last day of the run that begins with a day: days without an order are closed together.

    A day with orders has a run of its own, so that they are judged again when it is closed and no later.
    """
    last = day
    for _ in range(_DAYS_AT_ONCE - 1):
        following = last + _DAY
        if levels.due_at(program, following) > _horizon(program):
            return last
        if (last == day and _has_orders(program, day)) or _has_orders(program, following):
            return last
        last = following
    return last


def _has_orders(program: Program, day: date) -> bool:
    found, _ = orders.paid_on(program, day, 1, None)
    return bool(found)


def _arrive(program: Program) -> None:
    """Nothing is due any more: a moving clock has reached its end."""
    if program.moving_to is not None:
        commissions.catch_up_told(program)
        programs.stand(program.program_id, program.moving_to)


def _carry_on(program: Program, run: RunItem, deadline: float) -> bool:
    """Go on with a run for a stretch, and note how far it is. False: it waits for its parts."""
    if run.phase == Phase.PREPARE and _prepared(program, run, deadline):
        program = programs.stand(program.program_id, clock.read(run.due_at))
        run.phase, run.cutoff = Phase.WALK.value, clock.stored(program.now())
        # Kept before the first rank is decided by it: whoever repeats the walk goes by the same instant.
        _touch(run)
    if run.phase == Phase.WALK:
        if not _walked(program, run):
            return False
        run.phase = Phase.JUDGE.value
    if run.phase == Phase.JUDGE and _judged(program, run, deadline):
        run.phase, run.finished_at = Phase.DONE.value, clock.stored(clock.now())
        log.info("run", program_id=program.program_id, job=run.job, last=run.last, **run.counts)
    _touch(run)
    return True


def _touch(run: RunItem) -> None:
    run.touched_at = clock.stored(clock.now())
    run.replace()


def _prepared(program: Program, run: RunItem, deadline: float) -> bool:
    """What was told in time is decided before the ranks are: orders of the day that closes, and of the next one."""
    for paid in _pages(program, run, clock.day(run.first) - _DAY, deadline):
        commissions.catch_up(program, paid)
    if run.place is None:
        commissions.catch_up_told(program)
    return run.place is None


def _judged(program: Program, run: RunItem, deadline: float) -> bool:
    for paid in _pages(program, run, clock.day(run.first), deadline):
        commissions.judge_again(program, paid)
    return run.place is None


def _pages(program: Program, run: RunItem, first: date, deadline: float) -> Iterator[list[str]]:
    """Orders paid from `first` to the run's last day, from where the run stopped; it notes where it stops again."""
    place = DayPlace(clock.day(run.place[0]), run.place[1], 0) if run.place else None
    run.place = None
    for paid, after in decisions.pages_paid(program, first, clock.day(run.last), place):
        yield paid
        if time.monotonic() > deadline:
            run.place = [after.day.isoformat(), after.places]
            return


def _walked(program: Program, run: RunItem) -> bool:
    """Everybody's ranks are decided: a small program's here and now, a large one's in parts by many workers at once."""
    closing = Closing(clock.day(run.first), clock.day(run.last), clock.read(str(run.cutoff)))
    if not run.parts or clock.read(run.touched_at) + STALE <= clock.now():
        _send_parts(program, run, closing)
    if run.parts > 1 and len(levels.parts_done(program.program_id, closing.last)) < run.parts:
        return False
    run.counts = dict(levels.close(program, closing))
    return True


def _send_parts(program: Program, run: RunItem, closing: Closing) -> None:
    """Have the parts done that aren't; a single one is done here."""
    parts = list(levels.parts(program.program_id))
    run.parts = len(parts)
    if len(parts) == 1:
        levels.decide_part(program, closing, parts[0])
        return
    done = levels.parts_done(program.program_id, closing.last)
    about = {"job": "part", "program_id": program.program_id, "first": run.first, "last": run.last}
    queue.send_all({**about, "cutoff": run.cutoff, "after": after} for after in parts if after not in done)
    _touch(run)
