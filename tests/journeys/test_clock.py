"""A test program's clock stands still until it is moved, and moves forward only."""

from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from tests.journeys.client import NOW, Cloud, Shop, done, until
from tests.journeys.plans import plan, rocket_snail
from tests.support import Answer

MakeShop = Callable[..., Shop]


def test_it_stands_where_the_program_was_told_to_begin(shop: Shop) -> None:
    assert shop.clock() == {"now": "2026-03-04T02:00:00Z", "moving_to": None}
    assert shop.order("A", 1000)["received_at"] == "2026-03-04T02:00:00Z"


def test_it_moves_forward_and_what_is_told_then_is_received_then(shop: Shop) -> None:
    shop.move_clock("2026-03-05T10:00:00+08:00")
    assert shop.clock() == {"now": "2026-03-05T02:00:00Z", "moving_to": None}
    assert shop.order("A", 1000)["received_at"] == "2026-03-05T02:00:00Z"
    (row,) = (row for row in shop.all("/v1/audit") if row["action"] == "program.move_clock")
    assert (row["actor"], row["detail"]) == ("wang", {"from": "2026-03-04T02:00:00Z", "to": "2026-03-05T02:00:00Z"})


def test_it_never_moves_backwards(shop: Shop) -> None:
    back = shop.set_out("2026-03-04T09:59:59+08:00")
    assert (back.status, back.code) == (409, "clock_goes_forward")
    assert done(shop.set_out(NOW), 202)["moving_to"] is None


def test_an_accepted_order_is_decided_before_the_clock_moves(shop: Shop) -> None:
    """Moving at once either waits for the stream or comes after it; a story told twice ends the same."""
    shop.order("A", 1000, code=shop.distributor("seller")["code"])

    def move() -> tuple[int, str]:
        answer = shop.set_out("2026-03-05T10:00:00+08:00")
        return answer.status, "" if answer.status == 202 else answer.code

    until(move, lambda said: said == (202, "") or said != (409, "orders_undecided"))
    assert move() == (202, "")
    assert shop.explained("A")["decisions"][0]["at"] == "2026-03-04T02:00:00Z"


def test_while_it_moves_a_later_target_is_taken_and_an_earlier_one_refused(shop: Shop) -> None:
    first, further = "2026-03-20T10:00:00+08:00", "2026-03-24T10:00:00+08:00"
    told = done(shop.set_out(first), 202)
    assert told == {"now": "2026-03-04T02:00:00Z", "moving_to": "2026-03-20T02:00:00Z"}
    assert done(shop.set_out(first), 202)["moving_to"] in ("2026-03-20T02:00:00Z", None)

    def move_on() -> Answer:
        return shop.set_out(further)

    # The worker, too, keeps with the program where the clock is: who comes at the same instant has to repeat.
    said = done(until(move_on, lambda answer: answer.status != 409 or answer.code != "changed_meanwhile"), 202)
    assert said["moving_to"] == "2026-03-24T02:00:00Z"
    earlier = shop.set_out(first)
    assert (earlier.status, earlier.code) == (409, "clock_goes_forward")
    until(shop.clock, lambda it: it["moving_to"] is None)
    assert shop.clock()["now"] == "2026-03-24T02:00:00Z"
    days = [(run["first_day"], run["last_day"]) for run in shop.all("/v1/jobs?job=levels")][::-1]
    assert (days[0][0], days[-1][1]) == ("2026-03-05", "2026-03-24"), "each day once, whoever asked for it"
    assert all(next_day(last) == first for (_, last), (first, _) in pairwise(days))


def next_day(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def test_what_was_told_at_once_before_counts_before(make_shop: MakeShop) -> None:
    """A refund and an order that the stream can hardly have decided, and then the clock moves over a close."""
    shop = make_shop(None)
    shop.publish(rocket_snail(), NOW)
    mei, li = (shop.distributor(name) for name in ("mei", "li"))
    for order_id, seller in (("A", mei), ("B", li)):
        shop.sells(order_id, 500_000, NOW, seller)
        shop.explained(order_id)
    shop.refund("A", "r", ("1", 300_000, 0))
    shop.sells("C", 500_000, NOW, li)
    shop.move_clock("2026-03-05T12:00:00+08:00")
    assert shop.changes(mei) == [("2026-03-05", 1, 2, "rocket")]
    assert shop.changes(li) == [("2026-03-05", 1, 5, "rocket")]
    assert {decision["at"] for decision in shop.explained("A")["decisions"]} == {"2026-03-04T02:00:00Z"}


def test_a_story_told_twice_ends_the_same(make_shop: MakeShop) -> None:
    """Once waiting for every decision, once as fast as the platform takes it."""

    def told(patient: bool) -> Any:
        shop = make_shop(None, now="2026-03-30T10:00:00+08:00")
        shop.publish(rocket_snail(misses=1), "2026-03-30T10:00:00+08:00")
        mei, li = (shop.distributor(name) for name in ("mei", "li"))

        def settled(order_id: str) -> None:
            if patient:
                shop.explained(order_id)

        for number, seller in enumerate((mei, li, mei)):
            shop.sells(f"A{number}", 250_000, "2026-03-30T10:00:00+08:00", seller)
            settled(f"A{number}")
        shop.move_clock("2026-04-01T00:30:00+08:00")
        for number, seller in enumerate((li, mei)):
            shop.sells(f"B{number}", 99_999, "2026-04-01T00:10:00+08:00", seller)
            settled(f"B{number}")
        shop.sells("late", 250_000, "2026-03-31T20:00:00+08:00", li)
        settled("late")
        shop.refund("A2", "r", ("1", 150_000, 0), at="2026-03-31T21:00:00+08:00")
        settled("A2")
        shop.move_clock("2026-05-01T12:00:00+08:00")
        runs = [
            (run["first_day"], run["last_day"], run["due_at"], run["counts"]) for run in shop.all("/v1/jobs?job=levels")
        ]
        sums = [
            sum(amount * ((credit == "pending") - (debit == "pending")) for _, debit, credit, amount in lines)
            for lines in (shop.statement(mei), shop.statement(li))
        ]
        orders = [shop.level_of(name) for name in ("A0", "A1", "A2", "B0", "B1", "late")]
        return shop.changes(mei), shop.changes(li), runs, sums, orders

    once, again = told(patient=True), told(patient=False)
    assert once == again
    assert [row[1:] for row in once[0]] == [(1, 4, "rocket"), (4, 3, "snail")]
    assert [row[1:] for row in once[1]] == [(1, 3, "rocket"), (3, 4, "rocket"), (4, 3, "snail")]
    dues = [due_at for _, _, due_at, _ in once[2]]
    assert dues == sorted(dues, reverse=True)


def test_a_live_program_goes_by_real_time(cloud: Cloud, make_shop: MakeShop) -> None:
    live = make_shop(plan(), mode="live", now=None)
    for method, body in (("GET", None), ("POST", {"now": NOW})):
        answer = live.api.send(method, "/v1/test/clock", body, live.keys.operator)
        assert (answer.status, answer.code) == (409, "not_a_test_program")
    about = {"program_id": "x", "name": "x", "currency": "CNY", "country": "US", "mode": "live", "now": NOW}
    assert cloud.api.post("/v1/programs", about, key=cloud.platform_key).status == 422
