"""A hundred orders at once, each judged by itself."""

from typing import Any

from tests.support_market import Market, at


def batch(market: Market, *orders: Any) -> list[dict[str, Any]]:
    data = market.post("/v1/orders/batch", {"orders": list(orders)}, 200).json["data"]
    assert len(data) == len(orders)
    return list(data)


def test_each_order_gets_what_it_alone_would_get_in_order(market: Market) -> None:
    market.tell("A-1")
    answers = batch(
        market,
        market.body("A-1"),
        market.body("A-2"),
        market.body("A-1", ("x", 9)),
        market.body("A-3", ("x", -1)),
        "rubbish",
        market.body("A-4", paid_at=at(-401)),
        market.body("A-5", paid_at=at(-61)),
        market.body("A-6"),
    )
    assert [answer["status"] for answer in answers] == [200, 201, 409, 422, 422, 422, 409, 201]
    codes = [answer["problem"] and answer["problem"]["code"] for answer in answers]
    assert codes == [
        None, None, "exists_with_different_content", "invalid_request", "invalid_request", "time_out_of_range",
        "no_plan_in_force", None,
    ]  # fmt: skip
    assert answers[3]["problem"]["errors"][0]["pointer"] == "/lines/0/paid_minor"
    assert [answer["order"] and answer["order"]["order_id"] for answer in answers] == [
        "A-1", "A-2", None, None, None, None, None, "A-6",
    ]  # fmt: skip
    for found in ("A-1", "A-2", "A-6"):
        assert market.order(found) in [answer["order"] for answer in answers]


def test_the_same_order_twice_in_one_batch_is_the_same_again(market: Market) -> None:
    one = market.body("A-1")
    placed, paid = market.body("A-2", paid_at=None), market.body("A-2", version=2)
    answers = batch(market, one, one, one | {"channel": "other"}, placed, paid, placed)
    assert [answer["status"] for answer in answers] == [201, 200, 409, 201, 200, 409]
    assert answers[0]["order"] == answers[1]["order"]
    assert market.order("A-2")["status"] == "paid"


def test_a_whole_batch_again_is_the_same_again(market: Market) -> None:
    orders = [market.body(f"A-{i}") for i in range(3)]
    first, again = batch(market, *orders), batch(market, *orders)
    assert [answer["status"] for answer in again] == [200] * 3
    assert [answer["order"] for answer in again] == [answer["order"] for answer in first]


def test_a_binding_that_one_order_makes_counts_for_the_next_of_the_batch(make_market: Any) -> None:
    market = make_market(attribution={})
    market.move_to(minutes=5)
    first = market.body("A-1", customer_id="c", paid_at=at(minutes=2))
    answers = batch(market, first, market.body("A-2", customer_id="c", paid_at=at(minutes=3), referral_code=None))
    assert [answer["order"]["attribution"]["reason"] for answer in answers] == ["code", "binding"]


def test_a_batch_has_1_to_100_orders(market: Market) -> None:
    assert market.post("/v1/orders/batch", {"orders": []}, 422).errors == {("/orders", "too_short")}
    assert market.post("/v1/orders/batch", {"orders": ["x"] * 101}, 422).errors == {("/orders", "too_long")}
    assert [answer["status"] for answer in batch(market, *["x"] * 100)] == [422] * 100
