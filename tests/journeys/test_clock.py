"""A test program's clock stands still until it is moved, and moves forward only."""

from collections.abc import Callable

from tests.journeys.client import NOW, Cloud, Shop, done, until
from tests.journeys.plans import plan

MakeShop = Callable[..., Shop]


def stands_at(shop: Shop) -> dict[str, str | None]:
    return dict(done(shop.api.get("/v1/test/clock", key=shop.keys.operator)))


def test_it_stands_where_the_program_was_told_to_begin(shop: Shop) -> None:
    assert stands_at(shop) == {"now": "2026-03-04T02:00:00Z", "moving_to": None}
    assert shop.order("A", 1000)["received_at"] == "2026-03-04T02:00:00Z"


def test_it_moves_forward_and_what_is_told_then_is_received_then(shop: Shop) -> None:
    shop.move_clock("2026-03-05T10:00:00+08:00")
    assert stands_at(shop) == {"now": "2026-03-05T02:00:00Z", "moving_to": None}
    assert shop.order("A", 1000)["received_at"] == "2026-03-05T02:00:00Z"
    (row,) = (row for row in shop.all("/v1/audit") if row["action"] == "program.move_clock")
    assert (row["actor"], row["detail"]) == ("wang", {"from": "2026-03-04T02:00:00Z", "to": "2026-03-05T02:00:00Z"})


def test_it_never_moves_backwards(shop: Shop) -> None:
    back = shop.api.post("/v1/test/clock", {"now": "2026-03-04T09:59:59+08:00"}, key=shop.keys.operator)
    assert (back.status, back.code) == (409, "clock_goes_forward")
    assert done(shop.api.post("/v1/test/clock", {"now": NOW}, key=shop.keys.operator), 202)["moving_to"] is None


def test_an_accepted_order_is_decided_before_the_clock_moves(shop: Shop) -> None:
    """Moving at once either waits for the stream or comes after it; a story told twice ends the same."""
    shop.order("A", 1000, code=shop.distributor("seller")["code"])

    def move() -> tuple[int, str]:
        answer = shop.api.post("/v1/test/clock", {"now": "2026-03-05T10:00:00+08:00"}, key=shop.keys.operator)
        return answer.status, "" if answer.status == 202 else answer.code

    until(move, lambda said: said == (202, "") or said != (409, "orders_undecided"))
    assert move() == (202, "")
    assert shop.explained("A")["decisions"][0]["at"] == "2026-03-04T02:00:00Z"


def test_a_live_program_goes_by_real_time(cloud: Cloud, make_shop: MakeShop) -> None:
    live = make_shop(plan(), mode="live", now=None)
    for method, body in (("GET", None), ("POST", {"now": NOW})):
        answer = live.api.send(method, "/v1/test/clock", body, live.keys.operator)
        assert (answer.status, answer.code) == (409, "not_a_test_program")
    about = {"program_id": "x", "name": "x", "currency": "CNY", "country": "US", "mode": "live", "now": NOW}
    assert cloud.api.post("/v1/programs", about, key=cloud.platform_key).status == 422
