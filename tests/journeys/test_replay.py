"""Two hundred real baskets of two months, replayed to the deployed platform and checked by the oracle."""

from copy import deepcopy
from typing import Any, Protocol

import pytest

from infra.replay import Outcome, prepare, replay
from infra.replay.journey import load_mapping
from infra.replay.oracle import compare, expect
from infra.replay.progress import Teller
from infra.replay.report import report

BASKETS, MONTHS = 1300, 2


class Cloud(Protocol):
    """What the journeys' fixture gives: the deployed platform."""

    url: str
    platform_key: str


@pytest.fixture(scope="module")
def mapping() -> dict[str, Any]:
    """The mapping with fewer stops, a rank given in January, and a snail so hasty that February sees it lost.

    So that no order is told later than it completes itself, that takes longer. Many ask for money, and whoever pretends
    to pay them loses its answers.
    """
    shorter = deepcopy(load_mapping())
    shorter["plans"][0]["plan"]["hold"]["auto_complete_days"] = 20
    shorter["payouts"] |= {"asks_bp": 6000, "behaviours": ["lose_answer"]}
    shorter["aftermath"]["distributor"] = 7
    shorter["clock"]["stops"] = [{"day": 1, "at": "02:59"}, {"day": 19, "at": "03:00"}]
    shorter["plans"][0]["plan"]["tracks"]["everyone"]["demotion"]["misses"] = 1
    shorter["grants"]["given"][0]["on"] = "2017-01-19"
    return shorter


@pytest.fixture(scope="module")
def outcome(cloud: Cloud, mapping: dict[str, Any]) -> Outcome:
    with Teller() as teller:
        return replay(cloud.url, cloud.platform_key, teller, prepare(BASKETS, MONTHS, mapping))


def test_the_oracle_finds_no_difference(outcome: Outcome) -> None:
    assert outcome.differences == []
    assert len(outcome.expected.verdicts) > 200
    assert {change.cause for change in outcome.expected.changes.values()} == {"rocket", "snail", "hand"}
    assert outcome.oracle_says.endswith(" 0 differences")


def test_one_wrong_rate_is_noticed(outcome: Outcome, mapping: dict[str, Any]) -> None:
    wrong = deepcopy(mapping)
    wrong["plans"][0]["plan"]["tracks"]["agent"]["levels"][0]["rate_bp"] += 1
    found = {order_id: outcome.readback.listed(order_id) for order_id in outcome.expected.verdicts}
    assert compare(expect(BASKETS, MONTHS, wrong).verdicts, found)


@pytest.mark.parametrize(("misses", "close_hours"), [(2, 3), (1, 2)])
def test_one_wrong_rule_of_levels_is_noticed(
    outcome: Outcome, mapping: dict[str, Any], misses: int, close_hours: int
) -> None:
    wrong = deepcopy(mapping)
    wrong["plans"][0]["plan"]["tracks"]["everyone"]["demotion"]["misses"] = misses
    wrong["plans"][0]["plan"]["close_hours"] = close_hours
    assert compare(expect(BASKETS, MONTHS, wrong).changes, outcome.readback.changes)


def test_money_was_paid_and_held_and_came_back(outcome: Outcome) -> None:
    purses, statuses = outcome.expected.purses.values(), {each.status for each in outcome.expected.withdrawals.values()}
    assert all(
        sum(getattr(purse, name) for purse in purses) > 0 for name in ("pending", "available", "paid_out", "fee")
    )
    assert statuses >= {"paid", "returned"}
    assert any(purse.available < 0 for purse in purses)


@pytest.mark.parametrize(("section", "field", "wrong"), [("hold", "days", 8), ("withdrawal", "fee_bp", 51)])
def test_one_wrong_term_of_money_is_noticed(
    outcome: Outcome, mapping: dict[str, Any], section: str, field: str, wrong: int
) -> None:
    other = deepcopy(mapping)
    other["plans"][0]["plan"][section][field] = wrong
    assert outcome.readback.books.differences(expect(BASKETS, MONTHS, other))


def test_the_report_says_what_happened(outcome: Outcome) -> None:
    text = "\n".join(report(outcome))
    for expected in (
        "credited",
        "binding_expired",
        "tier 3",
        "rounded down once",
        "curl",
        "ledger = orders: yes",
        outcome.oracle_says,
    ):
        assert expected in text


def test_the_report_shows_levels_rising_and_falling(outcome: Outcome) -> None:
    lines = list(report(outcome))
    (falls,) = (line for line in lines if line.startswith("  falls "))
    assert falls.split()[1:] == ["0", "0", "1", "1"]
    assert any("Jan V" in line and "Feb V" in line and "now V" in line for line in lines)
    assert any(line.endswith(" 1, so down") for line in lines)


def test_the_report_tells_where_the_money_is_to_the_fen(outcome: Outcome) -> None:
    lines = list(report(outcome))
    begins = next(number for number, line in enumerate(lines) if line.startswith("Where the money is"))
    rows = [line for line in lines[begins + 1 : begins + 8]]
    amounts = [int(row[18:35].replace(",", "").replace(".", "")) for row in rows]
    assert [row[2:18].strip() for row in rows][1:4] == ["pending", "available", "held"]
    assert sum(amounts) == 0
    assert amounts[0] < 0 < amounts[4]


def test_the_report_tells_a_withdrawals_life_and_whose_debt_there_is(outcome: Outcome) -> None:
    text = "\n".join(report(outcome))
    for expected in (
        "One withdrawal's life",
        "requested",
        "the schedule",
        "A refund after the payout",
        "later earnings",
    ):
        assert expected in text
