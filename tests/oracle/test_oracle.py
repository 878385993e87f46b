"""The oracle is independent, judges as the plan says, and notices a wrong number."""

import ast
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from infra.replay import oracle
from infra.replay.journey import load_mapping, plan_journey
from infra.replay.oracle import Expected, compare, expect
from infra.replay.oracle.judging import capped, line_amount
from infra.replay.oracle.receipts import Item

Mapping = dict[str, Any]
ORACLE = Path(oracle.__file__).parent
BASKETS, MONTHS = 3000, 5


@pytest.fixture(scope="module")
def expected() -> Expected:
    return expect(BASKETS, MONTHS)


def test_the_oracle_shares_no_code_with_what_it_judges() -> None:
    allowed = sys.stdlib_module_names | {"pyarrow"}
    for file in ORACLE.glob("*.py"):
        foreign = [name for name in _imports(file) if name.split(".")[0] not in allowed]
        assert all(name.startswith("infra.replay.oracle") for name in foreign), file


def test_the_replay_knows_the_platform_only_by_its_api() -> None:
    for file in ORACLE.parent.rglob("*.py"):
        assert not any(name.split(".")[0] == "chalicelib" for name in _imports(file)), file


def test_the_oracle_judges_the_orders_that_are_replayed(expected: Expected) -> None:
    assert expected.verdicts.keys() == {order.order_id for order in plan_journey(BASKETS, MONTHS).orders}


def test_five_months_meet_most_reasons(expected: Expected) -> None:
    reasons = {verdict.reason for verdict in expected.verdicts.values()}
    assert reasons >= {"binding", "code", "click", "self_purchase"}
    assert reasons >= {"no_referral", "binding_expired", "unknown_code", "distributor_suspended"}
    assert reasons >= {"product_not_eligible", "zero_amount", "cancelled", "fully_refunded"}
    assert {tier for verdict in expected.verdicts.values() for tier in verdict.tiers} == {1, 2, 3}


def test_five_months_see_every_kind_of_change(expected: Expected) -> None:
    changes = expected.changes.values()
    assert {change.cause for change in changes} == {"rocket", "snail", "hand"}
    assert {change.plan_version for change in changes} == {1, 2}
    assert any(change.to_rank > change.from_rank + 1 for change in changes if change.cause == "rocket")
    assert {change.from_rank - change.to_rank for change in changes if change.cause == "snail"} == {1, 2}
    assert any((change.from_rank, change.to_rank) == (4, 3) and change.day == date(2017, 5, 1) for change in changes)
    assert set(expected.ranks.values()) == {1, 2, 3, 4, 5}


def test_a_year_sees_a_measure_change_and_a_longer_close() -> None:
    changes = expect(BASKETS, 12).changes.values()
    assert {change.plan_version for change in changes} == {1, 2, 3}
    assert max(change.day for change in changes) == date(2018, 1, 1)


def _level_rate(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["tracks"]["agent"]["levels"][0]["rate_bp"] += 1


def _upline_rate(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["tracks"]["everyone"]["uplines"][1]["rate_bp"] -= 1


def _product_rate(mapping: Mapping) -> None:
    mapping["products"]["rules"][0]["rate_bp"] += 100


def _cap(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["commission"]["cap_bp"] += 10


def _binding_days(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["attribution"]["binding"]["days"] = 14


def _misses(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["tracks"]["everyone"]["demotion"]["misses"] = 2


def _steps(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["tracks"]["agent"]["demotion"]["steps"] = 1


def _close(mapping: Mapping) -> None:
    for version in mapping["plans"]:
        version["plan"]["close_hours"] = 2


def _longer_close(mapping: Mapping) -> None:
    for version in mapping["plans"]:
        version["plan"]["close_hours"] = 4


def _target(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["tracks"]["everyone"]["levels"][3]["target"] += 10000


def _measure(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["tracks"]["agent"]["measure"] = "lifetime_orders"
    mapping["plans"][0]["plan"]["tracks"]["agent"]["demotion"] = None


def _grant(mapping: Mapping) -> None:
    mapping["grants"]["given"].pop()


def _stop(mapping: Mapping) -> None:
    mapping["clock"]["stops"][2]["at"] = "02:59"


MONEY = [_level_rate, _upline_rate, _product_rate, _cap, _binding_days]
LEVELS = [_misses, _steps, _close, _longer_close, _target, _measure, _grant, _stop]


@pytest.mark.parametrize("spoil", [*MONEY, *LEVELS])
def test_one_wrong_number_makes_a_difference(expected: Expected, spoil: Callable[[Mapping], None]) -> None:
    wrong = deepcopy(load_mapping())
    spoil(wrong)
    other = expect(BASKETS, MONTHS, wrong)
    of_levels = compare(expected.changes, other.changes)
    assert of_levels if spoil in LEVELS else compare(expected.verdicts, other.verdicts)


def test_equal_verdicts_make_no_difference(expected: Expected) -> None:
    assert compare(expected.verdicts, dict(expected.verdicts)) == []


def test_a_missing_and_an_unwanted_order_are_differences(expected: Expected) -> None:
    first, *_ = expected.verdicts
    less = {order_id: verdict for order_id, verdict in expected.verdicts.items() if order_id != first}
    assert [each.found for each in compare(expected.verdicts, less)] == [None]
    assert [each.expected for each in compare(less, expected.verdicts)] == [None]


@pytest.mark.parametrize(
    ("amounts", "cap", "wanted"),
    [
        ({1: 920, 2: 200, 3: 100}, 5000, {1: 920, 2: 200, 3: 100}),
        ({1: 920, 2: 200, 3: 100}, 1170, {1: 920, 2: 200, 3: 50}),
        ({1: 920, 2: 200, 3: 100}, 1000, {1: 920, 2: 80}),
        ({1: 920, 2: 200, 3: 100}, 500, {1: 500}),
        ({1: 0}, 0, {}),
    ],
)
def test_the_cap_takes_from_the_last_tier_first(amounts: dict[int, int], cap: int, wanted: dict[int, int]) -> None:
    kept = capped({tier: ("x", amount) for tier, amount in amounts.items()}, cap)
    assert {tier: amount for tier, (_, amount) in kept.items()} == wanted


@pytest.mark.parametrize(
    ("mode", "rate_bp", "fixed_minor", "item", "wanted"),
    [
        (None, 0, 0, Item("a", 9900, 9900, 1), 198),
        ("replace", 1000, 0, Item("a", 6000, 6000, 1), 600),
        ("replace", 0, 500, Item("a", 3000, 3000, 1), 500),
        ("replace", 0, 500, Item("a", 3000, 0, 1), 0),
        ("replace", 0, 500, Item("a", 3000, 300, 1), 300),
        ("at_least", 0, 500, Item("a", 9900, 9900, 1), 500),
        ("at_most", 0, 500, Item("a", 9900, 9900, 1), 198),
    ],
)
def test_a_line_earns_as_the_plan_works_it_out(
    mode: str | None, rate_bp: int, fixed_minor: int, item: Item, wanted: int
) -> None:
    rule = {"mode": mode, "rate_bp": rate_bp, "fixed_minor": fixed_minor}
    assert line_amount(item, rule if mode else None, 200) == Fraction(wanted)


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found
