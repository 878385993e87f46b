"""plan.md's worked cases and every rule of "How much", on the pure function."""

import pytest

from chalicelib.commissions.model import Target
from chalicelib.commissions.rules.target import capped, target
from chalicelib.orders.model import Told
from tests.support_laws import MIDNIGHT, facts, line, order, product, refund, remaining, terms

CASE_2 = [line(6000, "special", line_id="1"), line(4000, line_id="2")]
CASE_2_TERMS = terms(800, [200, 100], products={"special": product("replace", 1000)})


def amounts(made: Target) -> list[int]:
    return list(made.amounts)


def test_case_1_two_percent_of_9900_is_198() -> None:
    made = target(remaining((9900, "x")), terms(200))
    assert amounts(made) == [198]
    assert (made.base_minor, made.count) == (9900, 1)
    share = made.tiers[0].shares[0]
    assert (share.rule, share.rate_bp, share.fixed_minor, share.exact) == ("level", 200, 0, 1_980_000)


def test_case_2_a_product_rule_and_two_uplines() -> None:
    told = facts(order(CASE_2, MIDNIGHT, MIDNIGHT))
    assert amounts(target(told.remaining(), CASE_2_TERMS)) == [920, 200, 100]


def test_case_3_a_partial_refund_then_the_rest() -> None:
    told = order(CASE_2, MIDNIGHT, MIDNIGHT)
    first = refund("r-1", [("2", 0, 2001)])
    partly = target(facts(told, [first]).remaining(), CASE_2_TERMS)
    assert amounts(partly) == [759, 159, 79]
    assert [tier.exact for tier in partly.tiers] == [7_599_200, 1_599_800, 799_900]
    rest = refund("r-2", [("1", 1, 6000), ("2", 1, 1999)])
    nothing = target(facts(told, [first, rest]).remaining(), CASE_2_TERMS)
    assert (amounts(nothing), nothing.base_minor, nothing.count) == ([0, 0, 0], 0, 0)


def test_case_4_one_floor_an_order() -> None:
    assert amounts(target(remaining((333, "x"), (333, "x"), (333, "x")), terms(200))) == [19]
    assert amounts(target(remaining((333, "x")), terms(200))) == [6]


@pytest.mark.parametrize(("back", "left"), [(0, 500), (3000, 0), (2700, 300), (2500, 500), (2501, 499)])
def test_case_5_a_fixed_amount_never_passes_the_base(back: int, left: int) -> None:
    told = facts(order([line(3000, "fix")], MIDNIGHT, MIDNIGHT), [refund("r", [("1", 0, back)])])
    given = terms(200, cap_bp=10000, products={"fix": product("replace", 0, 500)})
    assert amounts(target(told.remaining(), given)) == [left]


def test_a_fixed_amount_is_for_each_unit_that_is_left() -> None:
    given = terms(200, products={"fix": product("replace", 0, 500)})
    told = order([line(9000, "fix", quantity=3)], MIDNIGHT, MIDNIGHT)
    assert amounts(target(facts(told).remaining(), given)) == [1500]
    assert amounts(target(facts(told, [refund("r", [("1", 1, 0)])]).remaining(), given)) == [1000]
    assert amounts(target(facts(told, [refund("r", [("1", 9, 0)])]).remaining(), given)) == [0]


@pytest.mark.parametrize(
    ("mode", "rate_bp", "taken"),
    [
        ("replace", 100, 100), ("replace", 900, 900),
        ("at_least", 100, 500), ("at_least", 900, 900),
        ("at_most", 100, 100), ("at_most", 900, 500),
    ],
)  # fmt: skip
def test_a_mode_chooses_between_the_products_and_the_levels_amount(mode: str, rate_bp: int, taken: int) -> None:
    made = target(remaining((10000, "p")), terms(500, products={"p": product(mode, rate_bp)}))
    share = made.tiers[0].shares[0]
    assert (amounts(made), share.rule, share.rate_bp) == ([taken], mode, taken)


@pytest.mark.parametrize("mode", ["replace", "at_least", "at_most"])
def test_of_equal_amounts_the_products_is_taken(mode: str) -> None:
    given = terms(500, products={"p": product(mode, 400, 100)})
    share = target(remaining((10000, "p")), given).tiers[0].shares[0]
    assert (share.rule, share.rate_bp, share.fixed_minor, share.exact) == (mode, 400, 100, 500 * 10_000)


