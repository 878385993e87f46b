"""The plan check: what a plan may not promise, and what deserves a second look. docs/plan.md says each in words.

Pure: the plans before and after, the clock and what other rooms know come as arguments. Pointers are into the body
that published the plan, where the plan is under `/plan`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from msgspec import field

from chalicelib.programs.model import (
    EntryMode,
    Evidence,
    Mode,
    OverCap,
    Plan,
    PlanMark,
    Program,
    Track,
)
from chalicelib.shared import clock
from chalicelib.shared.errors import FieldError
from chalicelib.shared.value import Value

UPLINES_MAX: Final = 2
"""Uplines beside the seller: three tiers are the hard limit."""

HOLD_DAYS_ADVISED: Final = 7
"""The days in which goods may be returned without a reason, in many places by law."""

CHANNELS: Final = frozenset({"bank", "wechat", "alipay", "stripe", "other"})
"""Payout channels that a plan may name."""

PRETEND: Final = "pretend"
"""The channel that only test programs have."""

THREE_TIERS: Final = "three_tiers"
CHINA: Final = "CN"


class PlanCode(StrEnum):
    """Stable names of what the plan check finds."""

    TOO_MANY_TIERS = "too_many_tiers"
    PURCHASE_WITH_UPLINES = "purchase_with_uplines"
    THREE_TIERS_NOT_ACKNOWLEDGED = "three_tiers_not_acknowledged"
    RANKS_NOT_IN_ORDER = "ranks_not_in_order"
    FIRST_TARGET_NOT_ZERO = "first_target_not_zero"
    TARGETS_NOT_RISING = "targets_not_rising"
    RATES_FALLING = "rates_falling"
    RANK_HELD = "rank_held"
    TRACK_GONE = "track_gone"
    MEASURE_CHANGES_IN_MONTH = "measure_changes_in_month"
    OVER_CAP = "over_cap"
    DEMOTION_WITHOUT_MONTH = "demotion_without_month"
    CONDITIONS_WITHOUT_PURCHASE = "conditions_without_purchase"
    EVIDENCE_REPEATED = "evidence_repeated"
    NO_EVIDENCE = "no_evidence"
    MIN_ABOVE_MAX = "min_above_max"
    UNKNOWN_CHANNEL = "unknown_channel"
    PRETEND_CHANNEL = "pretend_channel"
    # Warnings:
    SHORT_HOLD = "short_hold"
    CAP_CLAMPS_RATES = "cap_clamps_rates"
    CAP_CLAMPS_PRODUCT = "cap_clamps_product"
    MEASURE_CHANGES = "measure_changes"
    PURCHASE_ASKS_NOTHING = "purchase_asks_nothing"


class ProductRate(Value):
    """The rate that a product's rule can pay a seller; fixed amounts aside, since prices aren't known here."""

    sku: str
    rate_bp: int


class Change(Value):
    """That one plan takes over from another; `at` None: nobody has said when."""

    before: Plan
    after: Plan
    at: datetime | None


class Context(Value):
    """What the check knows besides the plan. `changes`: from the plan before it, and to one published to follow it.

    `held`: ranks above 1 that somebody has, by track. `products`: rates of product rules. Both are known to rooms
    above this one, which give them; without them their checks find nothing.
    """

    country: str
    mode: Mode
    timezone: str
    changes: Sequence[Change] = ()
    held: Mapping[str, Collection[int]] = field(default_factory=dict)
    products: Sequence[ProductRate] = ()


class Findings(Value):
    """Problems refuse a plan, warnings don't."""

    problems: tuple[FieldError, ...]
    warnings: tuple[FieldError, ...]


def check(plan: Plan, context: Context) -> Findings:
    """Everything that is wrong with a plan, and everything worth a second look, not only the first of each."""
    problems = [found for track in plan.tracks.values() for found in _track_problems(track, plan, context)]
    problems += _plan_problems(plan, context)
    problems += [found for change in context.changes for found in _change_problems(change, context.timezone)]
    warnings = [found for track in plan.tracks.values() for found in _track_warnings(track, plan, context)]
    warnings += [found for change in context.changes for found in _change_warnings(change)]
    if plan.hold.days < HOLD_DAYS_ADVISED:
        advice = f"With fewer than {HOLD_DAYS_ADVISED} days, money may be paid out for goods that come back."
        warnings.append(_found("/plan/hold/days", PlanCode.SHORT_HOLD, advice))
    return Findings(tuple(problems), tuple(warnings))


