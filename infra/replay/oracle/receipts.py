"""What was bought and what was taken back, from the raw files, and when the platform is told of it."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache

from infra.replay.oracle.world import DAY, Json, World, minor, table, user, utc


@dataclass(frozen=True)
class Item:
    """A basket's line: what was paid for it, and what is left of that and of its units."""

    sku: str
    paid: int
    base: int
    units: int


@dataclass(frozen=True)
class Back:
    """A refund or a cancellation: when the platform is told, what came back line by line, money and units."""

    told: datetime
    money: list[int]
    units: list[int]
    before: bool = False
    """Whether it was told before its order."""


@dataclass(frozen=True)
class Done:
    """That the order was completed: when, and when the platform is told."""

    at: datetime
    told: datetime
    by_order: bool
    """Whether the order itself says so."""


@dataclass(frozen=True)
class Receipt:
    """A basket as the oracle sees it."""

    basket: int
    household: int
    at: datetime
    told: datetime
    bought: list[tuple[str, int, int]]
    """The lines: sku, what was paid, units."""
    coupons: list[str]
    backs: list[Back] = field(default_factory=list)
    before: str | None = None
    """What was already true of it when it arrived."""
    done: Done | None = None
    """None: nobody says that it was completed."""

    @property
    def name(self) -> str:
        """The order's id."""
        return f"b-{self.basket}"

    def items(self, backs: Collection[Back] | None = None) -> list[Item]:
        """The lines with what is left of them after all that came back, or after these."""
        if backs is None:
            backs = self.backs
        return [
            Item(
                sku,
                paid,
                max(0, paid - sum(back.money[i] for back in backs)),
                max(0, units - sum(back.units[i] for back in backs)),
            )
            for i, (sku, paid, units) in enumerate(self.bought)
        ]


def read_receipts(world: World) -> list[Receipt]:
    """The baskets of those who buy, by time."""
    baskets: dict[int, list[Json]] = defaultdict(list)
    for row in _rows_of(frozenset(world.households)):
        baskets[row["basket_id"]].append(row)
    fitting = {
        number: sorted(rows, key=lambda row: int(row["product_id"]))
        for number, rows in baskets.items()
        if len(rows) <= world.mapping["orders"]["lines_max"]
    }
    coupons = _coupons(fitting)
    receipts = [
        _receipt(world, number, rows, coupons[number])
        for number, rows in fitting.items()
        if rows[0]["household_id"] in world.buyers and _stamp(rows).date() < world.horizon
    ]
    return sorted(receipts, key=lambda receipt: (receipt.at, receipt.basket))


@cache
def _rows_of(households: frozenset[int]) -> list[Json]:
    return table("transactions", filters=[("household_id", "in", households)])


def _receipt(world: World, number: int, rows: list[Json], coupons: list[str]) -> Receipt:
    rate = world.mapping["orders"]["minor_per_cent"]
    bought = [
        (
            str(row["product_id"]),
            max(0, minor(row["sales_value"], rate) - minor(row["coupon_disc"], rate)),
            row["quantity"],
        )
        for row in rows
    ]
    household, at = rows[0]["household_id"], utc(_stamp(rows))
    told = world.stop_after(at)
    if told is None:
        raise ValueError(f"basket {number} was paid after the last stop")
    early = user(household) in world.willing() and world.yes("early", number, world.mapping["early"]["share_bp"])
    backs = list(_backs(world, number, at, told, bought, early))
    before = _before(world, number, bought, backs)
    done = _done(world, number, at, told)
    return Receipt(number, household, at, told, bought, coupons, backs, before, done)


def _stamp(rows: list[Json]) -> datetime:
    stamp: datetime = rows[0]["transaction_timestamp"].to_pydatetime()
    return stamp


def _before(world: World, number: int, bought: list[tuple[str, int, int]], backs: list[Back]) -> str | None:
    """Some orders of approved distributors meet a cancellation or a full refund that is told before them."""
    money = [back.money for back in backs if back.before]
    if not money:
        return None
    if _cancelled(world, number):
        return "cancelled"
    paid = [paid for _, paid, _ in bought]
    nothing_left = all(sum(parts) >= amount for amount, *parts in zip(paid, *money, strict=True))
    return "fully_refunded" if any(paid) and nothing_left else None


