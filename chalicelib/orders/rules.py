"""What an order says of itself, before anyone asks whose it is."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

from chalicelib.orders.model import Content, Facts
from chalicelib.programs.model import Plan, Program
from chalicelib.referrals.model import Reason

_DAY: Final = timedelta(days=1)

CHANGEABLE_WHEN_PAID = ("metadata", "completed_at", "version")
"""What a newer version of a paid order may say differently; corrections of the rest are refunds."""


def own_reason(program: Program, content: Content, facts: Facts) -> Reason | None:
    """Why the order itself credits nobody, the first reason of plan.md's order; None: it says nothing against it."""
    if content.paid_at is None:
        return Reason.NOT_PAID
    back = taken_back(content, facts)
    if content.paid_minor == 0 and back is None:
        return Reason.ZERO_AMOUNT
    if back is not None:
        return back
    if program.paused_at(content.paid_at):
        return Reason.PROGRAM_PAUSED
    if content.currency != program.currency:
        return Reason.OTHER_CURRENCY
    return None


def taken_back(content: Content, facts: Facts) -> Reason | None:
    """Whether the order was cancelled, or all that was paid came back; None: neither."""
    if facts.cancellation is not None:
        return Reason.CANCELLED
    return Reason.FULLY_REFUNDED if content.paid_minor and _nothing_left(content, facts) else None


def _nothing_left(content: Content, facts: Facts) -> bool:
    back = facts.refunded
    return all(back.get(line.line_id, (0, 0))[0] >= line.paid_minor for line in content.lines)


def completes_itself_at(plan: Plan, paid_at: datetime) -> datetime:
    """When an order completes itself, if nobody has marked it completed by then."""
    return paid_at + timedelta(days=plan.hold.auto_complete_days)


def completion_day(program: Program, at: datetime) -> date:
    """The day at whose beginning the orders are looked at that complete themselves at an instant: at it or before."""
    day = program.local_day(at)
    return day if program.midnight(day) == at else day + _DAY


def days_completing(program: Program, plans: Iterable[Plan], day: date) -> list[date]:
    """The days on which orders were paid that may complete themselves in the 23 to 25 hours before a day's midnight."""
    begins, ends = program.midnight(day - _DAY), program.midnight(day)
    found: set[date] = set()
    for plan in plans:
        after = timedelta(days=plan.hold.auto_complete_days)
        earliest, latest = program.local_day(begins - after), program.local_day(ends - after)
        found |= {earliest + timedelta(days=more) for more in range((latest - earliest).days + 1)}
    return sorted(found)


def can_complete(content: Content, facts: Facts) -> bool:
    """Whether there is anything left to complete, and nobody has."""
    return facts.completed_at is None and taken_back(content, facts) is None


def differs_beyond(told: Content, stored: Content, changeable: tuple[str, ...]) -> bool:
    """Whether two tellings of an order differ in anything but the fields named."""
    fields = (name for name in Content.__struct_fields__ if name not in changeable)
    return any(getattr(told, name) != getattr(stored, name) for name in fields)
