"""The close: deciding everybody's ranks of the days that are due, in parts that can be repeated.

What a part puts is named by distributor and day, so a part done twice, or by two at once, ends the same.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor, Status
from chalicelib.levels import rules, service, tables
from chalicelib.levels.model import Cause, Standing
from chalicelib.levels.service import Closed, Ladder
from chalicelib.levels.tables import CloseItem, PartItem, StandingItem
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import clock, log
from chalicelib.shared.value import Value

LIVE_MARGIN: Final = timedelta(minutes=5)
"""How long after its instant a live program closes: what was told before it is stored and decided by then."""

_COUNTED: Final = ("distributors", "rises", "falls", "hands")

Counts = Mapping[str, Any]
"""How many were looked at, rose, fell and were given a rank, and which ranks somebody has, by track."""


class Closing(Value):
    """The days `first` to `last`, whose ranks are decided by what was decided of orders before `cutoff`.

    So whoever repeats it, however late, finds the same.
    """

    first: date
    last: date
    cutoff: datetime


class Due(Value):
    """That the ranks of `day` can be decided from `at` on."""

    day: date
    at: datetime


def next_due(program: Program) -> Due:
    """What is decided next, be it due yet or not."""
    day = service.last_close(program).day + timedelta(days=1)
    return Due(day, due_at(program, day))


def due_at(program: Program, day: date) -> datetime:
    """The instant from which the ranks of a day can be decided."""
    margin = LIVE_MARGIN if program.mode is Mode.LIVE else timedelta()
    return service.close_of(program, day - timedelta(days=1)) + margin


parts: Final = distributors.parts
"""After whom each part begins."""


def decide_part(program: Program, closing: Closing, after: str) -> None:
    """Decide the ranks of a closing's days for the part after a distributor, and note that it is done."""
    terms, before = service.ladder(program), service.close_before(program, closing.first)
    counts: dict[str, Any] = dict.fromkeys(_COUNTED, 0)
    held: dict[str, set[int]] = {}
    for each in distributors.in_part(program.program_id, after):
        counts["distributors"] += 1
        for standing in decide(program, each, before, closing, terms):
            counts["rises"] += standing.rank > standing.from_rank
            counts["falls"] += standing.rank < standing.from_rank
            counts["hands"] += standing.cause is Cause.HAND
            if standing.day == closing.last:
                held.setdefault(each.track, set()).add(standing.rank)
    counts["held"] = {track: sorted(ranks) for track, ranks in held.items()}
    PartItem(tables.walk_pk(program.program_id, closing.last), after, counts=counts).put_new()


def decide(
    program: Program, distributor: Distributor, before: Closed, closing: Closing, terms: Ladder
) -> Sequence[Standing]:
    """Decide a distributor's ranks of a closing's days, and put those that say something new.

    Three reads, whatever happened, and a write for each that is put.
    """
    until = min(closing.last, _last_day(program, distributor))
    if distributor.joined_at is None or until < closing.first:
        return ()
    found = service.known(program, distributor, before, terms, closing.cutoff)
    decided = [found.standing]
    while decided[-1].day < until:
        following = rules.following(decided[-1], found.case)
        worth = rules.is_worth_keeping(decided[-1], following)
        decided.append(_kept(program, distributor.distributor_id, following) if worth else following)
    return decided[1:]


def _last_day(program: Program, distributor: Distributor) -> date:
    """The last day for which a distributor's rank is decided: the one on which it was closed."""
    if distributor.status is not Status.CLOSED:
        return date.max
    return program.local_day(distributor.statuses[-1][0])


def _kept(program: Program, distributor_id: str, standing: Standing) -> Standing:
    """The standing as it is kept now: as it was put before, if it was.

    What was decided holds. If it would be decided otherwise now, that is a bug, which an alarm watches for.
    """
    shard = service.shard_of(program, distributor_id)
    item = tables.standing_item(program.program_id, distributor_id, standing, shard)
    if item.put_new():
        return standing
    stored = StandingItem.get(item.pk, item.sk, consistent_read=True)
    if stored.body != item.body:
        log.error("divergent_standing", program_id=program.program_id, distributor_id=distributor_id, day=item.sk)
        log.count("DivergentReplay")
    return tables.standing_of(stored)


def parts_done(program_id: str, last: date) -> set[str]:
    """After whom the parts begin that are done."""
    done = PartItem.query(tables.walk_pk(program_id, last), attributes_to_get=["sk"], consistent_read=True)
    return {item.sk for item in done}


def close(program: Program, closing: Closing) -> Counts:
    """Note that a closing's days are decided for everybody, once all parts are done; what they came to."""
    counts: dict[str, Any] = dict.fromkeys(_COUNTED, 0)
    held: dict[str, set[int]] = {}
    for part in PartItem.query(tables.walk_pk(program.program_id, closing.last), consistent_read=True):
        for name in counts:
            counts[name] += part.counts[name]
        for track, ranks in part.counts["held"].items():
            held.setdefault(track, set()).update(ranks)
    programs.note_held_ranks(program.program_id, held, closing.last)
    cutoff, closed_at = clock.stored(closing.cutoff), clock.stored(program.now())
    for number in range(closing.first.toordinal(), closing.last.toordinal() + 1):
        day = date.fromordinal(number)
        of_day = counts if day == closing.last else {}
        key = (tables.close_pk(program.program_id), day.isoformat())
        CloseItem(*key, cutoff=cutoff, closed_at=closed_at, counts=of_day).put_new()
    return counts