def neighbours(program: Program, at: datetime) -> tuple[PlanMark | None, PlanMark | None]:
    """The published plans between which a new version taking effect `at` would stand.

    The first is the one it takes over from: of several at one instant the last version. One that is in force at this
    very instant was in force, even if the new version takes effect at the same instant.
    """
    taken_over = [mark for mark in program.plans if mark.effective_at < at or mark.effective_at == at <= program.now()]
    following = [mark for mark in program.plans if mark.effective_at > at]
    before = max(taken_over, key=lambda mark: (mark.effective_at, mark.version), default=None)
    after = min(following, key=lambda mark: (mark.effective_at, -mark.version), default=None)
    return before, after


def begins_month(at: datetime, timezone: str) -> bool:
    """Whether an instant is a local month's first midnight."""
    day = clock.local_day(at, timezone)
    return day.day == 1 and at == clock.midnight(day, timezone)


def still_needed(until: datetime | None, now: datetime) -> bool:
    """Whether a pause that ended then can still matter: an order may be told of up to 400 days late."""
    return until is None or until >= now - clock.BACK_MAX - timedelta(days=1)


def held_ranks(
    before: Mapping[str, Mapping[int, date]], found: Mapping[str, Collection[int]], day: date
) -> dict[str, dict[int, date]]:
    """The ranks above 1 that somebody has, by track, once `found` is known of a day: what is known for later stays."""
    ranks = {track: {rank: day for rank in of_track if rank > 1} for track, of_track in found.items()}
    for track, of_track in before.items():
        ranks[track] = {**ranks.get(track, {}), **{rank: known for rank, known in of_track.items() if known > day}}
    return {track: of_track for track, of_track in ranks.items() if of_track}


def _found(pointer: str, code: PlanCode, message: str) -> FieldError:
    return FieldError(pointer, code, message)


def _track_problems(track: Track, plan: Plan, context: Context) -> Iterator[FieldError]:
    where = f"/plan/tracks/{track.name}"
    if len(track.upline_rates_bp) > UPLINES_MAX:
        words = "The seller and two uplines are the limit: nobody earns on a fourth tier."
        yield _found(f"{where}/uplines", PlanCode.TOO_MANY_TIERS, words)
    yield from _entry_problems(track, where, context)
    yield from _level_problems(track, where)
    if track.demotion and not track.measure.monthly:
        words = "Only a monthly measure can be missed; a lifetime's volume never falls."
        yield _found(f"{where}/demotion", PlanCode.DEMOTION_WITHOUT_MONTH, words)
    highest = _highest_bp(track)
    if highest > plan.commission.cap_bp and plan.commission.over_cap is OverCap.REFUSE:
        words = f"The top level and the uplines of track {track.name} pay {highest} bp together, which passes the cap."
        yield _found("/plan/commission/cap_bp", PlanCode.OVER_CAP, words)
    for rank in sorted(context.held.get(track.name, ())):
        if rank > len(track.levels):
            words = f"Somebody holds rank {rank}; it can't disappear."
            yield _found(f"{where}/levels", PlanCode.RANK_HELD, words)


def _entry_problems(track: Track, where: str, context: Context) -> Iterator[FieldError]:
    entry = track.entry
    if entry.mode is EntryMode.PURCHASE:
        if track.upline_rates_bp and context.country == CHINA:
            words = "In CN nobody may earn on people who had to buy their way in."
            yield _found(f"{where}/entry", PlanCode.PURCHASE_WITH_UPLINES, words)
    elif entry.skus or entry.amount_minor or entry.orders:
        words = f"Conditions are for purchase entry; the mode is {entry.mode}."
        yield _found(f"{where}/entry", PlanCode.CONDITIONS_WITHOUT_PURCHASE, words)


def _level_problems(track: Track, where: str) -> Iterator[FieldError]:
    for place, level in enumerate(track.levels):
        if level.rank != place + 1:
            words = f"Ranks are 1, 2, 3 and so on, in order: here stands {place + 1}, not {level.rank}."
            yield _found(f"{where}/levels/{place}/rank", PlanCode.RANKS_NOT_IN_ORDER, words)
    if track.levels[0].target != 0:
        words = "Everyone begins at the first rank, so its target is 0."
        yield _found(f"{where}/levels/0/target", PlanCode.FIRST_TARGET_NOT_ZERO, words)
    for place, (lower, higher) in enumerate(pairwise(track.levels), start=1):
        if higher.target <= lower.target:
            words = f"A target is above the one before it, which is {lower.target}."
            yield _found(f"{where}/levels/{place}/target", PlanCode.TARGETS_NOT_RISING, words)
        if higher.rate_bp < lower.rate_bp:
            words = f"A higher rank never pays less; the one before it pays {lower.rate_bp} bp."
            yield _found(f"{where}/levels/{place}/rate_bp", PlanCode.RATES_FALLING, words)


