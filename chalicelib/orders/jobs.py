"""What becomes due for orders: those that nobody has marked completed complete themselves."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Final

from chalicelib.orders import rules, service
from chalicelib.orders.changes import SOURCE, put_aside
from chalicelib.programs import service as programs
from chalicelib.programs.model import Plan, Program
from chalicelib.shared import streams
from chalicelib.shared.streams import Records, Subject
from chalicelib.shared.tables import Key

_PAGE: Final = 100

Place = tuple[str, dict[str, Key]]
"""Where a walk goes on: at a paid day, and a place among the orders paid on it."""


def has_to_complete(program: Program, day: date) -> bool:
    """Whether an order was paid so long ago that it may complete itself by the beginning of a day."""
    return any(service.paid_on(program, paid_day, 1, None)[0] for paid_day in _paid_days(program, day))


def complete_due(program: Program, day: date, place: Place | None) -> Iterator[tuple[list[str], Place | None]]:
    """Complete the orders whose time came in the day before a day: by pages, those completed, and where it goes on.

    Each order is looked at on one day only, and costs a write unit if nobody else has completed it. One that can't be
    read is put aside.
    """
    paid_days = _paid_days(program, day)
    if place is not None:
        paid_days = [one for one in paid_days if one.isoformat() >= place[0]]
    for number, paid_day in enumerate(paid_days):
        places = place[1] if place is not None and place[0] == paid_day.isoformat() else None
        while True:
            found, places = service.paid_on(program, paid_day, _PAGE, places)
            due = [one.order_id for one in found if _comes_due(program, one.paid_at, day)]
            done = _completed(program, due)
            if places is None:
                break
            yield done, (paid_day.isoformat(), places)
        following = paid_days[number + 1 : number + 2]
        yield done, (following[0].isoformat(), {}) if following else None


def _completed(program: Program, order_ids: Sequence[str]) -> list[str]:
    done: list[str] = []

    def complete(order: Subject) -> None:
        if service.complete_by_itself(program, order.key):
            done.append(order.key)

    due: Records = {Subject(program.program_id, order_id): {} for order_id in order_ids}
    streams.finish(SOURCE, due, complete, lambda _: None, put_aside)
    return done


def _paid_days(program: Program, day: date) -> list[date]:
    """The days on which orders were paid that may complete themselves in the day before `day`."""
    first = min((program.local_day(mark.effective_at) for mark in program.plans), default=day)
    return [one for one in rules.days_completing(program, _plans(program), day) if first <= one]


def _comes_due(program: Program, paid_at: datetime, day: date) -> bool:
    version = program.plan_version_at(paid_at)
    if version is None:
        return False
    at = rules.completes_itself_at(programs.plan(program.program_id, version), paid_at)
    return rules.completion_day(program, at) == day


def _plans(program: Program) -> Iterator[Plan]:
    return (programs.plan(program.program_id, mark.version) for mark in program.plans)
