"""One distributor's life in plain values, and what the rules make of it: no tables, no HTTP.

Sales are small whole numbers: the rungs of `ROCKET_SNAIL` are those of `rocket-snail-7`, in hundreds of yuan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache, cached_property
from typing import Any
from zoneinfo import ZoneInfo

from chalicelib.distributors.model import Distributor, Status
from chalicelib.ledger.model import Volume
from chalicelib.levels import rules
from chalicelib.levels.model import Grant, Standing, Terms
from chalicelib.programs.model import Demotion, Entry, EntryMode, Level, Measure, Track
from chalicelib.shared import clock
from tests.support_laws import SHANGHAI, program

DAY = timedelta(days=1)
ROCKET_SNAIL = (0, 10, 25, 50, 100, 200, 500)


def day(text: str) -> date:
    """`03-04`, of 2026 unless it says otherwise: `2028-02-29`."""
    return date.fromisoformat(text if len(text) == 10 else f"2026-{text}")


def at(text: str, timezone: str = SHANGHAI) -> datetime:
    """`03-04 10:30`, of 2026 unless it says otherwise, by the local clock."""
    date_text, _, time_text = text.partition(" ")
    return datetime.fromisoformat(f"{day(date_text)}T{time_text}").replace(tzinfo=ZoneInfo(timezone))


@dataclass(frozen=True)
class Rungs:
    """A track's levels, and how one climbs and slides; `misses` None: nobody slides."""

    targets: tuple[int, ...] = ROCKET_SNAIL
    measure: str = "monthly_sales"
    misses: int | None = 3
    steps: int = 1
    promotion: str = "next_day"

    @cached_property
    def track(self) -> Track:
        levels = tuple(Level(rank, f"V{rank}", 100 * rank, target) for rank, target in enumerate(self.targets, start=1))
        demotion = None if self.misses is None else Demotion(self.misses, self.steps)
        return Track("default", Entry(EntryMode.OPEN), levels, Measure(self.measure), self.promotion, demotion, ())


@dataclass(frozen=True)
class Life:
    """What happened to one distributor."""

    joined: date
    sold: Mapping[date, Volume] = field(default_factory=dict)
    plans: tuple[tuple[datetime, Rungs], ...] = ()
    """From when each version is in force, in the order of their versions."""
    given: Mapping[date, int] = field(default_factory=dict)
    """Ranks by hand, by the day on which they were given."""
    suspended: tuple[tuple[datetime, datetime | None], ...] = ()
    timezone: str = SHANGHAI

    @cached_property
    def case(self) -> rules.Case:
        """As the service finds it in the tables."""
        return rules.Case(
            terms=cache(self._terms),
            exempt=lambda month: rules.joined_or_suspended_in(program(self.timezone), self.distributor, month),
            grants={given + DAY: Grant(given + DAY, rank, "why", "wang") for given, rank in self.given.items()},
            volumes=self.sold,
        )

    @property
    def distributor(self) -> Distributor:
        joined_at = datetime(self.joined.year, self.joined.month, self.joined.day, 9, tzinfo=ZoneInfo(self.timezone))
        statuses = [(joined_at, Status.APPROVED)]
        for since, until in self.suspended:
            statuses += [(since, Status.SUSPENDED)] + ([(until, Status.APPROVED)] if until else [])
        return Distributor(
            "shop-1", "dst_A", "mei", "mei", "default", statuses[-1][1], "MEI", None, joined_at, joined_at, {}, {}, 1,
            tuple(statuses), (),
        )  # fmt: skip

    def _terms(self, of: date) -> Terms | None:
        begins = clock.midnight(of, self.timezone)
        judging, then = (_in_force(self.plans, instant) for instant in (begins - timedelta(microseconds=1), begins))
        if judging is None or then is None:
            return None
        return Terms(judging, self.plans[judging - 1][1].track, self.plans[then - 1][1].track)

    @property
    def first(self) -> Standing:
        """The standing of the day on which one joined."""
        return Standing.first(self.joined)

    def standings(self, until: date) -> dict[date, Standing]:
        """Each day's, from the day after the first to `until`."""
        return {each.day: each for each in rules.standings(self.first, self.case, until)}

    def on(self, text: str) -> Standing:
        """The standing of a day."""
        return {self.joined: self.first, **self.standings(day(text))}[day(text)]

    def path(self, until: str) -> list[tuple[str, int]]:
        """The rank at the beginning, and each other one with the day from which it held."""
        ranks = [(self.joined.isoformat()[5:], 1)]
        for of, standing in self.standings(day(until)).items():
            if standing.rank != ranks[-1][1]:
                ranks.append((of.isoformat()[5:], standing.rank))
        return ranks

    def but(self, **changes: Any) -> "Life":
        """The same life but for this."""
        return replace(self, **changes)


def _in_force(plans: Iterable[tuple[datetime, Rungs]], instant: datetime) -> int | None:
    marks = [(effective_at, version) for version, (effective_at, _) in enumerate(plans, 1) if effective_at <= instant]
    return max(marks)[1] if marks else None


def life(
    sold: Mapping[str, int | tuple[int, int]] | None = None,
    rungs: Rungs | None = None,
    *,
    joined: str = "01-10",
    plans: Mapping[str, Rungs] | None = None,
    given: Mapping[str, int] | None = None,
    suspended: Iterable[tuple[str, str | None]] = (),
) -> Life:
    """A life told briefly: days as `03-04`; sales, or sales and orders (one where only sales are told)."""
    later = [(at(since), of) for since, of in (plans or {}).items()]
    return Life(
        joined=day(joined),
        sold={day(of): Volume(*(told if isinstance(told, tuple) else (told, 1))) for of, told in (sold or {}).items()},
        plans=((at("2025-01-01 00:00"), rungs or Rungs()), *later),
        given={day(of): rank for of, rank in (given or {}).items()},
        suspended=tuple((at(since), None if until is None else at(until)) for since, until in suspended),
    )
