"""Levels: a distributor's progress and history, ranks given by hand, changes, and what is to come."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from chalicelib.access.door import Call, Routes
from chalicelib.distributors import service as distributors
from chalicelib.distributors.routes import DistributorAnswer, shown
from chalicelib.levels import service
from chalicelib.levels.model import Cause, Outcome, Progress, Standing
from chalicelib.levels.sentences import sentence
from chalicelib.levels.service import Change, MonthPlace
from chalicelib.programs import service as programs
from chalicelib.programs.model import Level, Measure, Program
from chalicelib.shared import clock, http, pages

routes = Routes(__name__)

_MONTH = r"^[1-9]\d{3}-(0[1-9]|1[0-2])$"


class LevelBody(http.Body):
    """The rank a distributor is given, and why."""

    rank: Annotated[int, Field(ge=1, le=1000)]
    reason: http.Reason


class ChangesQuery(http.ListQuery):
    """Of which month; left out: all."""

    month: Annotated[str, StringConstraints(pattern=_MONTH)] | None = None


class PreviewBody(http.Body):
    """Nothing is asked."""


class NextAnswer(http.Answer):
    """The next level that selling leads to. `target` and `missing` are minor units or orders, as the measure says."""

    rank: int
    name: str
    rate_bp: int
    target: int
    missing: int


class TomorrowAnswer(http.Answer):
    """The rank of tomorrow by what is known now."""

    rank: int
    name: str
    rate_bp: int


class WipeAnswer(http.Answer):
    """What must still be sold, by the end of which day, so that the misses are forgotten; 0: that is reached."""

    missing: int
    by: http.Day


class SentenceAnswer(http.Answer):
    """The same in words."""

    zh: str
    en: str


class ProgressAnswer(http.Answer):
    """Where a distributor stands. `volume` is this month's or the lifetime's, in minor units or orders;
    `misses_to_fall`: how many more missed months lower the rank, null if it can't fall."""

    day: http.Day
    rank: int
    name: str
    rate_bp: int
    provisional: bool
    measure: Measure
    volume: int
    next: NextAnswer | None
    tomorrow: TomorrowAnswer
    misses: int
    misses_to_fall: int | None
    wipe: WipeAnswer | None
    sentence: SentenceAnswer


class StandingAnswer(http.Answer):
    """How a distributor stood on a day on which something was decided. `volume` was compared with `target`, both in the
    measure; `misses` stand after it."""

    day: http.Day
    rank: int
    from_rank: int
    cause: Cause | None
    reason: str | None
    volume: int
    target: int
    misses: int
    plan_version: int | None


class ChangeAnswer(http.Answer):
    """A change of rank, or a rank given by hand. `volume` was compared, in the measure; `misses` stand after it."""

    distributor_id: str
    day: http.Day
    from_rank: int
    to_rank: int
    cause: Cause | None
    reason: str | None
    volume: int
    misses: int
    plan_version: int | None


class ForecastAnswer(http.Answer):
    """What would happen to a distributor on `day` if nothing more were sold. `misses` stand now."""

    distributor_id: str
    day: http.Day
    from_rank: int
    to_rank: int
    misses: int
    outcome: Outcome


class PreviewAnswer(http.Answer):
    """What the next close, which decides the ranks of `day`, and the next 1st would bring; `next_cursor` null: all."""

    day: http.Day
    data: list[ForecastAnswer]
    next_cursor: str | None


@routes.get("/v1/distributors/{distributor_id}/progress", "O A D", answer=ProgressAnswer)
def show_progress(call: Call, distributor_id: str) -> ProgressAnswer:
    """A distributor's rank, what is missing to the next one, what tomorrow brings, and what to sell by when."""
    call.own(distributor_id)
    program = programs.get(call.program_id)
    distributor = distributors.get(call.program_id, distributor_id)
    return _progress(program, service.progress(program, distributor))


@routes.get(
    "/v1/distributors/{distributor_id}/levels", "O A D", query=http.ListQuery, answer=http.Listed[StandingAnswer]
)
def list_levels(call: Call, distributor_id: str, query: http.ListQuery) -> http.Listed[StandingAnswer]:
    """A distributor's days on which something was decided about its rank, newest first."""
    call.own(distributor_id)
    distributors.get(call.program_id, distributor_id)
    bound = ("levels", call.program_id, distributor_id)
    place = pages.place(query.cursor, *bound)
    standings, further = service.history(call.program_id, distributor_id, query.limit, place)
    return http.Listed(data=[_standing(each) for each in standings], next_cursor=pages.cursor(further, *bound))


