"""Which rank a distributor has on a day, decided or as far as is known; ranks given by hand; what is to come."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Final

from chalicelib.access import service as access
from chalicelib.access.model import Caller
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor, Status
from chalicelib.ledger import service as ledger
from chalicelib.levels import rules, tables
from chalicelib.levels.model import Forecast, Grant, Progress, Rank, Standing, Terms, first_of_month
from chalicelib.levels.tables import CloseItem, GrantItem, StandingItem
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode, Program, Track
from chalicelib.shared import clock, ids, repeats
from chalicelib.shared.errors import Code, Conflict, FieldError, Invalid, pointer
from chalicelib.shared.tables import Key, Put, Refused, changed_meanwhile, merged_page, page, read_once, transact
from chalicelib.shared.value import Value

PREVIEWED_MAX: Final = 100
"""How many distributors one page of a preview looks at."""

_CHANGE_SHARDS: Final = {Mode.LIVE: 8, Mode.TEST: 1}
"""Partitions of a month's changes. Never changed for a mode: lists read them all."""
_MONTHS_MAX: Final = 36
"""How many months one page of all changes looks at."""
_ATTEMPTS: Final = 3
_DAY: Final = timedelta(days=1)


class Change(Value):
    """A standing that belongs in the list of changes, and whose it is."""

    distributor_id: str
    standing: Standing


class MonthPlace(Value):
    """Where the list of all changes goes on: in a month, at a place of it."""

    month: date
    places: dict[str, Key]


class Closed(Value):
    """A day whose ranks are decided for everybody, by what was decided before `cutoff`; None: everybody's first day."""

    day: date
    cutoff: datetime | None


class Known(Value):
    """What is known of one distributor: the last standing that is decided, and the case for the days after it."""

    standing: Standing
    case: rules.Case

    def on(self, day: date) -> Standing:
        """The standing of a day, no earlier than the last decided one's."""
        *_, last = (self.standing, *rules.standings(self.standing, self.case, day))
        return last


def last_close(program: Program) -> Closed:
    """The last day whose ranks are decided for everybody. On the day a program was made all have rank 1."""
    pk = tables.close_pk(program.program_id)
    newest = CloseItem.query(pk, scan_index_forward=False, limit=1, consistent_read=True)
    closes = [Closed(clock.day(item.sk), clock.read(item.cutoff)) for item in newest]
    return next(iter(closes), Closed(program.created_day, None))


def close_before(program: Program, day: date) -> Closed:
    """The close of the day before one whose ranks are being decided."""
    before = day - _DAY
    item = CloseItem.find(tables.close_pk(program.program_id), before.isoformat(), consistent=True)
    return Closed(before, None if item is None else clock.read(item.cutoff))


def close_of(program: Program, day: date) -> datetime:
    """The instant from which nothing told counts for a day any more, by any plan that was in force on it."""
    versions = program.plan_versions_on(day)
    hours = max((programs.plan(program.program_id, version).close_hours for version in versions), default=0)
    return program.close_of(day, hours)


def decided_rank(program: Program, distributor_id: str, day: date) -> int | None:
    """The rank of a day once it is decided; None before."""
    closed = CloseItem.find(tables.close_pk(program.program_id), day.isoformat(), consistent=True)
    # A batch may have seen the day open before: whether it still is, is asked anew.
    if closed is None and day > program.created_day and day > last_close(program).day:
        return None

    def rank() -> int:
        newest = tables.newest_first(program.program_id, distributor_id, day)
        return next((tables.standing_of(item).rank for item in newest if not item.is_grant), 1)

    return read_once(("decided rank", program.program_id, distributor_id, day), rank)


def rank_on(program: Program, distributor: Distributor, day: date) -> Rank:
    """The rank of a day: as it was decided, else as what is known now gives it; to a batch, as it was known first."""
    decided = decided_rank(program, distributor.distributor_id, day)
    if decided is not None:
        return Rank(decided, decided=True)

    def provisional() -> Rank:
        found = known(program, distributor, last_close(program), ladder(program))
        return Rank(found.on(day).rank, decided=False)

    return read_once(("rank so far", program.program_id, distributor.distributor_id, day), provisional)


Ladder = Callable[[str, date], Terms | None]
"""What the rank of a day is decided by, by track and day."""


