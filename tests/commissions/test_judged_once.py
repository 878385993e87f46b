"""An order is judged for ever by the plan in force when it was told, whatever is published before it is decided."""

from tests.support_laws import document
from tests.support_market import Market, at


def publish(market: Market, effective_at: str) -> None:
    body = {"plan": document(rate_bp=2000, uplines=[200, 100]), "effective_at": effective_at}
    answer = market.api.post("/v1/program/plans", body, key=market.shop.operator)
    assert answer.status == 201, answer.text


def test_a_plan_published_between_telling_and_deciding_changes_nothing(market: Market) -> None:
    """Paid five minutes ahead of our clock: the new plan is in force then, but wasn't known when the order was told."""
    market.tell("A-1", paid_at=at(minutes=5))
    publish(market, at(minutes=3))
    market.decide("A-1")
    explained = market.api.get("/v1/orders/A-1/explanation", key=market.shop.operator).json
    assert (explained["plan_version"], explained["tiers"][0]["target_minor"]) == (1, 1000)
    assert explained["decided"]


def test_an_order_told_after_the_publication_is_judged_by_the_new_plan(market: Market) -> None:
    publish(market, at(minutes=3))
    market.tell("A-2", paid_at=at(minutes=5))
    market.decide("A-2")
    explained = market.api.get("/v1/orders/A-2/explanation", key=market.shop.operator).json
    assert (explained["plan_version"], explained["tiers"][0]["target_minor"]) == (2, 2000)


def test_a_pause_after_the_telling_takes_nothing_back(market: Market) -> None:
    market.tell("A-3", paid_at=at(minutes=5))
    assert market.api.patch("/v1/program", {"paused": True, "reason": "r"}, key=market.shop.operator).status == 200
    market.decide("A-3")
    explained = market.api.get("/v1/orders/A-3/explanation", key=market.shop.operator).json
    assert (explained["credited"], explained["reason"]) == (True, "code")


def test_a_note_on_an_old_order_is_taken(market: Market) -> None:
    market.tell("A-4")
    market.move_to(days=500)
    answer = market.tell("A-4", version=2, metadata={"note": "found"}, expect=200)
    assert answer.json["metadata"] == {"note": "found"}
