"""How much: the commission of what is left of an order, per tier, exact to the ten-thousandth and floored once.

A rate is basis points of a base in minor units, so every line's part is a whole number of ten-thousandths of a minor
unit: sums are exact without fractions, and one floor division per order and tier ends them.
Source: docs/plan.md, "How much".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from chalicelib.catalog.model import RuleMode
from chalicelib.commissions.model import ProductTerms, Share, Target, TierTarget
from chalicelib.orders.model import RemainingLine
from chalicelib.shared.money import BP
from chalicelib.shared.value import Value

LEVEL: Final = "level"

PRODUCT_WINS: Final[Mapping[RuleMode, Callable[[int, int], bool]]] = {
    RuleMode.REPLACE: lambda product, level: True,
    RuleMode.AT_LEAST: lambda product, level: product >= level,
    RuleMode.AT_MOST: lambda product, level: product <= level,
}
"""Whether the product's amount is taken, given it and the level's."""


class Terms(Value):
    """The rates an order is judged by. `upline_rates_bp`: tiers 2 and 3, None for one that can't be paid."""

    level_rate_bp: int
    upline_rates_bp: tuple[int | None, ...]
    cap_bp: int
    products: Mapping[str, ProductTerms]
    barred: frozenset[str]


def target(lines: Sequence[RemainingLine], terms: Terms) -> Target:
    """What each tier should get for what is left of the lines. Target 0 for an upline that can't be paid."""
    counted = [remaining for remaining in lines if remaining.line.sku not in terms.barred]
    base_minor = sum(remaining.base_minor for remaining in counted)
    seller = tuple(_seller_share(remaining, terms) for remaining in counted)
    shares = [seller, *(_upline_shares(counted, rate_bp) for rate_bp in terms.upline_rates_bp)]
    exact = [sum(share.exact for share in of_tier) for of_tier in shares]
    amounts = capped([part // BP for part in exact], base_minor * terms.cap_bp // BP)
    tiers = zip(range(1, len(shares) + 1), amounts, exact, shares, strict=True)
    return Target(base_minor, tuple(TierTarget(*tier) for tier in tiers))


def capped(amounts: Sequence[int], cap_minor: int) -> list[int]:
    """The amounts within the cap: what is over it, the last tier gives up, then the one before."""
    within = list(amounts)
    excess = sum(within) - cap_minor
    for i in reversed(range(len(within))):
        given_up = max(0, min(excess, within[i]))
        within[i] -= given_up
        excess -= given_up
    return within


def _seller_share(remaining: RemainingLine, terms: Terms) -> Share:
    line, base = remaining.line, remaining.base_minor
    level = base * terms.level_rate_bp
    rule = terms.products.get(line.sku)
    if rule is not None:
        product = base * rule.rate_bp + BP * min(rule.fixed_minor * remaining.units, base)
        if PRODUCT_WINS[rule.mode](product, level):
            return Share(line.line_id, base, rule.mode, rule.rate_bp, rule.fixed_minor, product)
        return Share(line.line_id, base, rule.mode, terms.level_rate_bp, 0, level)
    return Share(line.line_id, base, LEVEL, terms.level_rate_bp, 0, level)


def _upline_shares(counted: Sequence[RemainingLine], rate_bp: int | None) -> tuple[Share, ...]:
    if rate_bp is None:
        return ()
    return tuple(
        Share(remaining.line.line_id, remaining.base_minor, LEVEL, rate_bp, 0, remaining.base_minor * rate_bp)
        for remaining in counted
    )
