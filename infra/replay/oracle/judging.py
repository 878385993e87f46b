"""Whose order it is, and how much it pays: plan.md's attribution and commission."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from infra.replay.oracle.receipts import Back, Clicks, Item, Receipt
from infra.replay.oracle.world import DAY, Json, World, user


@dataclass(frozen=True)
class Verdict:
    """An order's outcome: user ids and minor units per tier; tiers that get nothing are left out."""

    reason: str
    seller: str | None
    tiers: dict[int, tuple[str, int]]


@dataclass(frozen=True)
class Credit:
    """Whose order it is, and why; without a seller, why nobody's."""

    receipt: Receipt
    reason: str
    seller: str | None


@dataclass
class Bond:
    """A customer's binding; `lives_from` is when its days last began to count."""

    seller: str
    lives_from: datetime


class Judge:
    """Credits receipts, which must come in the order of payment: each may bind its customer."""

    def __init__(self, world: World, clicks: Clicks) -> None:
        self._world = world
        self._clicks = clicks
        bound_at = world.starts + timedelta(minutes=world.mapping["customers"]["bound_after_minutes"])
        self._bonds = {
            user(household): Bond(world.one_of_their_fans(household), bound_at)
            for household in world.households
            if (world.kind(household) or {"bound": False})["bound"]
        }

    # Whose order is it

    def credit(self, receipt: Receipt) -> Credit:
        """Whose order it is. What the order itself says goes first, then the evidence, then the products."""
        nothing_paid = not any(item.paid for item in receipt.items())
        own_reason = receipt.before or ("zero_amount" if nothing_paid else None)
        if own_reason:
            return Credit(receipt, own_reason, None)
        reason, seller = self._attribute(receipt)
        if seller is None:
            return Credit(receipt, reason, None)
        if not self.counting(receipt, seller):
            return Credit(receipt, "product_not_eligible", None)
        if reason != "self_purchase":
            self._remember(receipt, seller)
        return Credit(receipt, reason, seller)

    def _attribute(self, receipt: Receipt) -> tuple[str, str | None]:
        """The reason and the seller; without a seller the first evidence that lost says why."""
        buyer = user(receipt.household)
        if buyer in self._world.willing():
            return self._self_purchase(buyer, receipt.at)
        lost: list[str] = []
        for evidence, seller, why_not in self._evidence(receipt):
            why_not = why_not or self._world.standing(seller, receipt.at)
            if why_not is None:
                return evidence, seller
            lost.append(why_not)
        return (lost[0] if lost else "no_referral"), None

    def _self_purchase(self, buyer: str, at: datetime) -> tuple[str, str | None]:
        policy = self._world.plan(at)["commission"]["self_purchase"]
        seller = {"self": buyer, "sponsor": self._world.sponsor(buyer), "none": None}[policy]
        if seller is None:
            return "self_purchase_excluded", None
        why_not = self._world.standing(seller, at)
        return (why_not, None) if why_not else ("self_purchase", seller)

    def _evidence(self, receipt: Receipt) -> Iterator[tuple[str, str, str | None]]:
        """What speaks for whom, in the plan's order: (evidence, seller, why it loses already)."""
        found: dict[str, tuple[str, str | None]] = {}
        bond = self._bonds.get(user(receipt.household))
        if bond:
            found["binding"] = (bond.seller, None if self._lives(bond, receipt.at) else "binding_expired")
        code = self._code(receipt)
        if code is not None:
            found["code"] = (code, None if code else "unknown_code")
        if receipt.coupons:
            found["coupon"] = (self._coupon_owner(receipt.coupons[0]), None)
        click = self._click(receipt)
        if click:
            found["click"] = (click, None)
        for name in self._world.plan(receipt.at)["attribution"]["precedence"]:
            if name in found:
                yield name, *found[name]

    def _lives(self, bond: Bond, at: datetime) -> bool:
        days: int = self._world.plan(at)["attribution"]["binding"]["days"]
        return days == 0 or at - bond.lives_from <= days * DAY

    def _remember(self, receipt: Receipt, seller: str) -> None:
        """A credited order makes a binding live on, or makes one where none lives."""
        customer = user(receipt.household)
        bond = self._bonds.get(customer)
        if bond and self._lives(bond, receipt.at):
            bond.lives_from = max(bond.lives_from, receipt.at)
        elif self._world.plan(receipt.at)["attribution"]["binding"]["bind_on_order"]:
            self._bonds[customer] = Bond(seller, receipt.at)

    def _code(self, receipt: Receipt) -> str | None:
        """The seller whose code the order carries; "" for a code of nobody's, None without a code."""
        world, number = self._world, receipt.basket
        kind = world.kind(receipt.household)
        if kind is None or not world.yes("code", number, kind["code_bp"]):
            return None
        if world.yes("wrong-code", number, world.mapping["customers"]["wrong_code_bp"]):
            return ""
        return world.sellers[world.draw("code-of", number) % len(world.sellers)]

    def _coupon_owner(self, coupon: str) -> str:
        willing = self._world.willing()
        return willing[self._world.draw("coupon", coupon) % len(willing)]

    def _click(self, receipt: Receipt) -> str | None:
        click = self._clicks.last(user(receipt.household), receipt.at)
        if click is None:
            return None
        at, seller = click
        days = self._world.plan(receipt.at)["attribution"]["click_days"]
        return seller if receipt.at - at <= days * DAY else None

    # How much

    def counting(self, receipt: Receipt, seller: str, backs: Collection[Back] | None = None) -> list[Item]:
        """The lines whose products earn for the seller, after all that came back or after these."""
        track = self._world.role(seller)["track"]

        def counts(sku: str) -> bool:
            rule = self._world.rule(sku, receipt.at)
            return rule is None or (rule["eligible"] and (not rule["tracks"] or track in rule["tracks"]))

        return [item for item in receipt.items(backs) if counts(item.sku)]

    def verdict(self, credit: Credit, rank: int | None, backs: Collection[Back] | None = None) -> Verdict:
        """The order's outcome after all that came back, or after these; its seller having this rank on its day."""
        if credit.seller is None or rank is None:
            return Verdict(credit.reason, None, {})
        world, at, seller = self._world, credit.receipt.at, credit.seller
        plan, items = world.plan(at), self.counting(credit.receipt, seller, backs)
        track = plan["tracks"][world.role(seller)["track"]]
        level_bp = track["levels"][rank - 1]["rate_bp"]
        base = sum(item.base for item in items)
        amounts = {1: (seller, sum(line_amount(item, world.rule(item.sku, at), level_bp) for item in items))}
        upline: str | None = seller
        for tier, share in enumerate(track["uplines"], 2):
            upline = world.sponsor(upline) if upline else None
            if upline and world.standing(upline, at) is None:
                amounts[tier] = (upline, base * Fraction(share["rate_bp"], 10000))
        whole = {tier: (who, int(amount)) for tier, (who, amount) in amounts.items()}
        cap = int(base * Fraction(plan["commission"]["cap_bp"], 10000))
        return Verdict(credit.reason, seller, capped(whole, cap))


def line_amount(item: Item, rule: Json | None, level_bp: int) -> Fraction:
    """What the first tier earns from a line, exactly."""
    level: Fraction = item.base * Fraction(level_bp, 10000)
    if rule is None:
        return level
    product: Fraction = item.base * Fraction(rule["rate_bp"], 10000) + min(rule["fixed_minor"] * item.units, item.base)
    taken = {"replace": product, "at_least": max(level, product), "at_most": min(level, product)}
    return taken[rule["mode"]]


def capped(amounts: dict[int, tuple[str, int]], cap: int) -> dict[int, tuple[str, int]]:
    """What is left when the last tier gives up the excess first; tiers without anything are left out."""
    over = max(0, sum(amount for _, amount in amounts.values()) - cap)
    kept = {}
    for tier in sorted(amounts, reverse=True):
        who, amount = amounts[tier]
        given = min(over, amount)
        over -= given
        kept[tier] = (who, amount - given)
    return {tier: kept[tier] for tier in sorted(kept) if kept[tier][1]}
