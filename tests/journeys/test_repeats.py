"""The same told again, at once, in bulk, or under another name."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.journeys.client import NOW, Cloud, Shop, done, order, pick
from tests.journeys.plans import plan

AT_ONCE = 20


def test_twenty_at_once_are_one_order(shop: Shop) -> None:
    seller, middle, top = shop.chain()
    told = order("A", 6000, 4000, code=seller["code"], customer_id="ann")
    with ThreadPoolExecutor(AT_ONCE) as threads:
        # First an instance of the function for each, with its connection, so that they meet at the table.
        list(threads.map(lambda _: shop.get("/v1/program"), range(AT_ONCE)))
        answers = list(threads.map(lambda _: shop.tell(told), range(AT_ONCE)))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: AT_ONCE - 1}
    assert len({answer.json["received_at"] for answer in answers}) == 1
    assert {str(answer.json["attribution"]) for answer in answers} == {str(answers[0].json["attribution"])}
    explained = shop.explained("A")
    assert [decision["targets"] for decision in explained["decisions"]] == [[800, 200, 100]]
    assert [shop.statement(one) for one in (seller, middle, top)] == [
        [("accrue", "expense", "pending", amount)] for amount in (800, 200, 100)
    ]
    assert len(shop.get("/v1/referrals/ann")["history"]) == 1


def test_a_batch_answers_for_each_order_in_its_order(shop: Shop) -> None:
    seller = shop.distributor("seller")
    shop.order("known", 100, code=seller["code"])
    orders: list[Any] = [order(f"A{n}", 1000 + n, code=seller["code"]) for n in range(100)]
    orders[10] = order("known", 100, code=seller["code"])
    orders[20] = order("known", 101, code=seller["code"])
    orders[30] = orders[31] = order("twin", 5000, code=seller["code"])
    orders[40] = order("float", 100.5)
    orders[41] = "not an order"
    orders[42] = order("far", 100, paid_at="2020-01-01T00:00:00Z")
    orders[43] = order("lines")
    orders[44] = order("nobody's", 100)
    orders[45] = order("nobodys", 100)
    batch = done(shop.api.post("/v1/orders/batch", {"orders": orders}, key=shop.keys.storefront))["data"]
    assert len(batch) == 100
    bad = {20: 409, 40: 422, 41: 422, 42: 422, 43: 422, 44: 422}
    assert {n: each["status"] for n, each in enumerate(batch) if each["status"] >= 300} == bad
    assert [n for n, each in enumerate(batch) if each["status"] == 200] == [10, 31]
    for n, each in enumerate(batch):
        assert (each["order"] is None) == (each["problem"] is not None) == (n in bad)
    assert batch[20]["problem"]["code"] == "exists_with_different_content"
    assert batch[42]["problem"]["code"] == "time_out_of_range"
    assert batch[40]["problem"]["errors"][0]["pointer"] == "/lines/0/paid_minor"
    assert batch[45]["order"]["attribution"]["reason"] == "no_referral"
    # The stream is read in order: the last one is decided after the others.
    assert shop.targets("A99") == [87]
    listed = list(shop.all("/v1/orders?paid_day=2026-03-04"))
    credited = {one["order_id"] for one in listed if one["attribution"]["credited"]}
    assert (len(listed), len(credited)) == (1 + 100 - len(bad) - 2, 1 + 100 - len(bad) - 3)
    assert {one["order_id"] for one in shop.all("/v1/commissions")} == credited


def test_a_batch_has_bounds(shop: Shop) -> None:
    for orders in ([], [order(f"A{n}", 1) for n in range(101)]):
        answer = shop.api.post("/v1/orders/batch", {"orders": orders}, key=shop.keys.storefront)
        assert (answer.status, answer.code) == (422, "invalid_request")


def test_the_same_application_is_one_distributor(shop: Shop) -> None:
    first = shop.distributor("seller", contact={"email": "s@example.com"})
    body = {"user_id": "seller", "name": "seller", "contact": {"email": "s@example.com"}}
    again = shop.api.post("/v1/distributors", body, key=shop.keys.storefront)
    assert (again.status, again.json["distributor_id"]) == (200, pick(first))
    other = shop.api.post("/v1/distributors", body | {"name": "Seller"}, key=shop.keys.storefront)
    assert (other.status, other.code) == (409, "exists_with_different_content")


def test_an_idempotency_key_names_what_has_no_name(cloud: Cloud, shop: Shop) -> None:
    seller = shop.distributor("seller")
    click = {"code": seller["code"], "visitor_id": "v-1", "at": NOW}
    sent = [
        shop.api.post("/v1/clicks", body, key=shop.keys.storefront, idempotency_key="k-1")
        for body in (click, click, click | {"visitor_id": "v-2"})
    ]
    assert [answer.status for answer in sent] == [201, 200, 409]
    assert sent[0].json == sent[1].json
    body = {"actor": "again", "scope": "auditor", "program_id": shop.program_id}
    keys = [cloud.api.post("/v1/keys", body, key=cloud.platform_key, idempotency_key=shop.program_id) for _ in "12"]
    assert [answer.status for answer in keys] == [201, 200]
    assert keys[0].json["key_id"] == keys[1].json["key_id"]
    assert "secret" not in keys[1].json
    invitation = {"track": "default", "expires_at": "2026-04-01T00:00:00Z"}
    made = [
        shop.api.post("/v1/invitations", invitation, key=shop.keys.operator, idempotency_key="i-1") for _ in range(2)
    ]
    assert [answer.status for answer in made] == [201, 200]
    assert made[1].json["invitation"] is None
    late = plan(500)
    body = {"plan": late, "effective_at": "2026-05-01T00:00:00Z"}
    versions = [
        shop.api.post("/v1/program/plans", body, key=shop.keys.operator, idempotency_key="p-1") for _ in range(2)
    ]
    assert [(answer.status, answer.json["version"]) for answer in versions] == [(201, 2), (200, 2)]


def test_a_program_made_twice_is_one(cloud: Cloud, shop: Shop) -> None:
    about = {"program_id": shop.program_id, "name": "A shop", "currency": "CNY", "country": "US", "mode": "test"}
    again = cloud.api.post("/v1/programs", about | {"now": NOW}, key=cloud.platform_key)
    assert again.status == 200
    other = cloud.api.post("/v1/programs", about | {"now": NOW, "currency": "USD"}, key=cloud.platform_key)
    assert (other.status, other.code) == (409, "exists_with_different_content")


def test_who_is_invited_enters_once(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(plan(entry="invite"))
    body = {"track": "default", "expires_at": "2026-04-01T00:00:00Z"}
    text = done(shop.api.post("/v1/invitations", body, key=shop.keys.operator), 201)["invitation"]
    application = {"user_id": "ann", "name": "Ann"}
    assert shop.api.post("/v1/distributors", application, key=shop.keys.storefront).code == "invitation_needed"
    assert shop.distributor("ann", invitation=text)["status"] == "approved"
    second = {"user_id": "bob", "name": "Bob", "invitation": text}
    assert shop.api.post("/v1/distributors", second, key=shop.keys.storefront).code == "invitation_not_valid"
