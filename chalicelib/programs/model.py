"""A program is one merchant's promise to its distributors; its plan says how much, to whom, and when.

The plan's meaning is in docs/plan.md. Rates are basis points, amounts minor units, targets minor units or orders.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from msgspec import convert, field

from chalicelib.shared import clock
from chalicelib.shared.value import Value


class Mode(StrEnum):
    """A test program has a clock of its own; money of a live one is real."""

    LIVE = "live"
    TEST = "test"


class EntryMode(StrEnum):
    """How one becomes a distributor of a track."""

    OPEN = "open"
    REVIEW = "review"
    INVITE = "invite"
    PURCHASE = "purchase"


class Measure(StrEnum):
    """What a level's target counts."""

    MONTHLY_SALES = "monthly_sales"
    MONTHLY_ORDERS = "monthly_orders"
    LIFETIME_SALES = "lifetime_sales"
    LIFETIME_ORDERS = "lifetime_orders"

    @property
    def monthly(self) -> bool:
        """Whether it starts anew each month."""
        return self in (Measure.MONTHLY_SALES, Measure.MONTHLY_ORDERS)


class Evidence(StrEnum):
    """What can say whose order it is."""

    BINDING = "binding"
    CODE = "code"
    COUPON = "coupon"
    CLICK = "click"


class Takeover(StrEnum):
    """Whether another distributor may take a bound customer."""

    NEVER = "never"
    ALWAYS = "always"
    AFTER_DAYS = "after_days"


class SelfPurchase(StrEnum):
    """Who is credited with a distributor's own order."""

    SELF = "self"
    SPONSOR = "sponsor"
    NONE = "none"


class OverCap(StrEnum):
    """What the plan check does with rates that pass the cap."""

    REFUSE = "refuse"
    CLAMP = "clamp"


class HoldStart(StrEnum):
    """When a commission's hold begins."""

    COMPLETED = "completed"
    PAID = "paid"


class Entry(Value):
    """How one enters a track. `skus`, `amount_minor`, `orders` only with `purchase`."""

    mode: EntryMode
    skus: tuple[str, ...] = ()
    amount_minor: int = 0
    orders: int = 0


class Level(Value):
    """A rank, its rate, and the volume that earns it."""

    rank: int
    name: str
    rate_bp: int
    target: int


class Demotion(Value):
    """The snail: after `misses` missed months in a row, `steps` ranks down."""

    misses: int
    steps: int


class Track(Value):
    """One ladder of levels, and what its sellers' uplines earn: `upline_rates_bp` of tiers 2 and 3."""

    name: str
    entry: Entry
    levels: tuple[Level, ...]
    measure: Measure
    promotion: str
    demotion: Demotion | None
    upline_rates_bp: tuple[int, ...]

    def highest(self, rank: int) -> Level:
        """The level of a rank; where the track doesn't reach so high, its highest."""
        return self.levels[min(rank, len(self.levels)) - 1]


class BindingTerms(Value):
    """How long a customer stays bound (`days` 0: for ever), and who may take it over."""

    days: int
    takeover: Takeover
    takeover_after_days: int
    bind_on_order: bool


class AttributionTerms(Value):
    """In which order evidence is tried, and how old a click may be."""

    precedence: tuple[Evidence, ...]
    click_days: int
    binding: BindingTerms


class CommissionTerms(Value):
    """Own orders, and the most that an order may pay out: `cap_bp` of its base."""

    self_purchase: SelfPurchase
    cap_bp: int
    over_cap: OverCap


class Hold(Value):
    """How long a commission stays pending, and when an order completes itself."""

    starts: HoldStart
    days: int
    auto_complete_days: int


class Channel(Value):
    """Within how many hours a channel's payout is promised to arrive; peak days have their own."""

    sla_hours: int
    peak_sla_hours: int


class WithdrawalTerms(Value):
    """Limits, fees and rhythm of withdrawals."""

    min_minor: int
    max_minor: int
    fee_bp: int
    fee_minor: int
    per_day: int
    review_above_minor: int
    release: str
    method_age_hours: int
    tax: str
    channels: Mapping[str, Channel]
    peak_days: tuple[date, ...]


