"""What storefronts tell of orders: kept, compared, bounded, never undone."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.orders.model import Refund, RefundLine
from chalicelib.orders.tables import FactItem, refund_item
from tests.support_faults import EVER, failing
from tests.support_market import START, Market, at


def test_an_order_is_told_back_as_it_stands(market: Market) -> None:
    market.join("coupons")
    says = {
        "placed_at": "2026-03-04T09:00:00.25+08:00",
        "coupon_codes": ["spring-5"],
        "visitor_id": "v-1",
        "channel": "wechat",
        "metadata": {"till": 7, "of": ["a", None, {"b": 1.5}]},
    }
    told = market.tell("A-1", ("x", 6000, 2), ("y", 0, 0), **says).json
    assert told == market.order("A-1")
    assert told["placed_at"] == "2026-03-04T01:00:00.250000Z"
    assert told["paid_at"] == told["received_at"] == "2026-03-04T02:00:00Z"
    assert (told["status"], told["flags"], told["version"]) == ("paid", [], 1)
    assert told["coupon_codes"] == ["SPRING-5"]
    assert told["metadata"] == says["metadata"]
    assert told["lines"][1] == {
        "line_id": "2", "sku": "y", "quantity": 0, "paid_minor": 0, "list_minor": None, "category": None,
    }  # fmt: skip
    assert told["attribution"]["distributor_id"] == market.id("seller")


@pytest.mark.parametrize("answered", [False, True])
def test_a_store_that_is_too_slow_is_unavailable_and_the_same_again_is_taken(
    market: Market, monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with failing(EVER, crash=False, answered=answered):
        refused = market.tell("A-1", expect=503)
    assert (refused.code, refused.headers["Retry-After"]) == ("unavailable", "1")
    market.tell("A-1", expect=200 if answered else 201)


def test_the_same_again_is_answered_as_before_however_it_is_written(market: Market) -> None:
    first = market.tell("A-1", completed_at=at(), metadata={"a": 1, "b": 2})
    same = {"paid_at": "2026-03-04T02:00:00.000Z", "completed_at": at(), "metadata": {"b": 2, "a": 1}, "version": 1}
    again = market.tell("A-1", expect=200, **same, referral_code=market.code("seller").lower())
    assert again.json == first.json


def test_the_same_again_is_answered_as_before_even_when_it_is_too_old_to_be_told(market: Market) -> None:
    first = market.tell("A-1")
    market.move_to(days=401)
    assert market.tell("A-1", expect=200).json == first.json
    assert market.tell("A-2", expect=422).errors == {("/paid_at", "time_out_of_range")}


@pytest.mark.parametrize(
    "says", [{"customer_id": "c-2"}, {"currency": "USD"}, {"metadata": {"a": 1}}, {"completed_at": at()},
             {"paid_at": at(minutes=-1)}, {"channel": "x"}, {"visitor_id": "v"}, {"coupon_codes": ["C"]}]
)  # fmt: skip
def test_other_content_of_the_same_version_is_refused(market: Market, says: dict[str, Any]) -> None:
    before = market.tell("A-1").json
    assert market.tell("A-1", expect=409, **says).code == "exists_with_different_content"
    assert market.order("A-1") == before


@pytest.mark.parametrize("version", [1, 2])
def test_a_lower_or_equal_version_is_refused(market: Market, version: int) -> None:
    market.tell("A-1", version=2, paid_at=None)
    assert market.tell("A-1", expect=409, version=version).code == "exists_with_different_content"
    assert market.order("A-1")["version"] == 2


def test_a_placed_order_may_change_in_everything_until_it_is_paid(market: Market) -> None:
    placed = market.tell("A-1", ("x", 100), paid_at=None, customer_id="c-8").json
    assert (placed["status"], placed["attribution"]["reason"]) == ("placed", "not_paid")
    market.tell("A-1", ("y", 300), ("z", 5), paid_at=None, version=2, customer_id="c-9", expect=200)
    market.move_to(minutes=30)
    paid = market.tell("A-1", ("z", 2000), version=5, customer_id="c-9", expect=200).json
    assert (paid["status"], paid["attribution"]["credited"]) == ("paid", True)
    assert paid["received_at"] == "2026-03-04T02:30:00Z"
    assert market.targets("A-1") == [200, 40, 20]


def test_an_unpaid_order_is_decided_for_nobody(market: Market) -> None:
    market.tell("A-1", paid_at=None)
    assert market.explained("A-1") | {"tried": []} == {
        "order_id": "A-1", "credited": False, "distributor_id": None, "reason": "not_paid", "tried": [],
        "plan_version": None, "tiers": [], "decided": True, "decisions": [],
    }  # fmt: skip
    assert market.journal("A-1") == []


def test_of_a_paid_order_metadata_and_completion_may_change_in_a_higher_version(market: Market) -> None:
    first = market.tell("A-1").json
    market.move_to(minutes=9)
    later = market.tell("A-1", version=2, metadata={"note": "gift"}, expect=200).json
    assert later == first | {"version": 2, "metadata": {"note": "gift"}}
    done = market.tell("A-1", version=3, completed_at=at(), expect=200).json
    assert (done["status"], done["completed_at"], done["metadata"]) == ("completed", "2026-03-04T02:00:00Z", {})
    wrong = market.tell("A-1", ("x", 9999), version=4, expect=409)
    assert wrong.code == "exists_with_different_content"


def test_a_version_never_takes_a_completion_back(market: Market) -> None:
    market.tell("A-1", completed_at=at(minutes=1))
    assert market.tell("A-1", version=2, expect=200).json["completed_at"] == "2026-03-04T02:01:00Z"
    later = market.tell("A-1", version=3, completed_at=at(minutes=5), expect=200)
    assert later.json["completed_at"] == "2026-03-04T02:01:00Z"
    assert market.tell("A-1", version=3, completed_at=at(minutes=5), expect=200).json == later.json
    assert market.tell("A-1", version=4, completed_at=at(), expect=200).json["completed_at"] == "2026-03-04T02:00:00Z"
    assert market.order("A-1")["completed_at"] == "2026-03-04T02:00:00Z"


def test_a_version_of_a_placed_order_never_takes_a_completion_back_either(market: Market) -> None:
    market.tell("A-1", paid_at=None, completed_at=at(minutes=1))
    assert market.tell("A-1", version=2, expect=200).json["completed_at"] == "2026-03-04T02:01:00Z"


def test_the_earliest_completion_wins_however_it_is_told(market: Market) -> None:
    answers = [market.complete("A-1", at(minutes=m)).json["completed_at"][14:16] for m in (5, 7, 3, 3, 5)]
    assert answers == ["05", "05", "03", "03", "03"]
    told = market.tell("A-1", completed_at=at(minutes=9)).json
    assert (told["completed_at"], told["status"]) == ("2026-03-04T02:03:00Z", "completed")


def test_the_first_cancellation_told_holds(market: Market) -> None:
    market.tell("A-1")
    assert market.cancel("A-1", at(minutes=4)).json["cancelled_at"] == "2026-03-04T02:04:00Z"
    assert market.cancel("A-1", at(minutes=1)).json["cancelled_at"] == "2026-03-04T02:04:00Z"
    assert market.order("A-1")["status"] == "cancelled"


@pytest.mark.parametrize("what", ["complete", "cancel"])
def test_a_repeat_is_answered_even_when_it_is_too_old_to_be_told(market: Market, what: str) -> None:
    first = getattr(market, what)("A-1", at())
    market.move_to(days=401)
    assert getattr(market, what)("A-1", at()).json == first.json
    assert getattr(market, what)("A-2", at(), expect=422).code == "time_out_of_range"


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ([], "paid"),
        (["complete"], "completed"),
        (["refund 1"], "partially_refunded"),
        (["complete", "refund 1"], "partially_refunded"),
        (["refund 10000", "complete"], "refunded"),
        (["refund 10001"], "refunded"),
        (["refund 10000", "cancel"], "cancelled"),
    ],
)
@pytest.mark.parametrize("before", [True, False])
def test_a_status_is_the_first_that_holds(market: Market, told: list[str], status: str, before: bool) -> None:
    if not before:
        market.tell("A-1")
    for fact in told:
        name, _, amount = fact.partition(" ")
        if amount:
            market.refund("A-1", f"r-{amount}", ("1", int(amount)))
        else:
            getattr(market, name)("A-1")
    if before:
        market.tell("A-1")
    assert market.order("A-1")["status"] == status


def test_a_refund_is_compared_by_its_lines_in_any_order(market: Market) -> None:
    market.tell("A-1", ("x", 100), ("y", 200))
    market.refund("A-1", "r-1", ("1", 10), ("2", 20, 1))
    market.refund("A-1", "r-1", ("2", 20, 1), ("1", 10), expect=200)
    for changed in ([("1", 11), ("2", 20, 1)], [("1", 10), ("2", 20, 2)], [("1", 10)]):
        assert market.refund("A-1", "r-1", *changed, expect=409).code == "exists_with_different_content"
    later = market.refund("A-1", "r-1", ("1", 10), ("2", 20, 1), refunded_at=at(minutes=1), expect=409)
    assert later.code == "exists_with_different_content"


def test_refund_ids_are_of_one_order(market: Market) -> None:
    market.tell("A-1")
    market.tell("A-2")
    assert market.refund("A-1", "r-1", ("1", 10)).status == 201
    assert market.refund("A-2", "r-1", ("1", 20)).status == 201


def test_a_refund_of_a_line_that_the_order_lacks_is_refused(market: Market) -> None:
    market.tell("A-1")
    wrong = market.refund("A-1", "r-1", ("1", 10), ("9", 10), expect=422)
    assert (wrong.code, wrong.errors) == ("unknown_line", {("/lines/1/line_id", "unknown_line")})
    assert market.order("A-1")["status"] == "paid"


def test_a_refund_of_a_missing_line_is_flagged_when_the_order_comes_later(market: Market) -> None:
    assert market.refund("A-1", "r-1", ("9", 10)).json["flags"] == []
    assert market.tell("A-1").json["flags"] == ["unknown_line"]
    assert market.refund("A-1", "r-1", ("9", 10), expect=200).json["flags"] == ["unknown_line"]
    assert market.targets("A-1") == [1000, 200, 100]


def test_more_than_was_paid_is_kept_and_flagged_and_counts_up_to_it(market: Market) -> None:
    market.tell("A-1", ("x", 6000), ("y", 4000))
    assert market.refund("A-1", "r-1", ("1", 5000)).json["flags"] == []
    assert market.refund("A-1", "r-2", ("1", 5000)).json["flags"] == ["over_refund"]
    assert market.refund("A-1", "r-3", ("2", 1)).json["flags"] == []
    assert market.order("A-1")["flags"] == ["over_refund"]
    assert market.targets("A-1") == [399, 79, 39]


@pytest.mark.parametrize(
    ("minutes", "days", "fits"), [(10, 0, True), (10.1, 0, False), (0, -400, True), (-1, -400, False)]
)
def test_times_lie_within_reach_of_the_programs_clock(
    make_market: Callable[..., Market], minutes: float, days: float, fits: bool
) -> None:
    market = make_market()
    when = at(days, minutes)
    placed = market.tell("A-1", paid_at=None, placed_at=when, expect=None)
    assert placed.status == (201 if fits else 422)
    assert market.tell("A-2", paid_at=None, completed_at=when, expect=None).status == placed.status
    assert market.complete("A-3", when, expect=None).status == (200 if fits else 422)
    assert market.cancel("A-3", when, expect=None).status == (200 if fits else 422)
    assert market.refund("A-3", "r", ("1", 1), refunded_at=when, expect=None).status == placed.status
    if not fits:
        assert placed.errors == {("/placed_at", "time_out_of_range")}


def test_all_times_out_of_range_are_listed(market: Market) -> None:
    far = {name: at(1) for name in ("placed_at", "paid_at", "completed_at")}
    assert {where for where, _ in market.tell("A-1", expect=422, **far).errors} == {f"/{name}" for name in far}


def test_before_the_first_plan_an_order_is_a_conflict(market: Market) -> None:
    assert market.tell("A-1", paid_at=at(-61), expect=409).code == "no_plan_in_force"
    assert market.tell("A-1", paid_at=at(-60)).status == 201


def test_an_order_has_1_to_200_lines_with_distinct_ids(market: Market) -> None:
    many = [("x", 1)] * 200
    assert market.tell("A-1", *many).status == 201
    assert market.targets("A-1") == [20, 4, 2]
    assert market.tell("A-2", *many, ("x", 1), expect=422).errors == {("/lines", "too_long")}
    assert market.tell("A-3", lines=[], expect=422).errors == {("/lines", "too_short")}
    line = market.body("A")["lines"][0]
    assert market.tell("A-4", lines=[line, line], expect=422).errors == {("/lines", "value_error")}


def test_an_order_has_at_most_500_refunds(market: Market) -> None:
    market.tell("A-1", ("x", 1000))
    with FactItem.batch_write() as stored:  # over HTTP it would take a minute
        for i in range(499):
            back = Refund(f"r-{i}", START, (RefundLine("1", 0, 1),), START)
            stored.save(refund_item(market.shop.program_id, "A-1", back))
    market.refund("A-1", "r-499", ("1", 1))
    assert market.refund("A-1", "r-500", ("1", 1), expect=409).code == "too_many_refunds"
    market.refund("A-1", "r-499", ("1", 1), expect=200)
    assert market.targets("A-1") == [50, 10, 5]


@pytest.mark.parametrize(
    ("says", "where"),
    [
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": -1}]}, "/lines/0/paid_minor"),
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": 10**18}]}, "/lines/0/paid_minor"),
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": 10**9 + 1, "paid_minor": 1}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": 1.0}]}, "/lines/0/paid_minor"),
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": True, "paid_minor": 1}]}, "/lines/0/quantity"),
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": "1"}]}, "/lines/0/paid_minor"),
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": 1, "size": 2}]}, "/lines/0/size"),
        ({"customer_id": "..."}, "/customer_id"),
        ({"customer_id": "a b"}, "/customer_id"),
        ({"currency": "XYZ"}, "/currency"),
        ({"paid_at": "2026-03-04T10:00:00"}, "/paid_at"),
        ({"paid_at": 1772589600}, "/paid_at"),
        ({"metadata": {"k": "x" * 4096}}, "/metadata"),
        ({"coupon_codes": ["c"] * 21}, "/coupon_codes"),
        ({"version": 0}, "/version"),
        ({"vershun": 1}, "/vershun"),
    ],
)  # fmt: skip
def test_what_an_order_may_not_say(market: Market, says: dict[str, Any], where: str) -> None:
    wrong = market.tell("A-1", expect=422, **says)
    assert [pointer for pointer, _ in wrong.errors] == [where]
    assert market.get("/v1/orders/A-1", expect=404)["code"] == "not_found"


def test_numbers_that_are_none_are_no_metadata(market: Market) -> None:
    raw = b'{"order_id":"A-1","customer_id":"c","currency":"CNY","lines":[{"line_id":"1","sku":"x","quantity":1,'
    raw += b'"paid_minor":1}],"metadata":{"a":%s}}'
    for number in (b"NaN", b"Infinity", b"1e400"):
        assert market.post("/v1/orders", raw % number).status in (400, 422)


def test_only_programs_own_orders_are_found(make_market: Callable[..., Market]) -> None:
    one, two = make_market(), make_market("shop-2")
    one.tell("A-1", ("x", 100))
    two.tell("A-1", ("x", 200))
    assert one.order("A-1")["lines"][0]["paid_minor"] == 100
    two.tell("A-2")
    assert one.get("/v1/orders/A-2", expect=404)["code"] == "not_found"
    assert one.attribute("A-2", "seller", expect=404).code == "not_found"


def test_orders_of_a_paid_day_last_paid_first_each_once(make_market: Callable[..., Market]) -> None:
    market = make_market()
    midnight = datetime.fromisoformat("2026-03-04T00:00:00+08:00")
    minutes = {"A-1": 5, "A-2": 0, "A-3": 5, "A-4": 599, "A-5": -1, "A-6": 30}
    for order_id, minute in minutes.items():
        market.tell(order_id, paid_at=(midnight + timedelta(minutes=minute)).isoformat())
    market.tell("A-7", paid_at=None)
    days = {day: [order["order_id"] for order in market.walk(f"/v1/orders?paid_day={day}")] for day in
            ("2026-03-03", "2026-03-04", "2026-03-05")}  # fmt: skip
    assert days["2026-03-03"] == ["A-5"]
    assert days["2026-03-05"] == []
    assert sorted(days["2026-03-04"][2:4]) == ["A-1", "A-3"]
    assert [days["2026-03-04"][i] for i in (0, 1, 4)] == ["A-4", "A-6", "A-2"]
    assert len(market.get("/v1/orders?paid_day=2026-03-04&limit=100")["data"]) == 5


def test_a_live_programs_day_lies_in_shards_and_is_listed_as_one(make_market: Callable[..., Market]) -> None:
    market = make_market(mode="live", now=None, program_id="live-1")
    now = market.program.now()
    for i in range(12):
        market.tell(f"A-{i}", paid_at=(now - timedelta(seconds=i)).isoformat())
    days = sorted({market.program.local_day(now), market.program.local_day(now - timedelta(seconds=12))}, reverse=True)
    for limit in (1, 5):
        found = [row["order_id"] for day in days for row in market.walk(f"/v1/orders?paid_day={day}", limit=limit)]
        assert found == [f"A-{i}" for i in range(12)]


def test_another_days_cursor_is_refused(market: Market) -> None:
    for i in range(2):
        market.tell(f"A-{i}")
    cursor = market.get("/v1/orders?paid_day=2026-03-04&limit=1")["next_cursor"]
    wrong = market.get(f"/v1/orders?paid_day=2026-03-05&limit=1&cursor={cursor}", expect=422)
    assert wrong["code"] == "invalid_cursor"
    assert market.get("/v1/orders?paid_day=2026-03-04&cursor=rubbish", expect=422)["code"] == "invalid_cursor"
    assert market.get("/v1/orders?paid_day=2026-02-30", expect=422)["code"] == "invalid_request"
    assert market.get("/v1/orders", expect=422)["code"] == "invalid_request"


def test_received_times_are_the_programs(market: Market) -> None:
    market.move_to(days=3)
    assert market.tell("A-1").json["received_at"] == (START + timedelta(days=3)).isoformat().replace(
        "+08:00", "Z"
    ).replace("T10", "T02")
