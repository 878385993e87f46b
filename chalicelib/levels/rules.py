"""Rocket and snail: the rank of a day from the standing of the day before and what counted on it.

Pure. Source: docs/plan.md, "Levels: rocket up, snail down".
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final

from msgspec.structs import replace

from chalicelib.distributors.model import Distributor, Status
from chalicelib.ledger.model import Volume
from chalicelib.levels.model import (
    NOTHING,
    Cause,
    Forecast,
    Grant,
    Outcome,
    Progress,
    Standing,
    Terms,
    first_of_month,
)
from chalicelib.programs.model import Level, Program, Track
from chalicelib.shared.value import Value

NEXT_DAY: Final = "next_day"


class Case(Value):
    """Everything about one distributor that its ranks are decided from, besides the standing it starts with."""

    terms: Callable[[date], Terms | None]
    """What the rank of a day is decided by; None: no plan was in force."""
    exempt: Callable[[date], bool]
    """Whether the month that begins on this 1st adds no miss, grants aside."""
    grants: Mapping[date, Grant]
    """By the day from which they hold."""
    volumes: Mapping[date, Volume]


def standings(start: Standing, case: Case, until: date) -> Iterator[Standing]:
    """The standing of each day after `start`, up to and including `until`."""
    standing = start
    while standing.day < until:
        standing = following(standing, case)
        yield standing


def following(before: Standing, case: Case) -> Standing:
    """The standing of the next day."""
    day = before.day + timedelta(days=1)
    carried = replace(
        before,
        day=day,
        from_rank=before.rank,
        sums=before.sums.with_day(before.day, case.volumes.get(before.day, NOTHING)),
        cause=None,
        reason=None,
        volume=0,
        target=0,
        plan_version=None,
    )
    terms, grant = case.terms(day), case.grants.get(day)
    if terms is None:
        return carried
    judged = replace(carried, plan_version=terms.plan_version)
    if grant is not None:
        return _granted(judged, grant, terms)
    risen = _rocket(judged, terms)
    fallen = _snail(risen, terms, case) if day.day == 1 else risen
    return replace(fallen, rank=min(fallen.rank, terms.top_rank))


def is_worth_keeping(before: Standing, after: Standing) -> bool:
    """Whether something was decided that the standing of the day before doesn't say already."""
    return (
        after.sums.of_life != before.sums.of_life
        or after.sums.since_lowered != before.sums.since_lowered
        or after.rank != before.rank
        or after.misses != before.misses
        or after.cause is not None
    )


def _granted(judged: Standing, grant: Grant, terms: Terms) -> Standing:
    rank = min(grant.rank, terms.top_rank)
    return replace(
        judged,
        rank=rank,
        misses=0,
        cause=Cause.HAND,
        reason=grant.reason,
        volume=judged.sums.lifting(terms.track.measure),
        target=terms.track.highest(rank).target,
        sums=judged.sums.lowered(judged.day) if rank < judged.from_rank else judged.sums,
        granted_month=grant.month,
    )


def _rocket(judged: Standing, terms: Terms) -> Standing:
    volume = judged.sums.lifting(terms.track.measure)
    held = terms.track.highest(judged.rank)
    reached = [level for level in terms.track.levels if level.target <= volume and level.rank > judged.rank]
    if not reached or terms.track.promotion != NEXT_DAY:
        return replace(judged, volume=volume, target=held.target)
    highest = reached[-1]
    return replace(judged, rank=highest.rank, cause=Cause.ROCKET, volume=volume, target=highest.target)