def _plan_problems(plan: Plan, context: Context) -> Iterator[FieldError]:
    acknowledged = any(said.of == THREE_TIERS for said in plan.acknowledgements)
    three_tiers = any(len(track.upline_rates_bp) >= UPLINES_MAX for track in plan.tracks.values())
    if three_tiers and context.country == CHINA and not acknowledged:
        words = f"Three tiers in CN need an acknowledgement of {THREE_TIERS}, with who says so and why."
        yield _found("/plan/acknowledgements", PlanCode.THREE_TIERS_NOT_ACKNOWLEDGED, words)
    precedence = plan.attribution.precedence
    if not precedence:
        words = f"Name at least one of {', '.join(Evidence)}."
        yield _found("/plan/attribution/precedence", PlanCode.NO_EVIDENCE, words)
    if len(set(precedence)) < len(precedence):
        words = "Each kind of evidence is tried once."
        yield _found("/plan/attribution/precedence", PlanCode.EVIDENCE_REPEATED, words)
    if plan.withdrawal.min_minor > plan.withdrawal.max_minor:
        words = "The least that may be withdrawn is above the most."
        yield _found("/plan/withdrawal/min_minor", PlanCode.MIN_ABOVE_MAX, words)
    yield from _channel_problems(plan.withdrawal.channels, context.mode)


def _channel_problems(channels: Collection[str], mode: Mode) -> Iterator[FieldError]:
    for channel in channels:
        where = f"/plan/withdrawal/channels/{channel}"
        if channel == PRETEND and mode is Mode.LIVE:
            yield _found(where, PlanCode.PRETEND_CHANNEL, "Only a test program pretends to pay.")
        elif channel != PRETEND and channel not in CHANNELS:
            words = f"There is no channel {channel}; there are {', '.join(sorted(CHANNELS))}."
            yield _found(where, PlanCode.UNKNOWN_CHANNEL, words)


def _change_problems(change: Change, timezone: str) -> Iterator[FieldError]:
    for name, before in change.before.tracks.items():
        after = change.after.tracks.get(name)
        if after is None:
            words = f"Somebody may be on track {name}; it can't disappear. Entry by invitation keeps others out."
            yield _found("/plan/tracks", PlanCode.TRACK_GONE, words)
        elif after.measure != before.measure and change.at is not None and not begins_month(change.at, timezone):
            words = (
                f"Track {name} may change from {before.measure} to {after.measure} only at a month's first midnight."
            )
            yield _found(f"/plan/tracks/{name}/measure", PlanCode.MEASURE_CHANGES_IN_MONTH, words)


def _change_warnings(change: Change) -> Iterator[FieldError]:
    for name, before in change.before.tracks.items():
        after = change.after.tracks.get(name)
        if after is not None and after.measure != before.measure and change.at is None:
            words = f"From {before.measure} to {after.measure}: it must take effect at a month's first midnight."
            yield _found(f"/plan/tracks/{name}/measure", PlanCode.MEASURE_CHANGES, words)


def _track_warnings(track: Track, plan: Plan, context: Context) -> Iterator[FieldError]:
    cap_bp, uplines_bp = plan.commission.cap_bp, sum(track.upline_rates_bp)
    highest = _highest_bp(track)
    if highest > cap_bp and plan.commission.over_cap is OverCap.CLAMP:
        words = f"The top level and the uplines of track {track.name} pay {highest} bp together; the cap will clamp."
        yield _found("/plan/commission/cap_bp", PlanCode.CAP_CLAMPS_RATES, words)
    for product in context.products:
        if product.rate_bp + uplines_bp > cap_bp:
            words = f"{product.sku} pays {product.rate_bp} bp, with uplines more than the cap, which will clamp."
            yield _found("/plan/commission/cap_bp", PlanCode.CAP_CLAMPS_PRODUCT, words)
    entry = track.entry
    if entry.mode is EntryMode.PURCHASE and not (entry.skus or entry.amount_minor or entry.orders):
        words = "Purchase entry that asks for nothing lets everyone in."
        yield _found(f"/plan/tracks/{track.name}/entry", PlanCode.PURCHASE_ASKS_NOTHING, words)


def _highest_bp(track: Track) -> int:
    """The most that an order of the track can pay without product rules."""
    return max(level.rate_bp for level in track.levels) + sum(track.upline_rates_bp)
