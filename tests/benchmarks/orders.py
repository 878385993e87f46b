"""`POST /v1/orders`: the CPU of the app against a handler written by hand that reads and puts the same."""

import json
from typing import Any

from chalicelib.shared.tables import connection
from tests.benchmarks.shop import Shop, ask, event, make_shop
from tests.benchmarks.store import Store
from tests.benchmarks.table import Row, interleaved

BASKETS = 200
MOST = 1.5


class Different(Exception):
    """The two don't do the same: then one is no measure of the other."""


def measure() -> list[Row]:
    """Compare what both ask, put and answer, then their CPU."""
    from app import app
    from tests.benchmarks import by_hand

    store = Store()
    with store.answering(connection().client), store.answering(by_hand.client):
        shop = make_shop(BASKETS)
        store.freeze()
        told = orders_of(shop)
        requests = [compare(store, app, by_hand.app, one) for one in told]
        sides = interleaved(lambda: [ask(app, one) for one in told], lambda: [ask(by_hand.app, one) for one in told])
    lines = [len(order["lines"]) for order in shop.orders]
    print(f"{min(lines)} to {max(lines)} lines, {min(requests)} to {max(requests)} requests an order, canned answers")
    return [Row.of("an order over HTTP, against by hand", sides, MOST, "ms CPU", BASKETS / 1_000)]


def orders_of(shop: Shop) -> list[Any]:
    """The shop's orders as API Gateway hands them over."""
    return [event("/v1/orders", order, shop.storefront) for order in shop.orders]


def compare(store: Store, ours: Any, other: Any, told: Any) -> int:
    """How many requests both make of the store for an order. Raises Different."""
    first, second = (_done(store, app, told) for app in (ours, other))
    for mine, theirs in zip(first, second, strict=True):
        if mine != theirs:
            raise Different(f"{mine}\n{theirs}")
    return len(first) - 1


def _done(store: Store, app: Any, told: Any) -> list[Any]:
    """What an app asks for an order and what it answers, without the instants of now."""
    ask(app, told)  # so that keys and plans are known
    with store.listening() as asked:
        answer = json.loads(ask(app, told))
    del answer["received_at"]
    return [*(_gist(operation, body) for operation, body in asked), answer]


def _gist(operation: str, body: Any) -> Any:
    """What a request is about, however it is worded."""
    if "Item" in body:
        return operation, body["TableName"], {name: value for name, value in body["Item"].items() if name != "r"}
    if "RequestItems" in body:
        asked = body["RequestItems"].items()
        return operation, sorted((table, str(key)) for table, wanted in asked for key in wanted["Keys"])
    values = sorted(value["S"] for value in body.get("ExpressionAttributeValues", {}).values())
    return operation, body["TableName"], body.get("Key"), values, body["ConsistentRead"]
