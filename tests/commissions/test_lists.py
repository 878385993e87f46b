"""Lists of commissions and orders, and who may see them."""

from collections.abc import Callable

import pytest

from tests.support_market import Market, at


@pytest.fixture
def busy(market: Market) -> Market:
    """Orders of three days: one refunded, one completed (the middle's), one of nobody's, one undecided."""
    market.move_to(days=2)
    for order_id, day, code in (("A", 0, "seller"), ("B", 0.2, "middle"), ("C", 1, "seller"), ("D", 2, "seller")):
        market.tell(order_id, ("x", 10_000), paid_at=at(day), referral_code=market.code(code))
        market.decide(order_id)
    market.tell("E", paid_at=at(1.5), referral_code=None)
    market.decide("E")
    market.refund("A", "r", ("1", 10_000), refunded_at=at(1))
    market.complete("B", at(1))
    for order_id in "AB":
        market.decide(order_id)
    market.tell("F", paid_at=at(2))
    return market


def found(market: Market, query: str = "", key: str | None = None) -> list[tuple[str, int]]:
    rows = market.get(f"/v1/commissions{query}", key)["data"]
    return [(row["order_id"], row["tier"]) for row in rows]


ALL = [("D", 1), ("D", 2), ("D", 3), ("C", 1), ("C", 2), ("C", 3), ("B", 1), ("B", 2), ("A", 1), ("A", 2), ("A", 3)]


def test_a_programs_commissions_last_paid_first_each_once(busy: Market) -> None:
    assert found(busy) == ALL
    for limit in (1, 4):
        assert [(row["order_id"], row["tier"]) for row in busy.walk("/v1/commissions", limit=limit)] == ALL


FILTERS = {
    "status=pending": "DCB",
    "status=available": "",
    "status=clawed_back": "A",
    "status=void": "",
    f"from={at(1)}": "DC",
    f"to={at(1)}": "BA",
    f"from={at(0.2)}&to={at(1)}": "B",
    f"from={at(0)}&to={at(0)}": "",
    "order_id=C": "C",
    "order_id=E": "",
    "order_id=F": "",
    "order_id=unknown": "",
    f"order_id=C&from={at(2)}": "",
}


def test_commissions_are_filtered(busy: Market) -> None:
    for query, orders in FILTERS.items():
        assert found(busy, "?" + query.replace("+", "%2B")) == [row for row in ALL if row[0] in orders], query
    for query, orders in (("status=clawed_back", "A"), ("order_id=C", "C")):
        rows = busy.walk(f"/v1/commissions?{query}")
        assert [(row["order_id"], row["tier"]) for row in rows] == [row for row in ALL if row[0] in orders]


def test_available_once_the_hold_is_over(busy: Market) -> None:
    busy.move_to(days=9)
    assert found(busy, "?status=available") == [("B", 1), ("B", 2)]
    row = busy.get("/v1/commissions?order_id=B")["data"][0]
    assert (row["status"], row["available_at"], row["amount_minor"]) == ("available", "2026-03-12T16:00:00Z", 1000)


def test_a_distributors_commissions_last_decided_first(busy: Market) -> None:
    seller, middle = busy.id("seller"), busy.id("middle")
    assert found(busy, f"?distributor_id={seller}") == [("D", 1), ("C", 1), ("A", 1)]
    assert set(found(busy, f"?distributor_id={middle}")) == {("D", 2), ("C", 2), ("B", 1), ("A", 2)}
    assert found(busy, f"?distributor_id={seller}&status=clawed_back") == [("A", 1)]
    assert found(busy, f"?distributor_id={seller}&order_id=C") == [("C", 1)]
    assert [row["order_id"] for row in busy.walk(f"/v1/distributors/{seller}/commissions?status=pending")] == ["D", "C"]


def test_one_commission_with_its_derivation(busy: Market) -> None:
    row = busy.get("/v1/commissions?order_id=C")["data"][1]
    one = busy.get(f"/v1/commissions/{row['commission_id']}")
    assert one == row | {"derivation": busy.get("/v1/orders/C/explanation")}
    assert one["available_at"] is None
    for other in (row["commission_id"].replace("com_2", "com_3"), "com_9", row["commission_id"][:-1] + "E"):
        assert busy.get(f"/v1/commissions/{other}", expect=404)["code"] == "not_found"


