"""When: the day a fact counts on, and the midnight at which a commission's hold is over.

Source: docs/plan.md, "Levels" (what counts when) and "When and out".
"""

from datetime import date, datetime, timedelta

from chalicelib.programs.model import Hold, HoldStart, Plan, Program


def counts_on(program: Program, plan: Plan, paid_at: datetime, received_at: datetime) -> date:
    """The local day a fact counts on: the order's paid day if it came before that day's close, else its own."""
    paid_day = program.local_day(paid_at)
    in_time = received_at < program.close_of(paid_day, plan.close_hours)
    return paid_day if in_time else program.local_day(received_at)


def hold_starts(hold: Hold, paid_at: datetime, completed_at: datetime | None) -> datetime | None:
    """When the hold begins, None while that isn't known."""
    return paid_at if hold.starts is HoldStart.PAID else completed_at


def hold_ends(program: Program, plan: Plan, paid_at: datetime, starts_at: datetime) -> datetime:
    """The first local midnight at or after `starts_at` + the hold's days that is later than the paid day's close."""
    over = starts_at + timedelta(days=plan.hold.days)
    close = program.close_of(program.local_day(paid_at), plan.close_hours)
    day = program.local_day(max(over, close))
    midnight = program.midnight(day)
    while midnight < over or midnight <= close:
        day += timedelta(days=1)
        midnight = program.midnight(day)
    return midnight


def bucket(program: Program, midnight: datetime, decided_at: datetime) -> datetime:
    """When the money moves: at `midnight`, or on the day of the decision if that is later."""
    return max(midnight, program.midnight(program.local_day(decided_at)))