def test_amounts_are_compared_with_their_fixed_part() -> None:
    given = terms(500, products={"p": product("at_least", 100, 401)})
    share = target(remaining((10000, "p")), given).tiers[0].shares[0]
    assert (share.rate_bp, share.fixed_minor, share.exact) == (100, 401, 501 * 10_000)


def test_product_rules_are_the_sellers_alone() -> None:
    given = terms(500, [200, 100], cap_bp=10000, products={"p": product("replace", 9000)})
    made = target(remaining((10000, "p")), given)
    assert amounts(made) == [9000, 200, 100]
    assert [share.rule for share in made.tiers[1].shares] == ["level"]


@pytest.mark.parametrize(
    ("cap_bp", "within"),
    [
        (3500, [2000, 1000, 500]),
        (3499, [2000, 1000, 499]),
        (3000, [2000, 1000, 0]),
        (2500, [2000, 500, 0]),
        (2000, [2000, 0, 0]),
        (1999, [1999, 0, 0]),
        (1, [1, 0, 0]),
        (0, [0, 0, 0]),
    ],
)
def test_over_the_cap_tier_3_gives_up_just_the_excess_then_2_then_1(cap_bp: int, within: list[int]) -> None:
    assert amounts(target(remaining((10000, "x")), terms(2000, [1000, 500], cap_bp))) == within


def test_the_cap_is_floored_and_compared_with_floored_tiers() -> None:
    # 333: tiers 66.6, 33.3, 16.65 are 66, 33, 16; the cap of 34.5 % is 114.885, so 114.
    assert amounts(target(remaining((333, "x")), terms(2000, [1000, 500], 3450))) == [66, 33, 15]


def test_under_a_cap_a_refund_may_raise_an_upline() -> None:
    told = order([line(10000, "fix", quantity=2)], MIDNIGHT, MIDNIGHT)
    given = terms(0, [1000], cap_bp=2000, products={"fix": product("replace", 0, 800)})
    assert amounts(target(facts(told).remaining(), given)) == [1600, 400]
    assert amounts(target(facts(told, [refund("r", [("1", 1, 0)])]).remaining(), given)) == [800, 1000]


def test_capped_leaves_alone_what_fits() -> None:
    assert capped([5, 3, 2], 10) == [5, 3, 2]
    assert capped([], 0) == []


def test_barred_lines_count_for_nobody_and_in_no_base() -> None:
    made = target(remaining((6000, "no"), (4000, "x")), terms(1000, [500], barred=["no"]))
    assert (amounts(made), made.base_minor) == ([400, 200], 4000)
    assert [share.line_id for share in made.tiers[0].shares] == ["2"]


def test_nothing_but_barred_lines_is_nothing() -> None:
    made = target(remaining((6000, "no")), terms(1000, [500], barred=["no"]))
    assert (amounts(made), made.base_minor, made.count) == ([0, 0], 0, 0)


def test_a_skipped_upline_gets_nothing_and_nobody_gets_its_part() -> None:
    made = target(remaining((10000, "x")), terms(1000, [None, 300]))
    assert amounts(made) == [1000, 0, 300]
    assert made.tiers[1].shares == ()


def test_a_line_with_base_0_earns_nothing_even_with_units_and_a_fixed_amount() -> None:
    given = terms(1000, [500], products={"fix": product("replace", 0, 500)})
    made = target(remaining((0, "fix", 7), (0, "x", 0)), given)
    assert (amounts(made), made.base_minor, made.count) == ([0, 0], 0, 0)


def test_no_lines_are_nothing() -> None:
    assert amounts(target([], terms(1000, [500, 200]))) == [0, 0, 0]


def test_a_cancelled_order_has_nothing_left() -> None:
    told = facts(order(CASE_2, MIDNIGHT, MIDNIGHT), cancellation=Told(MIDNIGHT, MIDNIGHT))
    assert amounts(target(told.remaining(), CASE_2_TERMS)) == [0, 0, 0]


def test_the_largest_amounts_stay_exact() -> None:
    most = 10**18 - 1
    made = target(remaining(*[(most, "x")] * 200), terms(3333, [1], cap_bp=10000))
    assert amounts(made) == [200 * most * 3333 // 10000, 200 * most // 10000]
