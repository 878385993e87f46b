"""The oracle is independent, judges as the plan says, and notices a wrong number."""

import ast
import sys
from collections.abc import Callable
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from infra.replay import oracle
from infra.replay.journey import load_mapping, plan_journey
from infra.replay.oracle import Item, Verdict, compare, expect

Mapping = dict[str, Any]
REPLAY = Path(oracle.__file__).parent


@pytest.fixture(scope="module")
def expected() -> dict[str, Verdict]:
    return expect(300)


def test_the_oracle_shares_no_code_with_what_it_judges() -> None:
    allowed = sys.stdlib_module_names | {"pyarrow"}
    assert {name.split(".")[0] for name in _imports(REPLAY / "oracle.py")} <= allowed


def test_the_replay_knows_the_platform_only_by_its_api() -> None:
    for file in REPLAY.glob("*.py"):
        assert not any(name.split(".")[0] == "chalicelib" for name in _imports(file)), file


def test_the_oracle_judges_the_orders_that_are_replayed(expected: dict[str, Verdict]) -> None:
    assert expected.keys() == {order.order_id for order in plan_journey(300).orders}


def test_three_hundred_baskets_meet_most_reasons(expected: dict[str, Verdict]) -> None:
    reasons = {verdict.reason for verdict in expected.values()}
    assert reasons >= {"binding", "code", "click", "self_purchase"}
    assert reasons >= {"no_referral", "binding_expired", "unknown_code", "distributor_suspended"}
    assert reasons >= {"product_not_eligible", "zero_amount", "cancelled", "fully_refunded"}
    assert {tier for verdict in expected.values() for tier in verdict.tiers} == {1, 2, 3}


def _level_rate(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["tracks"]["agent"]["levels"][0]["rate_bp"] += 1


def _upline_rate(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["tracks"]["everyone"]["uplines"][1]["rate_bp"] -= 1


def _product_rate(mapping: Mapping) -> None:
    mapping["products"]["rules"][0]["rate_bp"] += 100


def _cap(mapping: Mapping) -> None:
    mapping["plans"][1]["plan"]["commission"]["cap_bp"] += 10


def _binding_days(mapping: Mapping) -> None:
    mapping["plans"][0]["plan"]["attribution"]["binding"]["days"] = 20


@pytest.mark.parametrize("spoil", [_level_rate, _upline_rate, _product_rate, _cap, _binding_days])
def test_one_wrong_number_makes_a_difference(expected: dict[str, Verdict], spoil: Callable[[Mapping], None]) -> None:
    wrong = deepcopy(load_mapping())
    spoil(wrong)
    assert compare(expected, expect(300, wrong))


def test_equal_verdicts_make_no_difference(expected: dict[str, Verdict]) -> None:
    assert compare(expected, dict(expected)) == []


def test_a_missing_and_an_unwanted_order_are_differences(expected: dict[str, Verdict]) -> None:
    first, *_ = expected
    less = {order_id: verdict for order_id, verdict in expected.items() if order_id != first}
    assert [each.found for each in compare(expected, less)] == [None]
    assert [each.expected for each in compare(less, expected)] == [None]


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
    kept = oracle._capped({tier: ("x", amount) for tier, amount in amounts.items()}, cap)
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
    rule = {"sku": "a", "from": "2017-01-01", "mode": mode, "rate_bp": rate_bp, "fixed_minor": fixed_minor}
    world = oracle.World({"products": {"rules": [rule] if mode else []}})
    track = {"levels": [{"rate_bp": 200}]}
    assert oracle._first_tier(world, item, oracle.midnight("2017-02-01"), track) == Fraction(wanted)


def _imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or ""))
    return found
