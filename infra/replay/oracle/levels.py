"""Who rises and who falls: plan.md's rocket and snail.

Nothing is kept from day to day but a rank, the misses, and when a lowering by hand made the count start anew. What was
sold is added up again for every day, from what counted on each.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from infra.replay.oracle.judging import Credit, Judge
from infra.replay.oracle.world import DAY, Json, World, days, first_of, midnight


@dataclass(frozen=True)
class Change:
    """A level that another one follows, or that is given by hand: what was compared, and the misses after it."""

    seller: str
    day: date
    from_rank: int
    to_rank: int
    cause: str
    volume: int
    misses: int
    plan_version: int


@dataclass
class Volumes:
    """What counted for a seller: money and number of orders by day."""

    sales: Counter[date] = field(default_factory=Counter)
    orders: Counter[date] = field(default_factory=Counter)

    def between(self, measure: str, first: date, last: date) -> int:
        """What counted from the first through the last day, as a track measures it."""
        counted = self.sales if measure.endswith("_sales") else self.orders
        return sum(amount for day, amount in counted.items() if first <= day <= last)


@dataclass(frozen=True)
class Person:
    """What a seller's levels depend on."""

    seller: str
    approved: date
    volumes: Volumes
    track: Callable[[date], tuple[int, Json]]
    """The plan's version and the seller's track in it, as in force at the last instant of a day."""
    grants: dict[date, int]
    """The rank given by hand, by the day on which it was given."""
    exempt: Callable[[date], bool]
    """Whether the month that begins on that day was excused by a suspension."""


class Life:
    """A seller's levels, decided day after day, each at the close of its eve."""

    def __init__(self, person: Person, last: date) -> None:
        self.changes: list[Change] = []
        self._person = person
        self._rank = 1
        self._misses = 0
        self._anew = date.min
        """What counted before that day lifts no more: a lowering by hand."""
        self._ranks = {person.approved: 1}
        for day in days(person.approved + DAY, last):
            self._decide(day)
            self._ranks[day] = self._rank

    def rank_on(self, day: date) -> int:
        """The rank of a day; 1 before anything was decided."""
        return self._ranks.get(day, 1)

    def _decide(self, day: date) -> None:
        """The rank of a day: by hand, or else by the rocket and, on the 1st, by the snail."""
        eve, held = day - DAY, self._rank
        version, track = self._person.track(eve)
        cause, volume = self._by_hand(day, track) or self._snail(day, track) or self._rocket(day, track)
        if self._rank == 1:
            self._misses = 0
        if cause == "hand" or self._rank != held:
            made = (self._person.seller, day, held, self._rank, cause, volume, self._misses, version)
            self.changes.append(Change(*made))

    def _by_hand(self, day: date, track: Json) -> tuple[str, int] | None:
        """A grant holds from the day after; after a lowering only what comes then lifts."""
        given = self._person.grants.get(day - DAY)
        if given is None:
            return None
        lifting = self._lifting(day, track)
        if given < self._rank:
            self._anew = day
        self._rank, self._misses = given, 0
        return "hand", lifting

    def _rocket(self, day: date, track: Json) -> tuple[str, int]:
        """The highest rank whose target is reached, if it is higher."""
        lifting = self._lifting(day, track)
        if track["promotion"] == "next_day":
            reached = [level["rank"] for level in track["levels"] if level["target"] <= lifting]
            self._rank = max([self._rank, *reached])
        return "rocket", lifting

    def _snail(self, day: date, track: Json) -> tuple[str, int] | None:
        """On a 1st: one more month in which the rank's own target was met or missed; None unless that lowers it.

        Who fell doesn't rise on that day: the rocket asks of the same month a target that is higher still.
        """
        if day.day > 1 or self._rank == 1 or track["demotion"] is None:
            return None
        month = first_of(day, -1)
        sold = self._person.volumes.between(track["measure"], month, day - DAY)
        if sold >= track["levels"][self._rank - 1]["target"]:
            self._misses = 0
        elif not self._exempt(month):
            self._misses += 1
            if self._misses >= track["demotion"]["misses"]:
                self._rank, self._misses = max(1, self._rank - track["demotion"]["steps"]), 0
                return "snail", sold
        return None

    def _lifting(self, day: date, track: Json) -> int:
        """What lifts on a day: the month so far, or the whole life, until its eve."""
        eve = day - DAY
        begins = first_of(eve) if track["measure"].startswith("monthly_") else date.min
        return self._person.volumes.between(track["measure"], max(begins, self._anew), eve)

    def _exempt(self, month: date) -> bool:
        """The month of the approval, of a grant, or with a suspension in it adds no miss."""
        given = {first_of(day) for day in self._person.grants}
        return month == first_of(self._person.approved) or month in given or self._person.exempt(month)


def volumes_of(world: World, judge: Judge, credits: Iterable[Credit]) -> dict[str, Volumes]:
    """What counts for each seller on which day: every order, and whatever comes back of it, by the counting rule."""
    volumes: dict[str, Volumes] = defaultdict(Volumes)
    for credit in credits:
        if credit.seller is None:
            continue
        receipt, sold, had = credit.receipt, volumes[credit.seller], 0
        for told in sorted({receipt.told, *(back.told for back in receipt.backs)}):
            backs = [back for back in receipt.backs if back.told <= told]
            left = sum(item.base for item in judge.counting(receipt, credit.seller, backs))
            day = world.counts_on(receipt.at, told)
            sold.sales[day] += left - had
            sold.orders[day] += (left > 0) - (had > 0)
            had = left
    return volumes


def life_of(world: World, seller: str, volumes: Volumes) -> Life:
    """The life of a seller of the replay, until the clock's end. All are approved as the program starts."""
    name = world.role(seller)["track"]

    def track(day: date) -> tuple[int, Json]:
        last_instant = midnight(day + DAY) - timedelta(seconds=1)
        return world.version(last_instant), world.plan(last_instant)["tracks"][name]

    def suspended(month: date) -> bool:
        begins, ends = midnight(month), midnight(first_of(month, 1))
        return any(since < ends and until > begins for since, until in world.suspensions(seller))

    person = Person(seller, world.day(world.starts), volumes, track, world.grants(seller), suspended)
    return Life(person, _last_decided(world))


def _last_decided(world: World) -> date:
    """The last day whose eve has closed when the clock ends."""
    day: date = world.horizon
    while world.close(day) <= world.ends:
        day += DAY
    return day