def ladder(program: Program) -> Ladder:
    """A program's terms, each looked up once."""

    @cache
    def terms(track: str, day: date) -> Terms | None:
        begins = program.midnight(day)
        judging = program.plan_version_at(begins - timedelta(microseconds=1))
        then = program.plan_version_at(begins)
        if judging is None or then is None:
            return None
        before, after = (_track(program, version, track) for version in (judging, then))
        return None if before is None or after is None else Terms(judging, before, after)

    return terms


def _track(program: Program, version: int, track: str) -> Track | None:
    return programs.plan(program.program_id, version).tracks.get(track)


def known(
    program: Program, distributor: Distributor, closed: Closed, terms: Ladder, before: datetime | None = None
) -> Known:
    """What a distributor's ranks after a close are decided from; with `before`, by what was decided before then."""
    standing, grants = _last_standing(program, distributor, closed.day)
    holder = distributors.holder(program, distributor)
    case = rules.Case(
        terms=lambda day: terms(distributor.track, day),
        exempt=lambda month: rules.joined_or_suspended_in(program, distributor, month),
        grants=grants,
        volumes=ledger.volumes_since(holder, standing.day, program.timezone, late_since=closed.cutoff, before=before),
    )
    return Known(standing, case)


def _last_standing(program: Program, distributor: Distributor, closed: date) -> tuple[Standing, Mapping[date, Grant]]:
    """The standing on the day `closed`, and the grants after it.

    What a close that isn't finished has put already is left aside: it comes out the same.
    """
    grants: dict[date, Grant] = {}
    for item in tables.newest_first(program.program_id, distributor.distributor_id):
        if item.is_grant:
            grants[item.day] = tables.grant_of(item)
        elif item.day <= closed:
            return tables.standing_of(item).carried(closed), grants
    joined = closed if distributor.joined_at is None else program.local_day(distributor.joined_at)
    return Standing.first(max(joined, closed)), grants


def give(
    caller: Caller, program: Program, distributor_id: str, rank: int, reason: str, idempotency_key: str | None
) -> Distributor:
    """Give a distributor a rank by hand, from the next midnight on; the last word of a day holds.

    Raises NotFound, Invalid `unknown_rank`, Conflict `wrong_status`, `exists_with_different_content`,
    `changed_meanwhile`.
    """
    distributor = distributors.get(program.program_id, distributor_id)
    if distributor.status not in (Status.APPROVED, Status.SUSPENDED):
        raise Conflict(Code.WRONG_STATUS, f"A distributor that is {distributor.status} is given no rank.")
    now = program.now()
    track = programs.plan_at(program, now).plan.tracks[distributor.track]
    if rank > len(track.levels):
        words = f"The track {distributor.track} has ranks 1 to {len(track.levels)}."
        raise Invalid(Code.UNKNOWN_RANK, words, [FieldError(pointer("rank"), Code.UNKNOWN_RANK, words)])
    grant = Grant(program.local_day(now) + _DAY, rank, reason, caller.actor)
    programs.hold_rank(program.program_id, distributor.track, rank, grant.day)
    for _ in range(_ATTEMPTS):
        if _put_grant(caller, program, distributor_id, grant, idempotency_key):
            return distributor
    raise changed_meanwhile()


def _put_grant(
    caller: Caller, program: Program, distributor_id: str, grant: Grant, idempotency_key: str | None
) -> bool:
    """False: somebody else was faster."""
    key = tables.grant_key(program.program_id, distributor_id, grant.day)
    item = GrantItem.find(*key, consistent=True) or GrantItem(*key)
    done = {**_done_on(program, distributor_id, grant.day - _DAY), **item.done} if idempotency_key else {}
    new = repeats.newly_asked(done, caller.actor, idempotency_key, str(grant.rank), grant.reason)
    if new is None:
        return True
    if new:
        item.done = {**item.done, **new}
    item.body = tables.packed_grant(grant)
    detail: dict[str, object] = {"rank": grant.rank, "from": grant.day.isoformat()}
    row = access.audit_row(
        caller, program.now(), "distributor.level", distributor_id, reason=grant.reason, detail=detail
    )
    try:
        transact(Put(item, item.next_revision()), Put(row))
    except Refused:
        return False
    return True


def _done_on(program: Program, distributor_id: str, day: date) -> Mapping[str, str]:
    """What Idempotency-Keys asked for the day before: a repeat after midnight would give it for a day later."""
    eve = GrantItem.find(*tables.grant_key(program.program_id, distributor_id, day), consistent=True)
    return {} if eve is None else eve.done


