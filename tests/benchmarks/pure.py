"""Pure decisions with each line's derivation, for all the baskets there are, against a loop over plain ints."""

import gc
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from chalicelib.catalog.model import RuleMode
from chalicelib.commissions.model import ProductTerms
from chalicelib.commissions.rules.target import Terms, target
from chalicelib.orders.model import Line, RemainingLine
from infra.replay.journey import load_mapping
from infra.replay.raw import Basket, basket_counts, baskets_of
from tests.benchmarks.table import Row, cpu

MOST = 40.0
BASKETS = 155_848
HOUSEHOLDS = 100
"""How many are read at a time: all at once would take 3 GB."""
RATES = (800, 200, 100)
CAP_BP = 5_000

Plain = Sequence[tuple[str, int, int]]
Rules = dict[str, tuple[str, int, int]]


class Different(Exception):
    """The two don't come to the same: then one is no measure of the other."""


def measure() -> list[Row]:
    """Decide and loop, a part of the households at a time, in turn; what is read and made for it isn't measured."""
    rules = {rule["sku"]: (rule["mode"], rule["rate_bp"], rule["fixed_minor"]) for rule in _mapped()}
    products = {sku: ProductTerms(RuleMode(mode), rate, fixed) for sku, (mode, rate, fixed) in rules.items()}
    terms = Terms(RATES[0], RATES[1:], CAP_BP, products, frozenset())
    spent: list[tuple[float, float]] = []
    baskets = 0
    for part in _parts():
        remaining, plain = [_remaining(basket) for basket in part], [_plain(basket) for basket in part]
        gc.collect()
        gc.freeze()
        compare([target(lines, terms).amounts for lines in remaining], [by_hand(lines, rules) for lines in plain])
        decided = cpu(lambda: _each(target, remaining, terms))  # noqa: B023  (called at once)
        spent.append((decided, cpu(lambda: _each(by_hand, plain, rules))))  # noqa: B023
        baskets += len(part)
        gc.unfreeze()
    if baskets != BASKETS:
        raise Different(f"{baskets} baskets, not {BASKETS}")
    ours, plainly = map(sum, zip(*spent, strict=True))
    ratio = median(one / other for one, other in spent)
    return [Row(f"{baskets:,} baskets decided, line by line", ours, MOST, "s CPU", plainly, ratio)]


def by_hand(lines: Plain, rules: Rules) -> tuple[int, ...]:
    """The three tiers' amounts, and nothing of how they come about."""
    base = exact = 0
    for sku, paid, units in lines:
        base += paid
        level = paid * RATES[0]
        if sku in rules:
            mode, rate, fixed = rules[sku]
            product = paid * rate + 10_000 * min(fixed * units, paid)
            takes = mode == "replace" or (product >= level if mode == "at_least" else product <= level)
            exact += product if takes else level
        else:
            exact += level
    amounts = [exact // 10_000, base * RATES[1] // 10_000, base * RATES[2] // 10_000]
    over = sum(amounts) - base * CAP_BP // 10_000
    for i in (2, 1, 0):
        if over > 0:
            given = min(over, amounts[i])
            amounts[i] -= given
            over -= given
    return tuple(amounts)


def _each(decide: Callable[[Any, Any], object], orders: Sequence[Any], by: Any) -> None:
    """One after the other, none of them kept."""
    for lines in orders:
        decide(lines, by)


def compare(one: list[Any], other: list[Any]) -> None:
    for mine, theirs in zip(one, other, strict=True):
        if mine != theirs:
            raise Different(f"{mine} {theirs}")


def _mapped() -> list[Any]:
    """The products' rules of the replay, each sku's first."""
    rules: list[Any] = load_mapping()["products"]["rules"]
    return list({rule["sku"]: rule for rule in reversed(rules)}.values())


def _parts() -> Iterator[list[Basket]]:
    households = sorted(basket_counts())
    for start in range(0, len(households), HOUSEHOLDS):
        yield baskets_of(households[start : start + HOUSEHOLDS], 7)


def _plain(basket: Basket) -> Plain:
    return [(str(line.product_id), line.sales_minor, line.quantity) for line in basket.lines]


def _remaining(basket: Basket) -> list[RemainingLine]:
    return [
        RemainingLine(Line(str(number), sku, units, paid), paid, units)
        for number, (sku, paid, units) in enumerate(_plain(basket), start=1)
    ]
