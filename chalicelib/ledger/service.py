"""Posting entries, and reading them by account."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from pynamodb.pagination import ResultIterator

from chalicelib.ledger import tables
from chalicelib.ledger.model import Entry, Kind, Volume
from chalicelib.ledger.tables import BOOKED, RELEASED, TAKEN_BACK, WITHDRAWN, EntryItem
from chalicelib.shared import clock, log
from chalicelib.shared.tables import Key, Put, merged_page, page
from chalicelib.shared.value import Value

Places = dict[str, Key]

FIRST_STEP: Final = 1
"""The step of a withdrawal in which it is asked for; one that is tried again is held again in a later one."""

_END: Final = "~"
"""Sorts after every time."""


class Holder(Value):
    """Whose entries: a distributor's in a currency, over how many shards."""

    program_id: str
    distributor_id: str
    currency: str
    shards: int

    def pk(self, shard: int) -> str:
        """The partition of one shard."""
        return tables.account_pk(self.program_id, self.distributor_id, self.currency, shard)


class DivergentReplay(Exception):
    """A cause that has made an entry now makes another one: a bug, never overwritten. An alarm watches for it."""


def post(entries: Iterable[Entry]) -> None:
    """Put each entry if it isn't there. One write unit each. Raises DivergentReplay."""
    for entry in entries:
        item = tables.entry_item(entry)
        if not item.put_new():
            _refuse_other(EntryItem.get(item.pk, item.sk, consistent_read=True), item)


def entry_puts(entries: Iterable[Entry]) -> list[Put]:
    """The entries as parts of a transaction, each put if it isn't there."""
    return [Put(tables.entry_item(entry)) for entry in entries]


def post_missing(entries: Sequence[Entry]) -> None:
    """Put those that a crash has left out: costs nothing when all are there. Raises DivergentReplay."""
    stored = _stored(entries)
    for entry in entries:
        there = stored.get(tables.entry_key(entry))
        if there is None:
            post([entry])
        else:
            _refuse_other(there, tables.entry_item(entry))


def missing(entries: Sequence[Entry]) -> list[Entry]:
    """Those of these entries that aren't stored. A call for a hundred."""
    stored = _stored(entries)
    return [entry for entry in entries if tables.entry_key(entry) not in stored]


def _stored(entries: Sequence[Entry]) -> dict[tuple[str, str], EntryItem]:
    keys = [tables.entry_key(entry) for entry in entries]
    return {(item.pk, item.sk): item for item in EntryItem.batch_get(keys, consistent_read=True)} if keys else {}


def _refuse_other(stored: EntryItem, item: EntryItem) -> None:
    if stored.serialize() != item.serialize():
        log.count("DivergentReplay")
        raise DivergentReplay(f"{item.sk} of {item.pk} was posted with other content before")


class Settled(Value):
    """What of an account is settled: the entries whose money moves before `until`, decided before `cutoff`."""

    until: datetime
    cutoff: datetime


def statement(
    holder: Holder, settled: Settled | None, newest: datetime | None, limit: int, places: Places | None
) -> tuple[list[Entry], Places | None]:
    """A distributor's entries, newest first, and where the list goes on; of those that move on a day, the settled ones.

    Read consistently. What is accrued and what moves with a withdrawal is listed at once; with `newest`, only what
    moved no later than that.
    """
    at_once = _END if newest is None else f"{clock.stored(newest)}{_END}"
    lists = {BOOKED: at_once, WITHDRAWN: at_once}
    if settled is None:
        return _merged(holder, lists, limit, places)
    lists |= dict.fromkeys((RELEASED, TAKEN_BACK), clock.stored(settled.until))
    cutoff = clock.stored(settled.cutoff)
    return _merged(holder, lists, limit, places, lambda item: item.sk[0] in (BOOKED, WITHDRAWN) or item.at < cutoff)


def opened(holder: Holder, now: datetime, limit: int, places: Places | None) -> tuple[list[Entry], Places | None]:
    """The first entry of each of a distributor's commissions, newest first, and where the list goes on."""
    return _merged(holder, {BOOKED: f"{clock.stored(now)}~"}, limit, places, lambda item: bool(item.opens))


def accrued(holder: Holder, since: datetime | None, until: datetime | None) -> Iterator[Entry]:
    """What was accrued, and clawed back while pending, from `since` until before `until`; None: no bound.

    Read consistently, a query a shard.
    """
    return _between(holder, (BOOKED,), since, until)


def bucketed(holder: Holder, since: datetime | None, until: datetime) -> Iterator[Entry]:
    """The entries on available whose day begins from `since` (None: ever) until before `until`.

    Read consistently, two queries a shard.
    """
    return _between(holder, (RELEASED, TAKEN_BACK), since, until)


def decided_from(holder: Holder, at: datetime, midnight: datetime) -> Iterator[Entry]:
    """The entries of what was decided from an instant on, and perhaps some before; `midnight` is its day's first.

    Read consistently, three queries a shard.
    """
    yield from _between(holder, (BOOKED,), at, None)
    yield from _between(holder, (RELEASED, TAKEN_BACK), midnight, None)


