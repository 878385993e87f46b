"""Three hundred real baskets, replayed to the deployed platform and checked by the oracle."""

from copy import deepcopy
from typing import Protocol

import pytest

from infra.replay import Outcome, replay
from infra.replay.journey import load_mapping
from infra.replay.oracle import compare, expect
from infra.replay.progress import Teller
from infra.replay.report import report

BASKETS = 300


class Cloud(Protocol):
    """What the journeys' fixture gives: the deployed platform."""

    url: str
    platform_key: str


@pytest.fixture(scope="module")
def outcome(cloud: Cloud) -> Outcome:
    with Teller() as teller:
        return replay(cloud.url, cloud.platform_key, teller, baskets=BASKETS)


def test_the_oracle_finds_no_difference(outcome: Outcome) -> None:
    assert outcome.differences == []
    assert len(outcome.expected) >= BASKETS
    assert outcome.oracle_says.endswith(" 0 differences")


def test_one_wrong_rate_is_noticed(outcome: Outcome) -> None:
    wrong = deepcopy(load_mapping())
    wrong["plans"][0]["plan"]["tracks"]["agent"]["levels"][0]["rate_bp"] += 1
    found = {order_id: outcome.readback.listed(order_id) for order_id in outcome.expected}
    assert compare(expect(BASKETS, wrong), found)


def test_the_report_says_what_happened(outcome: Outcome) -> None:
    text = "\n".join(report(outcome))
    for expected in ("credited", "binding_expired", "tier 3", "rounded down once", "curl", outcome.oracle_says):
        assert expected in text
