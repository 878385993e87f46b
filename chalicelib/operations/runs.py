"""What a run of each job does, in stretches: `carry_on` goes on where the run's item says, and notes where it stops."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final

from chalicelib.accounts import jobs as accounts
from chalicelib.accounts.jobs import Settling
from chalicelib.commissions import jobs as commissions
from chalicelib.commissions import service as decisions
from chalicelib.commissions.service import DayPlace
from chalicelib.levels import jobs as levels
from chalicelib.levels.jobs import Closing
from chalicelib.operations import reconciliation, tables
from chalicelib.operations.model import Job, Phase
from chalicelib.operations.tables import RunItem
from chalicelib.orders import jobs as completions
from chalicelib.orders import service as orders
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import clock, log, queue
from chalicelib.shared.value import Value
from chalicelib.withdrawals import jobs as withdrawals

STALE: Final = timedelta(minutes=10)
"""How long nobody may have touched a run before the tick has it taken up again."""

_DAY: Final = timedelta(days=1)


class Walk(Value):
    """A job that goes from distributor to distributor, in parts that many workers do at once."""

    about: Callable[[date, date, datetime], Any]
    parts: Callable[[str], Iterator[str]]
    part: Callable[[Program, Any, str], None]
    done: Callable[[str, date], set[str]]
    finish: Callable[[Program, Any], Mapping[str, Any]]


_WALKS: Final[Mapping[str, Walk]] = {
    Job.LEVELS: Walk(Closing, levels.parts, levels.decide_part, levels.parts_done, levels.close),
    Job.SETTLEMENT: Walk(Settling, accounts.parts, accounts.settle_part, accounts.parts_done, accounts.finish),
}


def carry_on(program: Program, run: RunItem, deadline: float) -> bool:
    """Go on with a run for a stretch, and note how far it is. False: it waits for its parts."""
    return _RUNS[run.job](program, run, deadline)


def part(program_id: str, first: str, last: str, cutoff: str, after: str, of: str = Job.LEVELS) -> None:
    """Do one part of a walk."""
    walk = _WALKS[of]
    walk.part(programs.get(program_id), walk.about(clock.day(first), clock.day(last), clock.read(cutoff)), after)


def _close(program: Program, run: RunItem, deadline: float) -> bool:
    if run.phase == Phase.PREPARE and _prepared(program, run, deadline):
        run.phase = Phase.SWEEP.value
    if run.phase == Phase.SWEEP and _swept(program, run, deadline):
        program = programs.stop(program.program_id, clock.read(run.due_at))
        run.phase, run.cutoff = Phase.WALK.value, clock.stored(program.now())
        # Kept before the first rank is decided by it: whoever repeats the walk goes by the same instant.
        _touch(run)
    if run.phase == Phase.WALK:
        if not _walked(program, run):
            return False
        run.phase = Phase.JUDGE.value
    if run.phase == Phase.JUDGE and _judged(program, run, deadline):
        _finish(program, run)
    _touch(run)
    return True


def _settle(program: Program, run: RunItem, deadline: float) -> bool:
    program = _at_its_instant(program, run)
    if not _walked(program, run):
        return False
    _finish(program, run)
    _touch(run)
    return True


def _complete(program: Program, run: RunItem, deadline: float) -> bool:
    """Only the first of a run's days has orders to complete; the others were seen to have none."""
    program, day = _at_its_instant(program, run), clock.day(run.first)
    place, run.place = run.place, None
    for completed, after in completions.complete_due(program, day, place and (place[0], place[1])):
        commissions.judge_again(program, completed)
        run.counts = {"completed": run.counts.get("completed", 0) + len(completed)}
        if after is not None and time.monotonic() > deadline:
            run.place = list(after)
            break
    if run.place is None:
        tables.note_done(program.program_id, Job.COMPLETION, clock.day(run.last))
        _finish(program, run)
    _touch(run)
    return True