def _between(holder: Holder, lists: Sequence[str], since: datetime | None, until: datetime | None) -> Iterator[Entry]:
    begins = "" if since is None else clock.stored(since)
    ends = _END if until is None else clock.stored(until)
    for shard in range(holder.shards):
        for name in lists:
            between = EntryItem.sk.between(f"{name}#{begins}", f"{name}#{ends}")
            for item in EntryItem.query(holder.pk(shard), between, consistent_read=True):
                yield tables.read_entry(item)


def held_since(holder: Holder, since: datetime) -> list[Entry]:
    """The first holds of withdrawals from an instant on, oldest first. Read consistently."""
    between = EntryItem.sk.between(f"{WITHDRAWN}#{clock.stored(since)}", f"{WITHDRAWN}#{_END}")
    found = EntryItem.query(holder.pk(0), between, consistent_read=True)
    return [tables.read_entry(item) for item in found if _is_first_hold(item)]


def first_holds(holder: Holder, limit: int, place: Key | None) -> tuple[list[Entry], Key | None]:
    """The first hold of each of a distributor's withdrawals, newest first, and where the list goes on."""
    listed = EntryItem.sk.startswith(f"{WITHDRAWN}#")
    found = EntryItem.query(holder.pk(0), listed, scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit, _is_first_hold)
    return [tables.read_entry(item) for item in items], further


def _is_first_hold(item: EntryItem) -> bool:
    return bool(item.kind == Kind.HOLD and tables.read_entry(item).n == FIRST_STEP)


def _merged(
    holder: Holder,
    lists: Mapping[str, str],
    limit: int,
    places: Places | None,
    keep: Callable[[EntryItem], bool] | None = None,
) -> tuple[list[Entry], Places | None]:
    """A page of several lists, each up to a place in it, over all shards."""
    start = places or {}
    sources = {
        f"{name}{shard}": _newest_first(holder.pk(shard), name, until, start.get(f"{name}{shard}"))
        for shard in range(holder.shards)
        for name, until in lists.items()
    }
    found, further = merged_page(sources, _moved, _key, limit, keep)
    return [tables.read_entry(item) for item in found], None if further is None else {**start, **further}


def _newest_first(pk: str, name: str, until: str, place: Key | None) -> ResultIterator[EntryItem]:
    between = EntryItem.sk.between(f"{name}#", f"{name}#{until}")
    return EntryItem.query(pk, between, scan_index_forward=False, last_evaluated_key=place, consistent_read=True)


def _moved(item: EntryItem) -> str:
    return item.sk[2:]


def _key(item: EntryItem) -> Key:
    return {"pk": {"S": item.pk}, "sk": {"S": item.sk}}


def volumes_since(
    holder: Holder,
    day: date,
    timezone: str,
    *,
    late_since: datetime | None = None,
    before: datetime | None = None,
) -> dict[date, Volume]:
    """What has counted for a distributor on `day` and on each day after it; days on which nothing did are left out.

    With `late_since`, what counts on an earlier day but was decided from then on counts on `day`: nothing is lost.
    With `before`, only what was decided before that instant. Reads consistently what was decided since the day began,
    two queries a shard, however much there is before.
    """
    found: defaultdict[date, Volume] = defaultdict(Volume)
    for shard in range(holder.shards):
        for name, since in _deciding_begins(day, timezone):
            for item in tables.volumes_between(holder.pk(shard), f"{name}#{since}", f"{name}#~"):
                counted = _counted_on(item, day, late_since)
                if counted is not None and (before is None or clock.read(item.at) < before):
                    found[counted] += tables.volume_of(item)
    return {counted: volume for counted, volume in found.items() if volume}


def _counted_on(item: EntryItem, day: date, late_since: datetime | None) -> date | None:
    counted = None if item.counts_on is None else date.fromisoformat(item.counts_on)
    if counted is None or counted >= day:
        return counted
    return day if late_since is not None and clock.read(item.at) >= late_since else None


def _deciding_begins(day: date, timezone: str) -> Sequence[tuple[str, str]]:
    """Where in its list begins what can count on `day` or later.

    An order may be told up to ten minutes before it is paid, and is decided no earlier than it was told. A clawback
    of what is available lies in a bucket no earlier than the day on which it was decided.
    """
    earliest = clock.midnight(day, timezone) - clock.AHEAD_MAX
    bucket = clock.midnight(clock.local_day(earliest, timezone), timezone)
    return (BOOKED, clock.stored(earliest)), (TAKEN_BACK, clock.stored(bucket))


def all_of(holder: Holder) -> Iterator[Entry]:
    """Every entry of an account, for proofs."""
    for shard in range(holder.shards):
        for item in EntryItem.query(holder.pk(shard)):
            yield tables.read_entry(item)
