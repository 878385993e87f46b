"""What real baskets cost a live program in write units, metered at the wire, against money.md's table."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.shared import clock
from infra.replay.journey import plan_journey
from tests.support_market import Market, at
from tests.support_meter import Meter, metered
from tests.support_stream import Stream

BASKETS = 200
TOLD = ("lines", "channel", "coupon_codes")
"""What is taken of a basket's order; whose it is and when it was paid is the test's."""


@pytest.fixture(scope="module")
def baskets() -> list[dict[str, Any]]:
    """Orders of real baskets, the longest first, as a storefront tells them."""
    orders = plan_journey(BASKETS, months=12).orders[:BASKETS]
    assert len(orders) == BASKETS
    bodies = [{key: order.body[key] for key in ("order_id", *TOLD)} for order in orders if paid(order.body)]
    return sorted(bodies, key=lambda body: -len(body["lines"]))


@pytest.fixture
def market(make_market: Callable[..., Market]) -> Market:
    """Three tiers, in a live program: its orders are paid now."""
    return make_market(mode="live", now=None)


def now(market: Market) -> str:
    return clock.shown(market.program.now())


def paid(body: dict[str, Any]) -> int:
    return sum(line["paid_minor"] for line in body["lines"])


class Bill:
    """Units by operation: each at most so many, and one more for each further kilobyte of an item."""

    def __init__(self, most: dict[str, int]) -> None:
        self._most = most
        self._units: dict[str, Counter[int]] = {name: Counter() for name in most}

    def add(self, operation: str, meter: Meter) -> None:
        assert meter.units <= self._most[operation] + meter.further_kb, (operation, meter.writes)
        self._units[operation][meter.units] += 1

    def __str__(self) -> str:
        return "\n".join(
            f"  {name:<28} at most {self._most[name]}: " + ", ".join(f"{n} x {u}" for u, n in sorted(units.items()))
            for name, units in self._units.items()
        )

    def share(self, operation: str, units: int) -> float:
        """The share of the operations that cost at most so much."""
        counted = self._units[operation]
        return sum(n for u, n in counted.items() if u <= units) / counted.total()


def told(market: Market, body: dict[str, Any]) -> Meter:
    """Tell an order and decide it."""
    with metered() as meter:
        market.tell(**body)
        market.decide(body["order_id"])
    return meter


def finish(market: Market, body: dict[str, Any], bill: Bill) -> None:
    """Complete an order, then take its dearest line back."""
    order_id, line = body["order_id"], max(body["lines"], key=lambda line: line["paid_minor"])
    with metered() as meter:
        market.complete(order_id)
        market.decide(order_id)
    bill.add("completion", meter)
    with metered() as meter:
        market.refund(order_id, "r", (line["line_id"], line["paid_minor"], 1))
        market.decide(order_id)
    bill.add("refund", meter)


def test_three_tiers(
    market: Market, baskets: list[dict[str, Any]], stream: Stream, capsys: pytest.CaptureFixture[str]
) -> None:
    bill = Bill({"order": 6, "order again": 1, "completion": 5, "refund": 5})
    for sku, _ in Counter(line["sku"] for body in baskets for line in body["lines"]).most_common(3):
        market.rule(sku, mode="at_least", rate_bp=500, fixed_minor=3)
    for i, basket in enumerate(baskets[::4]):
        body = basket | {"paid_at": now(market)}
        bill.add("order", told(market, body))
        if i % 4 == 0:
            with metered() as meter:
                market.tell(**body, expect=200)
            bill.add("order again", meter)
            finish(market, body, bill)
    with metered() as meter:
        stream.deliver(stream.of(*(body["order_id"] for body in baskets[:40])))
    assert meter.writes == []
    assert bill.share("order", 6) > 0.9
    assert bill.share("completion", 5) == bill.share("refund", 5) == bill.share("order again", 0) == 1
    with capsys.disabled():
        print(f"\nwrite units, three tiers, real baskets (number x units)\n{bill}")


def test_one_tier(
    make_market: Callable[..., Market], baskets: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    market = make_market(mode="live", now=None, uplines=[])
    bill = Bill({"order": 4, "completion": 3, "refund": 3})
    for i, basket in enumerate(baskets[::9]):
        body = basket | {"paid_at": now(market)}
        bill.add("order", told(market, body))
        if i % 4 == 0:
            finish(market, body, bill)
    assert bill.share("order", 4) > 0.9
    with capsys.disabled():
        print(f"\nwrite units, one tier, real baskets (number x units)\n{bill}")


def test_a_first_binding_costs_two_more_and_a_later_order_none(make_market: Callable[..., Market]) -> None:
    """Two, where money.md says one: the list of a distributor's customers is an index of bindings."""
    market = make_market(mode="live", now=None, attribution={})
    with metered() as first:
        market.tell("A-1", customer_id="c", paid_at=now(market))
    with metered() as later:
        market.tell("A-2", customer_id="c", paid_at=now(market))
    assert (first.of("orders"), first.of("referrals")) == (2, 2)
    assert (later.of("orders"), later.of("referrals")) == (2, 0)


def test_a_click_costs_one(market: Market) -> None:
    with metered() as meter:
        market.post("/v1/clicks", {"code": market.code("seller"), "visitor_id": "v", "at": at()}, 201)
    assert (meter.units, meter.of("referrals")) == (1, 1)


def test_in_a_test_program_what_is_told_after_an_order_costs_one_more(make_market: Callable[..., Market]) -> None:
    """So that its clock finds what the stream hasn't decided yet."""
    units = []
    for market in (make_market(mode="live", now=None), make_market("shop-2")):
        market.tell("A-1", paid_at=now(market))
        market.decide("A-1")
        with metered() as meter:
            market.complete("A-1")
            market.refund("A-1", "r", ("1", 5))
            market.cancel("A-1")
        units.append(meter.units)
    assert units == [3, 6]


def test_repeated_facts_cost_nothing_or_one(market: Market) -> None:
    paid_at = now(market)
    market.tell("A-1", paid_at=paid_at)
    market.refund("A-1", "r", ("1", 5))
    market.complete("A-1")
    market.cancel("A-1")
    with metered() as meter:
        market.tell("A-1", paid_at=paid_at, expect=200)
        market.refund("A-1", "r", ("1", 5), expect=200)
        market.complete("A-1")
        market.cancel("A-1")
        market.tell("A-1", paid_at=paid_at, channel="other", expect=409)
        market.refund("A-1", "r", ("1", 6), expect=409)
    assert meter.units == 0


def test_an_order_of_nobodys_costs_its_fact_and_one_decision(market: Market) -> None:
    with metered() as meter:
        market.tell("A-1", referral_code=None, paid_at=now(market))
        market.decide("A-1")
    assert meter.units == 3


def test_reading_costs_no_write(market: Market) -> None:
    market.tell("A-1", paid_at=now(market))
    market.decide("A-1")
    with metered() as meter:
        market.explained("A-1")
        market.get("/v1/commissions")
        market.get(f"/v1/distributors/{market.id('seller')}/statement")
    assert meter.writes == []
    assert meter.calls