class Acknowledgement(Value):
    """That somebody knowingly accepted something the plan check asks about."""

    of: str
    by: str
    reason: str


class Plan(Value):
    """The whole plan of one version."""

    tracks: Mapping[str, Track]
    attribution: AttributionTerms
    commission: CommissionTerms
    close_hours: int
    hold: Hold
    withdrawal: WithdrawalTerms
    acknowledgements: tuple[Acknowledgement, ...]


def read_plan(document: Mapping[str, Any]) -> Plan:
    """What a plan's JSON means; every field of it is written out. Fields that this code doesn't know mean nothing."""
    tracks = {
        name: track | {"name": name, "upline_rates_bp": [upline["rate_bp"] for upline in track["uplines"]]}
        for name, track in document["tracks"].items()
    }
    return convert({**document, "tracks": tracks}, Plan)


class PlanInForce(Value):
    """A plan and the version it is."""

    version: int
    plan: Plan


class PlanMark(Value):
    """That a version takes effect at an instant."""

    version: int
    effective_at: datetime


class PlanVersion(Value):
    """A published plan as it is kept. `document` is the whole plan as JSON, every field written out."""

    version: int
    effective_at: datetime
    published_at: datetime
    published_by: str
    document: Mapping[str, object]


class Pause(Value):
    """A time in which orders credit nobody; `until` None: it lasts."""

    since: datetime
    until: datetime | None


class NewProgram(Value):
    """What a program is made of. `now`: where a test program's clock first stands."""

    program_id: str
    name: str
    currency: str
    timezone: str
    country: str
    mode: Mode
    now: datetime | None = None


class Program(Value):
    """One merchant's program. Currency, time zone, country and mode never change."""

    program_id: str
    name: str
    currency: str
    timezone: str
    country: str
    mode: Mode
    kill_switch: bool
    created_at: datetime
    clock_at: datetime | None
    """Where a test program's clock stands; None: real time."""
    plans: tuple[PlanMark, ...]
    """In the order of their versions."""
    pauses: tuple[Pause, ...]
    """Oldest first."""
    moving_to: datetime | None = None
    """Where a test program's clock is on its way to; None: it stands still."""
    held: Mapping[str, Mapping[int, date]] = field(default_factory=dict)
    """Ranks above 1 that somebody has, by track, each with the last day for which that is known."""

    def now(self) -> datetime:
        """The program's clock: real time, or where a test program's clock stands."""
        return self.clock_at or clock.now()

    @property
    def paused(self) -> bool:
        """Whether it is paused now."""
        return bool(self.pauses) and self.pauses[-1].until is None

    def paused_at(self, at: datetime) -> bool:
        """Whether it was paused at an instant (the end of a pause is outside it)."""
        return any(p.since <= at and (p.until is None or at < p.until) for p in self.pauses)

    @property
    def created_day(self) -> date:
        """The local day it was made on."""
        return self.local_day(self.created_at)

    def midnight(self, day: date) -> datetime:
        """The instant a local day begins."""
        return clock.midnight(day, self.timezone)

    def plan_versions_on(self, day: date) -> set[int]:
        """The versions in force at some time of a local day."""
        begins, ends = self.midnight(day), self.midnight(date.fromordinal(day.toordinal() + 1))
        new = {self.plan_version_at(mark.effective_at) for mark in self.plans if begins < mark.effective_at < ends}
        return {version for version in (self.plan_version_at(begins), *new) if version is not None}

    def plan_version_at(self, at: datetime) -> int | None:
        """The version in force at an instant; of two with one `effective_at` the later version. None: none yet."""
        marks = [mark for mark in self.plans if mark.effective_at <= at]
        return max(marks, key=lambda mark: (mark.effective_at, mark.version)).version if marks else None

    def local_day(self, at: datetime) -> date:
        """The program's local day of an instant."""
        return clock.local_day(at, self.timezone)

    def close_of(self, day: date, close_hours: int) -> datetime:
        """The instant after which facts no longer count for `day`: midnight after it + `close_hours`."""
        return self.midnight(date.fromordinal(day.toordinal() + 1)) + clock.hours(close_hours)