def _pay(program: Program, run: RunItem, deadline: float) -> bool:
    program = _at_its_instant(program, run)
    if withdrawals.work_off(program, program.now(), deadline):
        tables.note_paid(program.program_id, clock.read(run.due_at))
        _finish(program, run)
    _touch(run)
    return True


def _reconcile(program: Program, run: RunItem, deadline: float) -> bool:
    program = _at_its_instant(program, run)
    report = reconciliation.due(program, clock.read(run.due_at))
    if reconciliation.go_on(program, report, deadline):
        run.counts = {"found": int(report.found)}
        tables.note_done(program.program_id, Job.RECONCILIATION, clock.day(run.last))
        _finish(program, run)
    _touch(run)
    return True


_RUNS: Final[Mapping[str, Callable[[Program, RunItem, float], bool]]] = {
    Job.COMPLETION: _complete,
    Job.LEVELS: _close,
    Job.SETTLEMENT: _settle,
    Job.PAYOUTS: _pay,
    Job.RECONCILIATION: _reconcile,
}


def _at_its_instant(program: Program, run: RunItem) -> Program:
    """A test program's clock stands where the run fell due, once what was told before is decided."""
    if run.phase != Phase.PREPARE:
        return program
    commissions.catch_up_told(program)
    run.phase = Phase.WALK.value
    return programs.stop(program.program_id, clock.read(run.due_at))


def _finish(program: Program, run: RunItem) -> None:
    run.phase, run.finished_at = Phase.DONE.value, clock.stored(clock.now())
    log.info("run", program_id=program.program_id, job=run.job, last=run.last, **run.counts)


def _touch(run: RunItem) -> None:
    run.touched_at = clock.stored(clock.now())
    run.replace()


def _prepared(program: Program, run: RunItem, deadline: float) -> bool:
    """What was told in time is decided before the ranks are: orders of the day that closes, and of the next one."""
    on_loss = partial(_note_loss, program, run)
    for paid in _pages(program, run, clock.day(run.first) - _DAY, deadline):
        commissions.catch_up(program, paid, on_loss)
    if run.place is None:
        commissions.catch_up_told(program)
    return run.place is None


def _note_loss(program: Program, run: RunItem) -> None:
    """Keep that the stream has lost something, before it is decided: whoever comes after a crash finds it decided."""
    if run.told_since is None:
        run.told_since = reconciliation.told_since(program)
        _touch(run)


def _swept(program: Program, run: RunItem, deadline: float) -> bool:
    """What was told of older orders, and lost, counts for the ranks that are decided now and never again."""
    while run.told_since is not None:
        found, run.place = orders.told_since(program.program_id, clock.read(run.told_since), run.place)
        commissions.sweep(program, sorted(found), lambda: None)
        if run.place is None:
            run.told_since = None
        elif time.monotonic() > deadline:
            return False
    return True


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
    """Everybody was visited: a small program's here and now, a large one's in parts by many workers at once."""
    walk = _WALKS[run.job]
    last = clock.day(run.last)
    about = walk.about(clock.day(run.first), last, clock.read(str(run.cutoff)))
    if not run.parts or clock.read(run.touched_at) + STALE <= clock.now():
        _send_parts(program, run, walk, about)
    if run.parts > 1 and len(walk.done(program.program_id, last)) < run.parts:
        return False
    run.counts = dict(walk.finish(program, about))
    return True


def _send_parts(program: Program, run: RunItem, walk: Walk, about: Any) -> None:
    """Have the parts done that aren't; a single one is done here."""
    parts = list(walk.parts(program.program_id))
    run.parts = len(parts)
    if len(parts) == 1:
        walk.part(program, about, parts[0])
        return
    done = walk.done(program.program_id, clock.day(run.last))
    to_do = {"job": "part", "program_id": program.program_id, "first": run.first, "last": run.last}
    to_do |= {"cutoff": str(run.cutoff), "of": run.job}
    queue.send_all({**to_do, "after": after} for after in parts if after not in done)
    _touch(run)
