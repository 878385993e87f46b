"""The nouns of levels.

A distributor's standing on a day is its rank, the misses that count against it, and the sums that the next day's rank
is decided from. Volumes of the room are in the measure of the track: minor units, or orders.
"""

from datetime import date
from enum import StrEnum

from msgspec.structs import replace

from chalicelib.ledger.model import Volume
from chalicelib.programs.model import Level, Measure, Track
from chalicelib.shared.value import Value

NOTHING = Volume()


class Cause(StrEnum):
    """Why a rank was decided as it was."""

    ROCKET = "rocket"
    """Enough was sold: up, without passing through the ranks between."""
    SNAIL = "snail"
    """Too many months in a row were missed: down a step."""
    HAND = "hand"
    """An operator gave it."""


def first_of_month(day: date) -> date:
    """The 1st of a day's month."""
    return day.replace(day=1)


class Grant(Value):
    """A rank given by hand; it holds from the midnight that begins `day`, the day after the one it was given on."""

    day: date
    rank: int
    reason: str
    actor: str

    @property
    def month(self) -> date:
        """The 1st of the month of the day on which it was given: that month adds no miss."""
        return first_of_month(date.fromordinal(self.day.toordinal() - 1))


class Sums(Value):
    """What counted up to the day before a standing's: in that day's month, in all, and since the last lowering."""

    month: date
    """The 1st of the month that `of_month` is of."""
    of_month: Volume = NOTHING
    of_life: Volume = NOTHING
    lowered_on: date | None = None
    """The day from which the last lowering by hand holds; None: there was none."""
    since_lowered: Volume = NOTHING

    def with_day(self, day: date, volume: Volume) -> "Sums":
        """The sums once `day` is over."""
        month = first_of_month(day)
        return replace(
            self,
            month=month,
            of_month=self.of_month + volume if month == self.month else volume,
            of_life=self.of_life + volume,
            since_lowered=NOTHING if self.lowered_on is None else self.since_lowered + volume,
        )

    def lowered(self, day: date) -> "Sums":
        """The sums after a lowering that holds from `day`: only what counts from then on lifts."""
        return replace(self, lowered_on=day, since_lowered=NOTHING)

    def lifting(self, measure: Measure) -> int:
        """The volume that decides how high one rises."""
        lowered = self.lowered_on is not None and (not measure.monthly or self.lowered_on > self.month)
        return measured(self.since_lowered if lowered else self._whole(measure), measure)

    def of(self, measure: Measure) -> int:
        """The volume of the month, or of the lifetime."""
        return measured(self._whole(measure), measure)

    def _whole(self, measure: Measure) -> Volume:
        return self.of_month if measure.monthly else self.of_life


def measured(volume: Volume, measure: Measure) -> int:
    """A volume in the unit of a measure: minor units, or orders."""
    return volume.sales_minor if measure in (Measure.MONTHLY_SALES, Measure.LIFETIME_SALES) else volume.orders


class Standing(Value):
    """How a distributor stands on `day`: decided from what counted up to the day before. Once decided, never changed.

    `volume` is what was compared with `target`; both 0 where nothing was.
    """

    day: date
    rank: int
    sums: Sums
    misses: int = 0
    from_rank: int = 1
    """The rank of the day before."""
    cause: Cause | None = None
    reason: str | None = None
    volume: int = 0
    target: int = 0
    plan_version: int | None = None
    """The plan that decided; None: none was in force."""
    granted_month: date | None = None
    """The 1st of the month in which the last grant was given."""

    @property
    def changes(self) -> bool:
        """Whether it belongs in the list of changes: another rank than the day before, or a grant."""
        return self.rank != self.from_rank or self.cause is Cause.HAND

    @classmethod
    def first(cls, day: date) -> "Standing":
        """Everyone's at the beginning."""
        return cls(day, 1, Sums(first_of_month(day)))

    def carried(self, day: date) -> "Standing":
        """The same on a later `day`, when nothing counted or was decided between."""
        if day <= self.day:
            return self
        month = first_of_month(date.fromordinal(day.toordinal() - 1))
        of_month = self.sums.of_month if month == self.sums.month else NOTHING
        sums = replace(self.sums, month=month, of_month=of_month)
        return replace(self, day=day, sums=sums, from_rank=self.rank, cause=None, reason=None)


class Terms(Value):
    """What a rank is decided by: a track, as the plan in force when the day before ended has it."""

    plan_version: int
    track: Track
    track_then: Track
    """As the plan in force when the day begins has it: nobody stands above its highest rank."""

    @property
    def top_rank(self) -> int:
        """The highest rank one can have on the day."""
        return len(self.track_then.levels)


class Rank(Value):
    """The rank an order is judged with; not `decided`: as the facts so far give it."""

    rank: int
    decided: bool


class Progress(Value):
    """Where a distributor stands today, and what it takes to rise or not to fall."""

    day: date
    level: Level
    provisional: bool
    measure: Measure
    volume: int
    next_level: Level | None
    missing: int
    """What is missing to `next_level`; 0 without one."""
    tomorrow: Level
    misses: int
    misses_to_fall: int | None
    """How many more missed months lower the rank; None: it can't fall."""
    spared: bool
    """Whether this month adds no miss."""
    wipe_missing: int | None
    """What is missing by `wipe_by` so that the misses are forgotten; None: there are none."""
    wipe_by: date | None


class Outcome(StrEnum):
    """What the next close, or the next 1st, would bring somebody."""

    RISES = "rises"
    FALLS = "falls"
    AT_RISK = "at_risk"
    """The month would be missed, without falling yet."""


class Forecast(Value):
    """What would come of what is known now: on `day`, from one rank to another, with the misses that stand now."""

    distributor_id: str
    day: date
    from_rank: int
    to_rank: int
    misses: int
    outcome: Outcome