def _snail(risen: Standing, terms: Terms, case: Case) -> Standing:
    """What the month that is over does to the rank held on its last day. The rocket came first."""
    demotion, measure = terms.track.demotion, terms.track.measure
    if demotion is None or not measure.monthly:
        return risen
    volume, target = risen.sums.of(measure), terms.track.highest(risen.from_rank).target
    if risen.from_rank == 1 or volume >= target:
        return replace(risen, misses=0)
    if _is_spared(risen, risen.sums.month, case):
        return risen
    missed = risen.misses + 1
    if missed < demotion.misses:
        return replace(risen, misses=missed)
    return replace(
        risen,
        rank=max(1, risen.rank - demotion.steps),
        misses=0,
        cause=Cause.SNAIL,
        volume=volume,
        target=target,
    )


def _is_spared(standing: Standing, month: date, case: Case) -> bool:
    """Whether the month that begins on this 1st adds no miss."""
    return standing.granted_month == month or case.exempt(month)


def joined_or_suspended_in(program: Program, distributor: Distributor, month: date) -> bool:
    """Whether the month that begins on this 1st is that of the first approval, or has a suspended day in it."""
    if distributor.joined_at is not None and first_of_month(program.local_day(distributor.joined_at)) == month:
        return True
    begins, ends = program.midnight(month), program.midnight(next_first(month))
    return any(
        status is Status.SUSPENDED and max(since, begins) < (ends if until is None else min(until, ends))
        for since, status, until in distributor.spells()
    )


def next_first(day: date) -> date:
    """The 1st of the month after a day's."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def progress(today: Standing, case: Case, track: Track, *, provisional: bool) -> Progress | None:
    """Where one stands today on a track of the plan in force now; None: none will be by which to tell of tomorrow."""
    tomorrow = following(today, case)
    terms = case.terms(tomorrow.day)
    if terms is None:
        return None
    measure, demotion = terms.track.measure, terms.track.demotion
    volume, lifting = tomorrow.sums.of(measure), tomorrow.sums.lifting(measure)
    reachable = _reachable(max(today.rank, tomorrow.rank), lifting, terms)
    falls = demotion is not None and today.rank > 1
    wipes = falls and today.misses > 0 and tomorrow.cause is not Cause.HAND
    return Progress(
        day=today.day,
        level=track.highest(today.rank),
        provisional=provisional,
        measure=measure,
        volume=volume,
        next_level=reachable,
        missing=0 if reachable is None else max(0, reachable.target - lifting),
        tomorrow=terms.track_then.highest(tomorrow.rank),
        misses=today.misses,
        misses_to_fall=max(1, demotion.misses - today.misses) if demotion is not None and falls else None,
        spared=_is_spared(tomorrow, first_of_month(today.day), case),
        wipe_missing=max(0, terms.track.highest(today.rank).target - volume) if wipes else None,
        wipe_by=next_first(today.day) - timedelta(days=1) if wipes else None,
    )


def _reachable(rank: int, lifting: int, terms: Terms) -> Level | None:
    """The next level above a rank, where selling leads to it; above a rank by hand, the one that enough is sold for."""
    if terms.track.promotion != NEXT_DAY:
        return None
    above = [level for level in terms.track.levels if rank < level.rank <= terms.top_rank]
    reached = [level for level in above if level.target <= lifting]
    return next(iter([*reached[-1:], *above]), None)


def forecast(distributor_id: str, today: Standing, case: Case) -> Forecast | None:
    """What the next close would bring, else what the next 1st would, if nothing more were sold. None: nothing."""
    tomorrow = following(today, case)
    if tomorrow.rank != today.rank:
        outcome = Outcome.RISES if tomorrow.rank > today.rank else Outcome.FALLS
        return _forecast(distributor_id, today, tomorrow, outcome)
    *_, first = standings(today, case, next_first(today.day))
    if first.rank < today.rank:
        return _forecast(distributor_id, today, first, Outcome.FALLS)
    if first.misses > today.misses:
        return _forecast(distributor_id, today, first, Outcome.AT_RISK)
    return None


def _forecast(distributor_id: str, today: Standing, then: Standing, outcome: Outcome) -> Forecast:
    return Forecast(distributor_id, then.day, today.rank, then.rank, today.misses, outcome)
