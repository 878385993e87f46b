"""What counts as lost by the stream: something that the last decision can't have known, however late it was made."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from chalicelib.commissions import proof, service
from tests.support_faults import Crash, failing
from tests.support_market import Market, at


def half_decided(market: Market) -> None:
    """A worker has died after the first decision that it made, half an hour after it was told."""
    market.move_to(days=1, minutes=30)
    with failing({1}, answered=True, only="decisions"), pytest.raises(Crash):
        market.decide("A")


def another_attribution(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is taken back from one, and not given to the other."""
    market.tell("A")
    market.decide("A")
    market.move_to(days=1)
    market.attribute("A", "middle")
    half_decided(market)


def refunds_of_two_days(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each counts on a day of its own."""
    market.tell("A")
    market.decide("A")
    market.refund("A", "r-1", ("1", 1_000))
    market.move_to(days=1)
    market.refund("A", "r-2", ("1", 1_000))
    half_decided(market)


def a_decided_rank(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was judged with the rank that was known."""
    market.move_to(days=1)
    market.tell("A", paid_at=at(days=1))
    market.move_to(days=1, minutes=30)
    market.decide("A")
    monkeypatch.setattr(service.levels, "decided_rank", lambda *_: 2)


@pytest.mark.parametrize("news", [another_attribution, refunds_of_two_days, a_decided_rank])
def test_what_is_only_half_decided_is_lost(
    market: Market, news: Callable[[Market, pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    news(market, monkeypatch)
    market.move_to(days=3)
    found = proof.of_orders(market.program, ["A"])
    assert [(one.order_id, one.lost) for one in found] == [("A", True)]
    assert proof.lost_of(market.program, found) == ["A"]
    market.decide("A")
    assert proof.of_orders(market.program, ["A"]) == []


def test_what_other_code_would_decide_is_not_lost(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    market.tell("A")
    market.move_to(minutes=30)
    market.decide("A")
    market.move_to(days=3)
    real = service.rules.target_of
    monkeypatch.setattr(service.rules, "target_of", lambda *of: replace(real(*of), tiers=()))
    (one,) = proof.of_orders(market.program, ["A"])
    assert ([difference.kind for difference in one.differences], one.lost) == (["decision"], False)
