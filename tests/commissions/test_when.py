"""When facts count and holds end, in every zone."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.commissions.rules import when
from chalicelib.shared import clock
from tests.support_laws import law, plan, program

ZONES = [
    "Asia/Shanghai",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Africa/Cairo",
    "UTC",
]
instants = st.datetimes(datetime(2010, 1, 1), datetime(2026, 12, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(ZONES)


def shanghai(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}:00+08:00")


@pytest.mark.parametrize(
    ("days", "starts", "ends"),
    [
        (7, "03-04T10:00", "03-12T00:00"),
        (7, "03-04T00:00", "03-11T00:00"),
        (7, "03-04T00:01", "03-12T00:00"),
        (0, "03-04T10:00", "03-06T00:00"),
        (1, "03-04T10:00", "03-06T00:00"),
        (1, "03-05T00:00", "03-06T00:00"),
        (0, "03-20T10:00", "03-21T00:00"),
        (0, "02-01T10:00", "03-06T00:00"),
    ],
)
def test_a_hold_ends_at_a_midnight_after_its_days_and_after_the_close(days: int, starts: str, ends: str) -> None:
    """Paid on 4 March at 09:00; that day closes on 5 March at 03:00."""
    by = plan(hold={"days": days})
    found = when.hold_ends(program(), by, shanghai("03-04T09:00"), shanghai(starts))
    assert found == shanghai(ends)


@law(200)
@given(instants, instants, zones, st.integers(0, 90), st.integers(1, 72))
def test_a_hold_ends_at_the_first_midnight_that_fits(
    paid_at: datetime, starts_at: datetime, zone: str, days: int, close_hours: int
) -> None:
    where, by = program(zone), plan(hold={"days": days}, close_hours=close_hours)
    ends = when.hold_ends(where, by, paid_at, starts_at)
    close = where.close_of(where.local_day(paid_at), close_hours)
    assert ends >= starts_at + timedelta(days=days)
    assert ends > close
    assert ends == clock.midnight(where.local_day(ends), zone)
    before = clock.midnight(where.local_day(ends - timedelta(microseconds=1)), zone)
    assert before < starts_at + timedelta(days=days) or before <= close


@law(200)
@given(instants, st.timedeltas(timedelta(minutes=-10), timedelta(days=5)), zones, st.integers(1, 72))
def test_a_fact_counts_on_the_paid_day_or_on_its_own(
    paid_at: datetime, later: timedelta, zone: str, hours: int
) -> None:
    where, by, received_at = program(zone), plan(close_hours=hours), paid_at + later
    paid_day = where.local_day(paid_at)
    day = when.counts_on(where, by, paid_at, received_at)
    in_time = received_at < where.close_of(paid_day, hours)
    assert day == (paid_day if in_time else where.local_day(received_at))
    assert day >= paid_day
    if not in_time:
        assert received_at < where.close_of(day, hours)


@law(100)
@given(instants, st.timedeltas(timedelta(0), timedelta(days=5)), st.timedeltas(timedelta(0), timedelta(days=2)), zones)
def test_later_facts_never_count_on_an_earlier_day(
    paid_at: datetime, first: timedelta, more: timedelta, zone: str
) -> None:
    where, by = program(zone), plan()
    one, two = (when.counts_on(where, by, paid_at, paid_at + gap) for gap in (first, first + more))
    assert one <= two


def test_a_day_that_midnight_skips_begins_with_its_first_instant() -> None:
    assert clock.midnight(date(2018, 11, 4), "America/Sao_Paulo") == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert clock.midnight(date(2011, 12, 30), "Pacific/Apia") == clock.midnight(date(2011, 12, 31), "Pacific/Apia")


def test_money_moves_on_the_day_of_a_late_decision() -> None:
    where = program()
    assert when.bucket(where, shanghai("03-11T00:00"), shanghai("03-04T10:00")) == shanghai("03-11T00:00")
    assert when.bucket(where, shanghai("03-11T00:00"), shanghai("03-14T10:00")) == shanghai("03-14T00:00")
