"""The close: deciding everybody's ranks of the days that are due, in parts that can be repeated.

What a part puts is named by distributor and day, so a part done twice, or by two at once, ends the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, pairwise
from typing import Any, Final

from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor, Status
from chalicelib.levels import rules, service, tables
from chalicelib.levels.model import Cause, Standing
from chalicelib.levels.service import Ladder
from chalicelib.levels.tables import CloseItem, PartItem, StandingItem
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import clock, log

PART: Final = 500
"""Distributors in a part: some seconds of work."""

LIVE_MARGIN: Final = timedelta(minutes=5)
"""How long after its instant a live program closes: what was told before it is stored and decided by then."""

Counts = Mapping[str, Any]
"""How many were looked at, rose, fell and were given a rank, and which ranks somebody has, by track."""


class DivergentStanding(Exception):
    """A rank that is decided would be decided otherwise now: a bug, never overwritten. An alarm watches for it."""


@dataclass(frozen=True, slots=True)
class Due:
    """That the ranks of `day` can be decided from `at` on."""

    day: date
    at: datetime


def next_due(program: Program) -> Due:
    """What is decided next, be it due yet or not."""
    closed = service.closed_through(program)
    margin = LIVE_MARGIN if program.mode is Mode.LIVE else timedelta()
    return Due(closed + timedelta(days=1), service.close_of(program, closed) + margin)


def due_at(program: Program, day: date) -> datetime:
    """The instant from which the ranks of a day can be decided."""
    margin = LIVE_MARGIN if program.mode is Mode.LIVE else timedelta()
    return service.close_of(program, day - timedelta(days=1)) + margin


def parts(program_id: str) -> Iterator[str]:
    """After whom each part begins. Reads an index once through, 2,000 distributors or more a call."""
    yield tables.START
    for number, distributor_id in enumerate(distributors.ids_in_turn(program_id), start=1):
        if number % PART == 0:
            yield distributor_id


def decide_part(program: Program, first: date, last: date, after: str) -> None:
    """Decide the ranks of the days `first` to `last` for the part after a distributor, and note that it is done.

    Raises DivergentStanding.
    """
    terms = service.ladder(program)
    counts: dict[str, Any] = {"distributors": 0, "rises": 0, "falls": 0, "hands": 0}
    held: dict[str, set[int]] = {}
    start = None if after == tables.START else after
    for each in islice(distributors.in_turn(program.program_id, start), PART):
        counts["distributors"] += 1
        for standing in decide(program, each, first, last, terms):
            counts["rises"] += standing.rank > standing.from_rank
            counts["falls"] += standing.rank < standing.from_rank
            counts["hands"] += standing.cause is Cause.HAND
            if standing.day == last:
                held.setdefault(each.track, set()).add(standing.rank)
    counts["held"] = {track: sorted(ranks) for track, ranks in held.items()}
    PartItem(tables.walk_pk(program.program_id, last), after, counts=counts).put_new()


def decide(program: Program, distributor: Distributor, first: date, last: date, terms: Ladder) -> Sequence[Standing]:
    """Decide a distributor's ranks of the days `first` to `last`, and put those that say something new.

    Three reads, whatever happened, and a write for each that is put. Raises DivergentStanding.
    """
    before = first - timedelta(days=1)
    until = min(last, _last_day(program, distributor))
    if distributor.joined_at is None or until < first:
        return ()
    found = service.known(program, distributor, before, terms)
    standings = list(rules.standings(found.standing, found.case, until))
    shard = service.shard_of(program, distributor.distributor_id)
    for earlier, standing in pairwise([found.standing, *standings]):
        if rules.is_worth_keeping(earlier, standing):
            _keep(tables.standing_item(program.program_id, distributor.distributor_id, standing, shard))
    return standings


def _last_day(program: Program, distributor: Distributor) -> date:
    """The last day for which a distributor's rank is decided: the one on which it was closed."""
    if distributor.status is not Status.CLOSED:
        return date.max
    return program.local_day(distributor.statuses[-1][0])


def _keep(item: StandingItem) -> None:
    if item.put_new():
        return
    stored = StandingItem.get(item.pk, item.sk, consistent_read=True)
    if stored.body != item.body:
        log.count("DivergentReplay")
        raise DivergentStanding(f"{item.sk} of {item.pk} was decided otherwise before")


def parts_done(program_id: str, last: date) -> set[str]:
    """After whom the parts begin that are done."""
    done = PartItem.query(tables.walk_pk(program_id, last), attributes_to_get=["sk"], consistent_read=True)
    return {item.sk for item in done}


def close(program: Program, first: date, last: date) -> Counts:
    """Note that the days `first` to `last` are decided for everybody, once all parts are done; what they came to."""
    counts: dict[str, Any] = {"distributors": 0, "rises": 0, "falls": 0, "hands": 0}
    held: dict[str, set[int]] = {}
    for part in PartItem.query(tables.walk_pk(program.program_id, last), consistent_read=True):
        for name in counts:
            counts[name] += part.counts[name]
        for track, ranks in part.counts["held"].items():
            held.setdefault(track, set()).update(ranks)
    programs.note_held_ranks(program.program_id, held, last)
    closed_at = clock.stored(program.now())
    for number in range(first.toordinal(), last.toordinal() + 1):
        day = date.fromordinal(number)
        of_day = counts if day == last else {}
        CloseItem(tables.close_pk(program.program_id), day.isoformat(), closed_at=closed_at, counts=of_day).put_new()
    return counts
