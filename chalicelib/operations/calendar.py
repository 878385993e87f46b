"""What is due next for a program, and how much of it can be done at once.

All of a program's jobs are one chain, in the order in which they fall due, so that a test program whose clock makes a
jump of months ends where one ends whose clock has gone day by day. Days on which nothing happens are done together.
"""

from datetime import date, datetime, timedelta
from typing import Final

from chalicelib.accounts import jobs as accounts
from chalicelib.levels import jobs as levels
from chalicelib.operations import reconciliation, tables
from chalicelib.operations.model import Due, Job
from chalicelib.orders import jobs as completions
from chalicelib.orders import service as orders
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import clock, quarantine
from chalicelib.withdrawals import jobs as withdrawals

DAYS_AT_ONCE: Final = 40
"""How many days on which nothing happens one run may be about."""

_RECONCILED_AFTER: Final = timedelta(hours=5)
"""How long after a day's midnight it is reconciled: its settlement is done then."""
_BETWEEN_PAYOUTS: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)


def horizon(program: Program) -> datetime:
    """Up to when what becomes due is to be run: where a test program's clock is moving to, else now."""
    return program.moving_to or program.now()


def dues(program: Program) -> list[Due]:
    """What is next of each job, be it due yet or not, in the order in which it is to be done."""
    known = [_completion(program), _levels(program), _settlement(program), _payouts(program), _reconciliation(program)]
    places = list(Job)
    return sorted((due for due in known if due is not None), key=lambda due: (due.at, places.index(due.job)))


def due_at(program: Program, job: Job, day: date) -> datetime:
    """The instant from which a job can be done for a day."""
    if job is Job.LEVELS:
        return levels.due_at(program, day)
    if job is Job.SETTLEMENT:
        return accounts.due_at(program, day)
    after = _RECONCILED_AFTER if job is Job.RECONCILIATION else timedelta()
    return program.midnight(day) + after


def is_blocked(program: Program) -> bool:
    """Whether nothing is settled: a record can't be processed, or the last reconciliation found a difference."""
    return quarantine.is_any(program.program_id) or reconciliation.is_red(program.program_id)


def last_of_run(program: Program, due: Due) -> date:
    """The last day of the run that begins with what is due: days on which nothing happens go with it.

    A day with orders has a run of its own, so that they are judged again when it is closed and no later; and so has a
    day on which orders complete themselves or a payout is due, so that each happens at its own instant.
    """
    last = due.day
    if due.job in (Job.PAYOUTS, Job.RECONCILIATION):
        return last
    if due.job is Job.SETTLEMENT:
        return program.local_day(due.at)
    until = horizon(program)
    payout_at = withdrawals.next_due(program)
    if not _is_quiet(program, last, payout_at):
        return last
    for _ in range(DAYS_AT_ONCE - 1):
        following = last + _DAY
        if due_at(program, due.job, following) > until or not _is_quiet(program, following, payout_at):
            return last
        last = following
    return last


def _is_quiet(program: Program, day: date, payout_at: datetime | None) -> bool:
    if payout_at is not None and payout_at < program.midnight(day + _DAY):
        return False
    paid, _ = orders.paid_on(program, day, 1, None)
    return not paid and not completions.has_to_complete(program, day)


def _completion(program: Program) -> Due:
    return _next_day(program, Job.COMPLETION)


def _levels(program: Program) -> Due:
    due = levels.next_due(program)
    return Due(Job.LEVELS, due.day, due.at)


def _settlement(program: Program) -> Due | None:
    """Once, about all days that are due: nobody asks what is available while a clock moves on."""
    due = accounts.next_due(program)
    if due.at > horizon(program):
        return Due(Job.SETTLEMENT, due.day, due.at)
    if is_blocked(program):
        return None
    return Due(Job.SETTLEMENT, due.day, due_at(program, Job.SETTLEMENT, _latest_due(program, Job.SETTLEMENT)))


def _latest_due(program: Program, job: Job) -> date:
    """The last day for which a job can be done by now."""
    today = program.local_day(horizon(program))
    return today if due_at(program, job, today) <= horizon(program) else today - _DAY


def _payouts(program: Program) -> Due | None:
    """No sooner than a minute after the last: what stays due for whatever reason keeps nothing else from its turn."""
    at = withdrawals.next_due(program)
    if at is None:
        return None
    paid_at = tables.last_paid(program.program_id)
    at = at if paid_at is None else max(at, paid_at + _BETWEEN_PAYOUTS)
    return Due(Job.PAYOUTS, program.local_day(at), at)


def _reconciliation(program: Program) -> Due:
    """Once, about all days that are due: what counts is that all is well now."""
    due = _next_day(program, Job.RECONCILIATION)
    if due.day >= program.local_day(horizon(program)):
        return due
    day = max(due.day, _latest_due(program, Job.RECONCILIATION))
    return Due(Job.RECONCILIATION, day, due_at(program, Job.RECONCILIATION, day))


def _next_day(program: Program, job: Job) -> Due:
    day = (tables.last_done(program.program_id, job) or program.created_day) + _DAY
    return Due(job, day, due_at(program, job, day))


def cutoff_of(program: Program, at: datetime) -> str:
    """Before when something must have been decided to be in the settlement due at an instant.

    What a live program has decided just then may not be stored yet.
    """
    return clock.stored(at - levels.LIVE_MARGIN if program.mode is Mode.LIVE else at)
