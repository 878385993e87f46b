"""Laws of the pure target function, over orders and refunds that Hypothesis makes up."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.commissions.model import Target
from chalicelib.commissions.rules.target import Terms, target
from chalicelib.orders.model import Facts, Line, Refund
from tests.support_laws import MIDNIGHT, facts, law, order, product, refund, terms

SKUS = ["plain", "ruled", "other", "no"]
MONEY = st.integers(0, 20_000) | st.integers(0, 10**18 - 1)
RATES = st.integers(0, 10_000)

products = st.builds(
    product, st.sampled_from(["replace", "at_least", "at_most"]), RATES, st.integers(0, 2_000) | st.just(10**12)
)
some_terms = st.builds(
    terms,
    RATES,
    st.lists(RATES | st.none(), max_size=2),
    RATES,
    st.dictionaries(st.sampled_from(SKUS[1:3]), products),
    st.sampled_from([(), ("no",)]),
)


@st.composite
def some_lines(draw: Any) -> list[Line]:
    rows = draw(st.lists(st.tuples(st.sampled_from(SKUS), st.integers(0, 5), MONEY), min_size=1, max_size=5))
    return [Line(str(i), sku, quantity, paid) for i, (sku, quantity, paid) in enumerate(rows)]


@st.composite
def some_refunds(draw: Any, lines: Sequence[Line], most: int = 5) -> list[Refund]:
    """Refunds that may bring back more than was paid."""
    parts = st.tuples(st.sampled_from(lines), st.integers(0, 4), st.integers(0, 12))
    return [
        refund(f"r-{i}", [(each.line_id, units, each.paid_minor * tenths // 10)])
        for i, (each, units, tenths) in enumerate(draw(st.lists(parts, max_size=most)))
    ]


@st.composite
def some_facts(draw: Any) -> Facts:
    lines = draw(some_lines())
    return facts(order(lines, MIDNIGHT, MIDNIGHT), draw(some_refunds(lines)))


def oracle(told: Facts, given_terms: Terms) -> list[Fraction]:
    """The exact amount of each tier, worked out in fractions straight from plan.md."""
    tiers = [Fraction(0)] * (1 + len(given_terms.upline_rates_bp))
    for left in told.remaining():
        if left.line.sku in given_terms.barred or not left.base_minor:
            continue
        base = Fraction(left.base_minor)
        level = base * given_terms.level_rate_bp / 10_000
        rule = given_terms.products.get(left.line.sku)
        if rule is not None:
            own = base * rule.rate_bp / 10_000 + min(rule.fixed_minor * left.units, left.base_minor)
            level = {"replace": own, "at_least": max(own, level), "at_most": min(own, level)}[rule.mode]
        tiers[0] += level
        for i, rate in enumerate(given_terms.upline_rates_bp, start=1):
            tiers[i] += base * (rate or 0) / 10_000
    return tiers


@law(300)
@given(some_facts(), some_terms)
def test_targets_are_what_the_plan_says(told: Facts, by: Terms) -> None:
    made = target(told.remaining(), by)
    exact = oracle(told, by)
    assert [Fraction(tier.exact, 10_000) for tier in made.tiers] == exact
    base = sum(left.base_minor for left in told.remaining() if left.line.sku not in by.barred)
    cap = base * by.cap_bp // 10_000
    assert made.base_minor == base
    assert sum(made.amounts) <= cap
    for amount, most in zip(made.amounts, exact, strict=True):
        assert 0 <= amount <= most
    floors = [int(most) for most in exact]
    if sum(floors) <= cap:
        assert list(made.amounts) == floors
    else:
        assert sum(made.amounts) == cap
        gives_up = [i for i, (amount, most) in enumerate(zip(made.amounts, floors, strict=True)) if amount < most]
        assert all(made.amounts[i] == 0 for i in range(gives_up[0] + 1, len(floors)))


@law(200)
@given(st.data())
def test_refunds_in_any_split_and_order_end_the_same(data: st.DataObject) -> None:
    lines = data.draw(some_lines())
    told, by = order(lines, MIDNIGHT, MIDNIGHT), data.draw(some_terms)
    totals = {each.line_id: data.draw(st.tuples(st.integers(0, 6), MONEY)) for each in lines}
    at_once = refund("r", [(line_id, units, amount) for line_id, (units, amount) in totals.items()])
    pieces = [piece for line_id, total in totals.items() for piece in data.draw(split(line_id, *total))]
    shuffled = data.draw(st.permutations(pieces))
    split_up = [refund(f"r-{i}", [piece]) for i, piece in enumerate(shuffled)]
    assert result(facts(told, split_up), by) == result(facts(told, [at_once]), by)


@st.composite
def split(draw: Any, line_id: str, units: int, amount: int) -> list[tuple[str, int, int]]:
    """A line's refund in up to five pieces."""
    cuts = sorted(draw(st.lists(st.tuples(st.integers(0, units), st.integers(0, amount)), max_size=4)))
    ups = [0, *sorted(unit for unit, _ in cuts), units]
    sums = [0, *sorted(money for _, money in cuts), amount]
    return [(line_id, ups[i + 1] - ups[i], sums[i + 1] - sums[i]) for i in range(len(cuts) + 1)]


def result(told: Facts, by: Terms) -> Target:
    return target(told.remaining(), by)


@law(100)
@given(st.data())
def test_a_full_refund_ends_at_exactly_0(data: st.DataObject) -> None:
    lines = data.draw(some_lines())
    before = data.draw(some_refunds(lines))
    everything = refund("all", [(each.line_id, data.draw(st.integers(0, 5)), each.paid_minor) for each in lines])
    made = result(facts(order(lines, MIDNIGHT, MIDNIGHT), [*before, everything]), data.draw(some_terms))
    assert (set(made.amounts), made.base_minor, made.count) == ({0}, 0, 0)


@law(100)
@given(st.data())
def test_a_refund_never_raises_the_seller_nor_the_base(data: st.DataObject) -> None:
    told, by = data.draw(some_facts()), data.draw(some_terms)
    assert told.order is not None
    more = replace(told, refunds=(*told.refunds, *data.draw(some_refunds(told.order.content.lines, most=2))))
    before, after = result(told, by), result(more, by)
    assert after.base_minor <= before.base_minor
    assert after.amounts[0] <= before.amounts[0]
