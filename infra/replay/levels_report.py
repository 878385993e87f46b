"""What a replay did to the levels, in words and aligned columns."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from fractions import Fraction

from infra.replay.fall import Example, Fall
from infra.replay.journey import Journey
from infra.replay.oracle import Change
from infra.replay.stage import Stage
from infra.replay.words import day, money, percent

KINDS = ("rises", "over a rank or more", "falls", "by hand")


def movements(journey: Journey, changes: list[Change]) -> Iterator[str]:
    """How many rose and fell in each month."""
    months = _months(journey)
    counted: dict[str, Counter[date]] = {kind: Counter() for kind in KINDS}
    for change in changes:
        for kind in _kinds(change):
            counted[kind][change.day.replace(day=1)] += 1
    yield f"{'Levels':<24}{''.join(f'{month:%b}'.rjust(5) for month in months)}    all"
    for kind, by_month in counted.items():
        indented = f"{'    ' if kind == KINDS[1] else '  '}{kind}"
        yield f"{indented:<24}{''.join(f'{by_month[month]:>5}' for month in months)}{by_month.total():>7}"


def histories(journey: Journey, stage: Stage, changes: list[Change]) -> Iterator[str]:
    """Each distributor's level on the last day of each month, and on the day on which the clock stands."""
    *months, _ = _months(journey)
    names, today = _level_names(journey), datetime.fromisoformat(journey.ends).date()
    yield f"Level on the last day of each month, and on {day(today)}"
    for user_id, each in stage.distributors.items():
        if each["status"] == "pending":
            continue
        mine = sorted((change for change in changes if change.seller == user_id), key=lambda change: change.day)
        line = f"  {each['name']:<8}"
        for month in months:
            rank = _rank_on(mine, _next_first(month) - timedelta(days=1))
            line += f"{month:%b} {names[each['track'], rank]:<8}"
        yield f"{line}now {names[each['track'], _rank_on(mine, today)]}"


def explained(fall: Fall | None, journey: Journey, currency: str) -> Iterator[str]:
    """One fall, with its months and an order of before and one of after."""
    if fall is None:
        yield "Nobody fell."
        return
    change, names, orders = fall.change, _level_names(journey), _counts_orders(fall, journey)
    held, now = names[fall.track, change.from_rank], names[fall.track, change.to_rank]
    rates = [each.rate_bp for each in (fall.before, fall.after) if each]
    title = " to ".join(f"{percent(rate)} %" for rate in rates) if len(rates) == 2 else "A fall"
    yield f"{title}: {fall.name} falls from {held} to {now} on {day(change.day)}"
    yield f"    month {'orders' if orders else currency:>12}{held + ' asks':>16}  misses"
    misses = 0
    for month in fall.months:
        sold, asked = (str(each) if orders else money(each) for each in (month.volume, month.target))
        told = f"{misses + 1}, so down" if month is fall.months[-1] else str(month.misses)
        misses = month.misses
        yield f"    {month.begins:%b}{sold:>15}{asked:>16}  {told}"
    for when, example in (("before", fall.before), ("after", fall.after)):
        if example:
            yield f"  {when:<8}{_told(example, currency)}"


def _told(example: Example, currency: str) -> str:
    earned = f"{percent(example.rate_bp)} % of {money(example.base_minor)} {currency}"
    exact = Fraction(example.exact)
    return (
        f"order {example.order_id}, paid {example.paid_at:%-d %b %H:%M}: a line earns {earned}, {float(exact):.2f} fen"
    )


def _kinds(change: Change) -> Iterator[str]:
    if change.cause == "hand":
        yield "by hand"
    elif change.to_rank < change.from_rank:
        yield "falls"
    else:
        yield "rises"
        if change.to_rank > change.from_rank + 1:
            yield "over a rank or more"


def _rank_on(changes: list[Change], on: date) -> int:
    return next((change.to_rank for change in reversed(changes) if change.day <= on), 1)


def _months(journey: Journey) -> list[date]:
    """The 1sts from the first month to the one in which the clock stands."""
    month, last = (datetime.fromisoformat(at).date().replace(day=1) for at in (journey.starts, journey.ends))
    months = [month]
    while months[-1] < last:
        months.append(_next_first(months[-1]))
    return months


def _next_first(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _level_names(journey: Journey) -> dict[tuple[str, int], str]:
    """By track and rank; every version of the plan uses the same."""
    return {
        (name, level["rank"]): level["name"]
        for plan in journey.plans
        for name, track in plan["plan"]["tracks"].items()
        for level in track["levels"]
    }


def _counts_orders(fall: Fall, journey: Journey) -> bool:
    track = journey.plans[fall.change.plan_version - 1]["plan"]["tracks"][fall.track]
    return bool(track["measure"].endswith("_orders"))
