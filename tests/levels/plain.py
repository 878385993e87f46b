"""plan.md's "Levels" read a second time, slowly: each day's rank from all that was told, nothing carried along.

Shares nothing with the rooms but dates and plain values, so that the two can be held against each other.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tests.levels.life import Life, Rungs

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)

Counted = dict[date, tuple[int, int]]
"""Base and orders by day."""


@dataclass(frozen=True)
class Sold:
    """An order of one line as it was told, and all that was told about it later; `returned` None: it was cancelled."""

    seller: str | None
    paid_at: datetime
    received_at: datetime
    amount: int
    returns: tuple[tuple[datetime, int | None], ...] = ()
    """When each was received, and how much comes back."""
    moves: tuple[tuple[datetime, str | None], ...] = ()
    """When another attribution was received, and to whom."""

    def counts_on(self, received_at: datetime, close_hours: int, timezone: str) -> date:
        """The paid day, if it came before that day's close, else the day it came; never before the order itself."""
        paid_on = _local(self.paid_at, timezone)
        received_at = max(received_at, self.received_at)
        closes_at = midnight(paid_on + DAY, timezone) + timedelta(hours=close_hours)
        return paid_on if received_at < closes_at else _local(received_at, timezone)

    def left(self, until: date | None = None, close_hours: int = 3, timezone: str = "Asia/Shanghai") -> int:
        """The base, by what counts up to a day; None: by everything."""
        base = self.amount
        for received_at, amount in self.returns:
            if until is None or self.counts_on(received_at, close_hours, timezone) <= until:
                base -= self.amount if amount is None else amount
        return max(0, base)

    def whose(self, until: date | None = None, close_hours: int = 3, timezone: str = "Asia/Shanghai") -> str | None:
        """The seller, by what counts up to a day."""
        seller = self.seller
        for received_at, to in self.moves:
            if until is None or self.counts_on(received_at, close_hours, timezone) <= until:
                seller = to
        return seller

    def before(self, instant: datetime) -> "Sold | None":
        """As it had been told before an instant; None: it hadn't."""
        if self.received_at >= instant:
            return None
        returns = tuple(each for each in self.returns if each[0] < instant)
        moves = tuple(each for each in self.moves if each[0] < instant)
        return Sold(self.seller, self.paid_at, self.received_at, self.amount, returns, moves)


def counted(orders: Iterable[Sold], seller: str, close_hours: int = 3, timezone: str = "Asia/Shanghai") -> Counted:
    """What counted for a seller on each day: what stands at its end and didn't at the end of the day before."""
    found: Counted = defaultdict(lambda: (0, 0))
    for order in orders:
        told = [order.received_at, *(each[0] for each in (*order.returns, *order.moves))]
        standing = 0
        for day in sorted({order.counts_on(received_at, close_hours, timezone) for received_at in told}):
            mine = order.whose(day, close_hours, timezone) == seller
            now = order.left(day, close_hours, timezone) if mine else 0
            sales, orders_ = found[day]
            found[day] = (sales + now - standing, orders_ + (now > 0) - (standing > 0))
            standing = now
    return {day: volume for day, volume in found.items() if volume != (0, 0)}


def ranks(life: Life, until: date) -> dict[date, tuple[int, int]]:
    """Rank and misses of each day from the day on which one joined to `until`."""
    decided = {life.joined: (1, 0)}
    for day in _days(life.joined + DAY, until):
        decided[day] = _decided(life, day, decided)
    return decided


def _decided(life: Life, day: date, before: Mapping[date, tuple[int, int]]) -> tuple[int, int]:
    yesterday = day - DAY
    held, misses = before[yesterday]
    by, then = (_in_force(life, midnight(day, life.timezone) - back) for back in (MOMENT, timedelta()))
    if by is None or then is None:
        return held, misses
    highest = len(then.targets)
    if yesterday in life.given:
        return min(life.given[yesterday], highest), 0
    rank = held
    if by.promotion == "next_day":
        lifts = _lifts(life, by, yesterday, before)
        rank = max([held, *(n for n, target in enumerate(by.targets, 1) if target <= lifts)])
    if day.day == 1 and by.misses is not None and by.measure.startswith("monthly"):
        month = list(_days(yesterday.replace(day=1), yesterday))
        met = _sum(life, by, month) >= by.targets[min(held, len(by.targets)) - 1]
        if held == 1 or met:
            misses = 0
        elif not _spared(life, month):
            misses += 1
            if misses >= by.misses:
                rank, misses = max(1, rank - by.steps), 0
    return min(rank, highest), misses


def _lifts(life: Life, by: Rungs, yesterday: date, before: Mapping[date, tuple[int, int]]) -> int:
    """What is sold since the month began, or ever, or since the last lowering by hand if that is later."""
    since = yesterday.replace(day=1) if by.measure.startswith("monthly") else life.joined
    lowered = [given + DAY for given in life.given if given + DAY <= yesterday and _lowers(given, before)]
    return _sum(life, by, _days(max([since, *lowered]), yesterday))


def _lowers(given: date, before: Mapping[date, tuple[int, int]]) -> bool:
    return given in before and before[given + DAY][0] < before[given][0]


def _sum(life: Life, by: Rungs, days: Iterable[date]) -> int:
    found = [life.sold[day] for day in days if day in life.sold]
    return sum(volume.sales_minor if by.measure.endswith("sales") else volume.orders for volume in found)


def _spared(life: Life, month: list[date]) -> bool:
    return any(day == life.joined or day in life.given or _suspended_on(life, day) for day in month)


def _suspended_on(life: Life, day: date) -> bool:
    begins, ends = midnight(day, life.timezone), midnight(day + DAY, life.timezone)
    spans = [(max(since, begins), min(until or ends, ends)) for since, until in life.suspended]
    return any(since < until for since, until in spans)


def _in_force(life: Life, instant: datetime) -> Rungs | None:
    rungs, latest = None, None
    for effective_at, of in life.plans:
        if effective_at <= instant and (latest is None or effective_at >= latest):
            rungs, latest = of, effective_at
    return rungs


@cache
def midnight(day: date, timezone: str) -> datetime:
    """When a local day begins, in a zone that doesn't skip midnights; in UTC, in which hours can be added."""
    return datetime.combine(day, time(), ZoneInfo(timezone)).astimezone(ZoneInfo("UTC"))


def _local(instant: datetime, timezone: str) -> date:
    return instant.astimezone(ZoneInfo(timezone)).date()


def _days(first: date, last: date) -> Iterator[date]:
    for number in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(number)
