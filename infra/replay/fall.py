"""One fall told in full: the months that were missed, and an order of before and one of after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from infra.replay.client import Api
from infra.replay.journey import Journey
from infra.replay.oracle import Change
from infra.replay.readback import Readback
from infra.replay.stage import Stage
from infra.replay.stops import Json

MONTHS_SHOWN = 4
FALLS_TRIED = 10
ORDERS_TRIED = 20


@dataclass(frozen=True)
class Month:
    """What a month came to, as the platform recorded it on the 1st after it."""

    begins: date
    volume: int
    target: int
    misses: int


@dataclass(frozen=True)
class Example:
    """An order's line that earned by the level."""

    order_id: str
    paid_at: datetime
    base_minor: int
    rate_bp: int
    exact: str


@dataclass(frozen=True)
class Fall:
    """A level lost to the snail, with its last months, and orders paid before and after if there are any."""

    change: Change
    name: str
    track: str
    months: list[Month]
    before: Example | None
    after: Example | None


def find_fall(auditor: Api, stage: Stage, journey: Journey, readback: Readback) -> Fall | None:
    """The most telling fall: with orders on both sides if possible, from rank 4 if possible. None: nobody fell."""
    falls = [change for change in readback.changes.values() if change.cause == "snail"]
    falls.sort(key=lambda change: (change.from_rank != 4, -change.volume))
    poorer = None
    for change in falls[:FALLS_TRIED]:
        fall = _tell(auditor, stage, journey, readback, change)
        if fall.before and fall.after:
            return fall
        poorer = poorer or fall
    return poorer


def _tell(auditor: Api, stage: Stage, journey: Journey, readback: Readback, change: Change) -> Fall:
    each = stage.distributors[change.seller]
    sold = [order for order in journey.orders if readback.listed(order.order_id).seller == change.seller]
    before = [order.body for order in sold if _day(order.body) < change.day]
    after = [order.body for order in sold if _day(order.body) >= change.day]
    return Fall(
        change,
        each["name"],
        each["track"],
        _months(list(auditor.all(f"/v1/distributors/{each['distributor_id']}/levels")), change.day),
        next(_examples(auditor, before[::-1]), None),
        next(_examples(auditor, after), None),
    )


def _examples(auditor: Api, orders: list[Json]) -> Iterator[Example]:
    for order in orders[:ORDERS_TRIED]:
        told = auditor.get(f"/v1/orders/{order['order_id']}/explanation")
        lines = [line for tier in told["tiers"] if tier["tier"] == 1 for line in tier["lines"]]
        by_level = [line for line in lines if line["rule"] == "level" and line["base_minor"]]
        if by_level:
            line = max(by_level, key=lambda line: line["base_minor"])
            paid_at = datetime.fromisoformat(order["paid_at"])
            yield Example(order["order_id"], paid_at, line["base_minor"], line["rate_bp"], line["exact"])


def _months(records: list[Json], fell_on: date) -> list[Month]:
    """The last months before a fall, oldest first. Where a 1st decided nothing new, the record before it holds."""
    months: list[Month] = []
    first = fell_on
    for _ in range(MONTHS_SHOWN):
        begins = (first - timedelta(days=1)).replace(day=1)
        record = next((each for each in records if begins < date.fromisoformat(each["day"]) <= first), None)
        if record:
            months.insert(0, Month(begins, record["volume"], record["target"], record["misses"]))
        first = begins
    return months


def _day(order: Json) -> date:
    """The local day of payment: the replay tells local times."""
    return datetime.fromisoformat(order["paid_at"]).date()