def test_a_cursor_is_of_one_list(busy: Market) -> None:
    cursor = busy.get("/v1/commissions?limit=1")["next_cursor"]
    other = f"/v1/distributors/{busy.id('seller')}/commissions"
    for path in (
        "/v1/commissions?status=pending&",
        "/v1/commissions?order_id=C&",
        f"{other}?",
        "/v1/orders?paid_day=2026-03-04&",
    ):
        assert busy.get(f"{path}cursor={cursor}", expect=422)["code"] == "invalid_cursor"
    for bad in ("limit=0", "limit=101", "limit=x", "status=gone", "from=yesterday", "page=2"):
        assert busy.get(f"/v1/commissions?{bad}", expect=422)["code"] == "invalid_request"


def test_another_programs_cursor_is_refused(busy: Market, make_market: Callable[..., Market]) -> None:
    cursor = busy.get("/v1/commissions?limit=1")["next_cursor"]
    other = make_market("shop-2")
    assert other.get(f"/v1/commissions?cursor={cursor}", expect=422)["code"] == "invalid_cursor"
    assert other.get("/v1/commissions")["data"] == []


def test_the_orders_a_distributor_sold(busy: Market) -> None:
    sold = busy.walk(f"/v1/distributors/{busy.id('seller')}/orders")
    assert [order["order_id"] for order in sold] == ["D", "C", "A"]
    assert sold[0] == busy.order("D")
    assert busy.walk(f"/v1/distributors/{busy.id('top')}/orders") == []


# What a distributor sees


def test_a_distributor_sees_its_own_and_nothing_else(busy: Market) -> None:
    mine = busy.session("middle")
    assert set(found(busy, key=mine)) == {("D", 2), ("C", 2), ("B", 1), ("A", 2)}
    assert found(busy, "?order_id=D", key=mine) == [("D", 2)]
    seller = busy.id("seller")
    row = busy.get("/v1/commissions?order_id=D")["data"][0]
    for path in (
        f"/v1/commissions?distributor_id={seller}",
        f"/v1/commissions/{row['commission_id']}",
        f"/v1/distributors/{seller}/commissions",
        f"/v1/distributors/{seller}/statement",
        f"/v1/distributors/{seller}/orders",
        "/v1/orders/E",
        "/v1/orders/E/explanation",
        "/v1/orders/F",
        "/v1/orders/unknown",
    ):
        assert busy.get(path, mine, expect=404)["code"] == "not_found"
    assert busy.get("/v1/orders/D", mine)["order_id"] == "D"
    assert busy.get("/v1/orders/D/explanation", mine)["distributor_id"] == seller
    own = busy.get("/v1/commissions?order_id=B", mine)["data"][0]["commission_id"]
    assert busy.get(f"/v1/commissions/{own}", mine)["derivation"]["order_id"] == "B"
    for path in ("/v1/orders?paid_day=2026-03-04", "/v1/audit"):
        assert busy.get(path, mine, expect=403)["code"] == "forbidden"


def test_a_skipped_upline_doesnt_see_the_order(market: Market) -> None:
    mine = market.session("middle")
    market.post(f"/v1/distributors/{market.id('middle')}/suspend", {"reason": "x"}, 200, market.shop.operator)
    market.tell("A")
    market.decide("A")
    market.post(f"/v1/distributors/{market.id('middle')}/reinstate", {"reason": "x"}, 200, market.shop.operator)
    assert market.api.get("/v1/orders/A", key=mine).status in (401, 404)


def test_who_lost_an_order_still_sees_it(market: Market) -> None:
    mine = market.session("seller")
    market.tell("A")
    market.decide("A")
    market.attribute("A", "top")
    market.decide("A")
    assert market.get("/v1/orders/A", mine)["attribution"]["distributor_id"] == market.id("top")


def test_a_list_goes_back_more_than_a_year(make_market: Callable[..., Market]) -> None:
    market = make_market()
    market.tell("A", paid_at=at())
    market.decide("A")
    market.move_to(days=390)
    assert found(market) == [("A", 1), ("A", 2), ("A", 3)]
