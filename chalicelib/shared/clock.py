"""Instants are aware datetimes in UTC; days and months are a program's local ones.

In storage an instant is text of one width, so that it sorts: `2026-11-21T02:01:00.000000Z`.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

AHEAD_MAX: Final = timedelta(minutes=10)
"""How far ahead of the program's clock a told time may be: clocks of other people's servers drift."""

BACK_MAX: Final = timedelta(days=400)
"""How far back a told time may be."""


def now() -> datetime:
    """Real time. Programs have their own clock: see `programs.model.Program.now`."""
    return datetime.now(UTC)


def stored(at: datetime) -> str:
    """An instant as text of one width, in UTC, that sorts as time does."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def read(text: str) -> datetime:
    """The instant behind `stored` text."""
    return datetime.fromisoformat(text)


def shown(at: datetime) -> str:
    """An instant as answers show it: RFC 3339 in UTC, a fraction only if there is one."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


@lru_cache(maxsize=1000)
def zone(name: str) -> ZoneInfo:
    """An IANA time zone by name. Raises `ZoneInfoNotFoundError` (a KeyError) or ValueError for a name that is none."""
    return ZoneInfo(name)


def local_day(at: datetime, timezone: str) -> date:
    """The program-local day an instant falls on."""
    return at.astimezone(zone(timezone)).date()


@lru_cache(maxsize=1000)
def midnight(day: date, timezone: str) -> datetime:
    """The instant a local day begins. Where the clock skips midnight, the first instant of the day."""
    begins = datetime.combine(day, time(), zone(timezone)).astimezone(UTC)
    while local_day(begins, timezone) < day:
        begins += timedelta(minutes=15)
    return begins


def within_reach(at: datetime, program_now: datetime) -> bool:
    """Whether a told time is at most 10 minutes ahead of the program's clock and 400 days back."""
    return program_now - BACK_MAX <= at <= program_now + AHEAD_MAX


def hours(number: int) -> timedelta:
    """So many hours of 60 minutes."""
    return timedelta(hours=number)


def day(text: str) -> date:
    """A day written 2026-03-04."""
    return date.fromisoformat(text)
