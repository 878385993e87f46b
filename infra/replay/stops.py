"""The rhythm of the story: when the clock stands still, and what is told then."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Json = dict[str, Any]


@dataclass(frozen=True)
class Fact:
    """A completion, cancellation or refund: the route's last word, its body, and the stop at which it is told."""

    route: str
    body: Json
    told_at: str
    early: bool = False


@dataclass(frozen=True)
class Order:
    """An order's body; `code_of` is the distributor whose code goes into it, for codes are the platform's making."""

    body: Json
    code_of: str | None
    told_at: str
    facts: tuple[Fact, ...]
    taken_back: bool  # in the end nothing of it is left
    explained: bool  # its explanation is read at the end

    @property
    def order_id(self) -> str:
        """The platform's and the data's name for it, `b-<basket_id>`."""
        return str(self.body["order_id"])


@dataclass(frozen=True)
class Standing:
    """What an operator does to a distributor, e.g. `suspend` or `level`: the route's last word and its body."""

    user_id: str
    route: str
    body: Json
    told_at: str


@dataclass(frozen=True)
class Click:
    """A visitor's click on a distributor's link."""

    visitor_id: str
    owner: str
    at: str
    told_at: str


@dataclass(frozen=True)
class Ask:
    """A distributor asks for a part of what is available to it, in basis points, unless that is less than the minimum.

    Foreseen is also what an operator says if it has to be reviewed, and the bank's result if it goes there.
    """

    user_id: str
    day: str
    part_bp: int
    channel: str
    min_minor: int
    rejected: bool
    bank_says: str
    told_at: str

    @property
    def name(self) -> str:
        """Nobody asks twice on a day."""
        return f"{self.user_id} asks {self.day}"


@dataclass(frozen=True)
class Stop:
    """The clock stands: what is told, in this order. Facts come with their orders."""

    at: str
    standings: tuple[Standing, ...]
    asks: tuple[Ask, ...]
    clicks: tuple[Click, ...]
    early: tuple[tuple[Order, Fact], ...]
    orders: tuple[Order, ...]
    late: tuple[tuple[Order, Fact], ...]

    @property
    def told(self) -> int:
        """How many things are told."""
        return sum(map(len, (self.standings, self.asks, self.clicks, self.early, self.orders, self.late)))


class Rhythm:
    """The mapping's stops, or those over so many months; instants have their offset fixed, so hours added are hours."""

    def __init__(self, clock: Json, zone: ZoneInfo, months: int | None) -> None:
        self._zone = zone
        first = date.fromisoformat(clock["starts"])
        self.starts = self.midnight(first)
        self.horizon = _months_later(first, months) if months else date.fromisoformat(clock["until"])
        """What is paid from that day on is left out."""
        hour_of = {each["day"]: time.fromisoformat(each["at"]) for each in clock["stops"]}
        days = (first + timedelta(days=number) for number in range((self.horizon - first).days + 1))
        self.stops = [self.instant(datetime.combine(day, hour_of[day.day])) for day in days if day.day in hour_of]

    def instant(self, at: datetime) -> datetime:
        """A local time. In the hour that is skipped the winter offset holds, in the one repeated the summer's."""
        return datetime.fromisoformat(at.replace(tzinfo=self._zone).isoformat())

    def midnight(self, day: date) -> datetime:
        """When a local day begins."""
        return self.instant(datetime.combine(day, time()))

    def local(self, at: datetime) -> str:
        """An instant as the platform is told it: with the offset that the program's clocks have then."""
        return at.astimezone(self._zone).isoformat()

    def in_force(self, plans: list[Json], at: datetime) -> Json:
        """Of the mapping's plans the one in force at an instant."""
        *_, plan = (each["plan"] for each in plans if self.midnight(date.fromisoformat(each["from"])) <= at)
        return dict(plan)

    def release_after(self, at: datetime, rhythm: str) -> datetime:
        """The first release after an instant: at 10:00, `daily`, `weekly:1..7` or `monthly:1..28`."""
        every, _, number = rhythm.partition(":")
        first = at.astimezone(self._zone).date()
        for day in (first + timedelta(days=count) for count in range(40)):
            released = self.instant(datetime.combine(day, time(10)))
            if (
                released > at
                and number == {"daily": "", "weekly": f"{day.isoweekday()}", "monthly": f"{day.day}"}[every]
            ):
                return released
        raise ValueError(f"{rhythm} never comes")

    def told_at(self, at: datetime) -> datetime | None:
        """The first stop at or after an instant; None after the last stop."""
        return next((stop for stop in self.stops if stop >= at), None)


def stops_of(
    rhythm: Rhythm, standings: list[Standing], asks: list[Ask], clicks: list[Click], orders: list[Order]
) -> Iterator[Stop]:
    """The stops at which there is something to tell, by time."""
    facts = [(order, fact) for order in orders for fact in order.facts]
    for at in (stop.isoformat() for stop in rhythm.stops):
        stop = Stop(
            at,
            tuple(each for each in standings if each.told_at == at),
            tuple(each for each in asks if each.told_at == at),
            tuple(each for each in clicks if each.told_at == at),
            tuple((order, fact) for order, fact in facts if fact.told_at == at and fact.early),
            tuple(each for each in orders if each.told_at == at),
            tuple((order, fact) for order, fact in facts if fact.told_at == at and not fact.early),
        )
        if stop.told:
            yield stop


def _months_later(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    return date(day.year + years, month + 1, 1)