def history(program_id: str, distributor_id: str, limit: int, place: Key | None) -> tuple[list[Standing], Key | None]:
    """A distributor's standings that something was decided in, newest first, and where the list goes on."""
    found = StandingItem.query(
        tables.distributor_pk(program_id, distributor_id), scan_index_forward=False, last_evaluated_key=place
    )
    items, further = page(found, limit, lambda item: not item.is_grant)
    return [tables.standing_of(item) for item in items], further


def changes_in(
    program: Program, month: date, limit: int, places: dict[str, Key] | None
) -> tuple[list[Change], dict[str, Key] | None]:
    """A month's changes of rank, newest first, and where the list goes on."""
    start = places or {}
    sources = {
        key: StandingItem.by_change.query(key, scan_index_forward=False, last_evaluated_key=start.get(key))
        for key in (
            tables.changes_pk(program.program_id, month, shard) for shard in range(_CHANGE_SHARDS[program.mode])
        )
    }
    found, further = merged_page(sources, lambda item: str(item.changed), _index_key, limit)
    changes = [Change(item.pk.partition("#")[2], tables.standing_of(item)) for item in found]
    return changes, None if further is None else {**start, **further}


def all_changes(program: Program, limit: int, place: MonthPlace | None) -> tuple[list[Change], MonthPlace | None]:
    """All changes of rank, newest first, and where the list goes on. A page may be short."""
    newest = first_of_month(program.local_day(program.now()) + _DAY)
    oldest = first_of_month(program.created_day)
    month, places = (place.month, place.places) if place else (newest, {})
    rows: list[Change] = []
    for _ in range(_MONTHS_MAX):
        if month < oldest:
            return rows, None
        found, further = changes_in(program, month, limit - len(rows), places)
        rows += found
        if further is not None:
            return rows, MonthPlace(month, further)
        month, places = first_of_month(month - _DAY), {}
        if len(rows) == limit:
            break
    return rows, None if month < oldest else MonthPlace(month, places)


def _index_key(item: StandingItem) -> Key:
    return {name: {"S": str(getattr(item, name))} for name in ("changes", "changed", "pk", "sk")}


def shard_of(program: Program, distributor_id: str) -> int:
    """In which shard of a month's changes a distributor's are."""
    return ids.shard(distributor_id, _CHANGE_SHARDS[program.mode])


def progress(program: Program, distributor: Distributor) -> Progress:
    """Where a distributor stands today. Raises Conflict `no_plan_in_force`, `distributor_not_approved`."""
    if distributor.joined_at is None:
        raise Conflict(Code.DISTRIBUTOR_NOT_APPROVED, f"A distributor that is {distributor.status} has no rank yet.")
    now = program.now()
    today, closed = program.local_day(now), last_close(program)
    found = known(program, distributor, closed, ladder(program))
    track = programs.plan_at(program, now).plan.tracks[distributor.track]
    progress = rules.progress(found.on(today), found.case, track, provisional=today > closed.day)
    if progress is None:
        raise Conflict(Code.NO_PLAN_IN_FORCE, "No plan is in force at the end of this day.")
    return progress


def preview(program: Program, limit: int, after: str | None) -> tuple[date, list[Forecast], str | None]:
    """Who would rise, fall or miss the month by what is known now: the day that is decided next, and where to go on.

    In the order in which the distributors came. A page may be short, even empty, and still have a next one.
    """
    closed, terms = last_close(program), ladder(program)
    looked_at = list(islice(distributors.in_turn(program.program_id, after), PREVIEWED_MAX))
    rows: list[Forecast] = []
    for number, each in enumerate(looked_at):
        if len(rows) == limit:
            return closed.day + _DAY, rows, looked_at[number - 1].distributor_id
        rows += _forecasts(program, each, closed, terms)
    more = len(looked_at) == PREVIEWED_MAX
    return closed.day + _DAY, rows, looked_at[-1].distributor_id if more else None


def _forecasts(program: Program, distributor: Distributor, closed: Closed, terms: Ladder) -> Iterator[Forecast]:
    if distributor.joined_at is None or distributor.status is Status.CLOSED:
        return
    found = known(program, distributor, closed, terms)
    if found.standing.day > closed.day:  # it joined after that day
        return
    forecast = rules.forecast(distributor.distributor_id, found.standing, found.case)
    if forecast is not None:
        yield forecast