@routes.post("/v1/distributors/{distributor_id}/level", "O", body=LevelBody, answer=DistributorAnswer)
def give_level(call: Call, distributor_id: str, body: LevelBody) -> DistributorAnswer:
    """Give a distributor a rank by hand, from the next midnight on."""
    program = programs.get(call.program_id)
    given = service.give(call.caller, program, distributor_id, body.rank, body.reason, call.idempotency_key)
    return shown(call, given)


@routes.get("/v1/levels/changes", "O A", query=ChangesQuery, answer=http.Listed[ChangeAnswer])
def list_changes(call: Call, query: ChangesQuery) -> http.Listed[ChangeAnswer]:
    """Changes of rank, newest first."""
    program = programs.get(call.program_id)
    bound = ("levels/changes", call.program_id, query.month)
    place = pages.place(query.cursor, *bound)
    if query.month is not None:
        month = clock.day(f"{query.month}-01")
        changes, further = service.changes_in(program, month, query.limit, place)
        return http.Listed(data=[_change(each) for each in changes], next_cursor=pages.cursor(further, *bound))
    here = None if place is None else MonthPlace(clock.day(place[0]), place[1])
    changes, then = service.all_changes(program, query.limit, here)
    told = None if then is None else [then.month.isoformat(), then.places]
    return http.Listed(data=[_change(each) for each in changes], next_cursor=pages.cursor(told, *bound))


@routes.post("/v1/levels/preview", "O A", body=PreviewBody, query=http.ListQuery, answer=PreviewAnswer)
def preview_levels(call: Call, body: PreviewBody, query: http.ListQuery) -> PreviewAnswer:
    """Who would rise, fall or miss the month, by what is known now. Changes nothing."""
    program = programs.get(call.program_id)
    bound = ("levels/preview", call.program_id)
    day, forecasts, after = service.preview(program, query.limit, pages.place(query.cursor, *bound))
    rows = [
        ForecastAnswer(
            distributor_id=each.distributor_id,
            day=each.day,
            from_rank=each.from_rank,
            to_rank=each.to_rank,
            misses=each.misses,
            outcome=each.outcome,
        )
        for each in forecasts
    ]
    return PreviewAnswer(day=day, data=rows, next_cursor=pages.cursor(after, *bound))


def _progress(program: Program, progress: Progress) -> ProgressAnswer:
    reachable = progress.next_level
    return ProgressAnswer(
        day=progress.day,
        rank=progress.level.rank,
        name=progress.level.name,
        rate_bp=progress.level.rate_bp,
        provisional=progress.provisional,
        measure=progress.measure,
        volume=progress.volume,
        next=None if reachable is None else _next(reachable, progress.missing),
        tomorrow=TomorrowAnswer(
            rank=progress.tomorrow.rank, name=progress.tomorrow.name, rate_bp=progress.tomorrow.rate_bp
        ),
        misses=progress.misses,
        misses_to_fall=progress.misses_to_fall,
        wipe=_wipe(progress.wipe_missing, progress.wipe_by),
        sentence=SentenceAnswer(**sentence(progress, program.currency)),
    )


def _next(level: Level, missing: int) -> NextAnswer:
    return NextAnswer(rank=level.rank, name=level.name, rate_bp=level.rate_bp, target=level.target, missing=missing)


def _wipe(missing: int | None, by: date | None) -> WipeAnswer | None:
    return None if missing is None or by is None else WipeAnswer(missing=missing, by=by)


def _standing(standing: Standing) -> StandingAnswer:
    return StandingAnswer(
        day=standing.day,
        rank=standing.rank,
        from_rank=standing.from_rank,
        cause=standing.cause,
        reason=standing.reason,
        volume=standing.volume,
        target=standing.target,
        misses=standing.misses,
        plan_version=standing.plan_version,
    )


def _change(change: Change) -> ChangeAnswer:
    standing = change.standing
    return ChangeAnswer(
        distributor_id=change.distributor_id,
        day=standing.day,
        from_rank=standing.from_rank,
        to_rank=standing.rank,
        cause=standing.cause,
        reason=standing.reason,
        volume=standing.volume,
        misses=standing.misses,
        plan_version=standing.plan_version,
    )