def _done(world: World, number: int, at: datetime, told: datetime) -> Done | None:
    """The completion of an order that isn't cancelled; half of those that are known when it is told, it says itself."""
    section = world.mapping["completions"]
    if _cancelled(world, number) or not world.yes("complete", number, section["share_bp"]):
        return None
    done = at + (1 + world.draw("complete-after", number) % section["days_max"]) * DAY
    stop = world.stop_after(done)
    if stop is None:
        return None
    by_order = done <= told and world.yes("told-at-once", number, section["at_once_bp"])
    return Done(done, max(stop, told), by_order)


def _cancelled(world: World, number: int) -> bool:
    return world.yes("cancel", number, world.mapping["cancellations"]["share_bp"])


def _backs(
    world: World, number: int, at: datetime, told: datetime, bought: list[tuple[str, int, int]], early: bool
) -> Iterator[Back]:
    """What comes back in time to be told of, at the first stop after it happened, but never before the order."""
    for days, money, units in _given_back(world, number, bought):
        stop = world.stop_after(at + days * DAY)
        if stop:
            yield Back(max(stop, told), money, units, before=early and stop <= told)


def _given_back(
    world: World, number: int, bought: list[tuple[str, int, int]]
) -> Iterator[tuple[int, list[int], list[int]]]:
    """So many days after it was paid, so much money and so many units, line by line."""
    paid, units = [paid for _, paid, _ in bought], [units for _, _, units in bought]
    if _cancelled(world, number):
        yield world.mapping["cancellations"]["after_days"], paid, units
        return
    section = world.mapping["refunds"]
    if not any(paid) or not world.yes("refund", number, section["share_bp"]):
        return
    kind = section["kinds"][world.draw("refund-kind", number) % len(section["kinds"])]
    first = 1 + world.draw("refund-after", number) % section["days_max"]
    if kind == "full":
        yield first, paid, units
    elif kind == "several":
        for later in range(3):
            yield first + later, [amount // 5 for amount in paid], [count // 5 for count in units]
    else:
        dearest = paid.index(max(paid))
        part = world.draw("refund-part", number) % 10001 if kind == "partial" else 10000
        more = section["over_minor"] if kind == "over" else 0
        yield (
            first,
            [paid[i] * part // 10000 + more if i == dearest else 0 for i in range(len(paid))],
            [units[i] * part // 10000 if i == dearest else 0 for i in range(len(paid))],
        )


def _coupons(baskets: dict[int, list[Json]]) -> dict[int, list[str]]:
    """The coupons on each basket, lowest number first."""
    homes: dict[tuple[int, date], tuple[datetime, int]] = {}
    for number, rows in baskets.items():
        if any(row["coupon_disc"] > 0 for row in rows):
            key = (rows[0]["household_id"], _stamp(rows).date())
            homes[key] = min(homes.get(key, (_stamp(rows), number)), (_stamp(rows), number))
    found: dict[int, set[int]] = defaultdict(set)
    for row in table("coupon_redemptions"):
        home = homes.get((row["household_id"], row["redemption_date"].date()))
        if home:
            found[home[1]].add(row["coupon_upc"])
    return defaultdict(list, {number: [str(upc) for upc in sorted(upcs)] for number, upcs in found.items()})


@dataclass(frozen=True)
class Clicks:
    """Each customer's clicks by time: when, and on whose link."""

    by_customer: dict[str, list[tuple[datetime, str]]]

    def last(self, customer: str, at: datetime) -> tuple[datetime, str] | None:
        """The last click at or before an instant."""
        mine = self.by_customer.get(customer, [])
        count = bisect_right(mine, at, key=lambda click: click[0])
        return mine[count - 1] if count else None


def read_clicks(world: World, receipts: list[Receipt]) -> Clicks:
    """The clicks that the mapping adds to the baskets."""
    section = world.mapping["customers"]
    links = [seller for seller in world.willing() if not world.role(seller).get("suspended_on")]
    clicks: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for receipt in receipts:
        kind = world.kind(receipt.household)
        if kind and world.yes("click", receipt.basket, kind["click_bp"]):
            age = world.draw("click-age", receipt.basket) % section["click_age_days"]
            at = receipt.at - age * DAY - timedelta(hours=1)
            if at >= world.starts:
                whose = links[world.draw("click-of", receipt.basket) % len(links)]
                clicks[user(receipt.household)].append((at, whose))
    return Clicks({customer: sorted(theirs) for customer, theirs in clicks.items()})
