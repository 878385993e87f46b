"""Which version of a sku is in force, which may be added, whose a coupon was."""

from datetime import UTC, datetime

import pytest

from chalicelib.catalog import rules
from chalicelib.catalog.model import NoRule, ProductRule, RuleMode
from chalicelib.shared.errors import Code, Conflict, Invalid


def day(number: int) -> datetime:
    return datetime(2026, 3, number, tzinfo=UTC)


def rule(since: int, rate_bp: int = 100) -> ProductRule:
    return ProductRule("a", RuleMode.REPLACE, rate_bp, 0, True, None, day(since))


def test_the_latest_to_take_effect_is_in_force_and_of_two_the_later_told() -> None:
    versions = (rule(5), rule(2), rule(5, 200), NoRule(day(9)))
    wanted = {1: None, 2: rule(2), 4: rule(2), 5: rule(5, 200), 8: rule(5, 200), 9: None}
    assert {at: rules.in_force(versions, day(at)) for at in wanted} == wanted


def test_what_is_shown_is_in_force_or_next() -> None:
    assert rules.shown((rule(5), rule(3)), day(1)) == rule(3)
    assert rules.shown((rule(5), rule(3)), day(4)) == rule(3)
    assert rules.shown((rule(1), NoRule(day(2))), day(3)) is None
    assert rules.shown((), day(1)) is None


def test_only_the_first_version_may_be_in_the_past() -> None:
    assert rules.add((), rule(1), day(5)) == (rule(1),)
    with pytest.raises(Invalid) as refused:
        rules.add((rule(1),), rule(4, 200), day(5))
    assert refused.value.code is Code.EFFECTIVE_IN_THE_PAST


def test_the_same_again_adds_nothing() -> None:
    versions = (rule(1), rule(3, 200))
    assert rules.add(versions, rule(1), day(5)) == versions
    # Unless another was told for the same instant since, or the sku lost its rule.
    assert rules.add((rule(5), rule(5, 200)), rule(5), day(5)) == (rule(5), rule(5, 200), rule(5))
    with pytest.raises(Invalid):
        rules.add((rule(1), NoRule(day(2))), rule(1), day(5))


def test_an_end_is_also_the_end_of_what_was_to_come() -> None:
    assert rules.end((rule(1), rule(9)), day(5)) == (rule(1), NoRule(day(5)))


def test_versions_have_a_bound() -> None:
    full = tuple(rule(1, rate) for rate in range(rules.CHANGES_MAX))
    for change in (lambda: rules.add(full, rule(2), day(2)), lambda: rules.end(full, day(2))):
        with pytest.raises(Conflict) as refused:
            change()
        assert refused.value.code is Code.TOO_MANY_CHANGES


def test_a_coupon_is_whose_it_was_at_the_time() -> None:
    owners = [(day(2), "dst_a"), (day(4), None), (day(4), "dst_b"), (day(6), None)]
    assert [rules.owner_at(owners, day(at)) for at in range(1, 7)] == [None, "dst_a", "dst_a", "dst_b", "dst_b", None]


@pytest.mark.parametrize(
    ("eligible", "tracks", "sellable"),
    [(True, None, True), (True, ("agent",), True), (True, ("default",), False), (False, None, False)],
)
def test_who_may_sell_it(eligible: bool, tracks: tuple[str, ...] | None, sellable: bool) -> None:
    rule = ProductRule("a", RuleMode.AT_MOST, 0, 0, eligible, tracks, day(1))
    assert rule.sellable_by("agent") is sellable
