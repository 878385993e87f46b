"""The function that decides: the CPU of a batch of 100 orders of three tiers, and what it asks of the store."""

from base64 import b64decode
from collections import Counter
from typing import Any

from chalicelib.commissions.events import decide_orders
from chalicelib.shared.tables import connection
from tests.benchmarks.orders import orders_of
from tests.benchmarks.shop import Context, ask, make_shop
from tests.benchmarks.store import Store, Unknown
from tests.benchmarks.table import Row, interleaved

BATCH = 100
MOST = 0.6
"""Of what botocore alone takes to ask the same: 2.0 ms an order where it takes 0.55 ms a call, as on two idle cores.
Milliseconds themselves are twice that as soon as others use the machine, on both sides."""
MOST_REQUESTS = 5.5
"""The facts, the decision, three entries, and a little for what the batch reads together."""


def measure() -> list[Row]:
    """Tell a batch, then deliver its stream's records, again and again to a store that forgets what was decided."""
    from app import app

    store = Store()
    client = connection().client
    with store.answering(client):
        shop = make_shop(BATCH)
        for one in orders_of(shop):
            ask(app, one)
        store.freeze()
        delivered = {"Records": [record(number, item) for number, item in enumerate(store.items("orders"))]}
        with store.listening() as asked:
            decide_orders(delivered, Context())
        check(asked)
        calls = [(operation, _bytes(body)) for operation, body in asked]
        sides = interleaved(
            lambda: decide_orders(delivered, Context()),
            lambda: [client._client._make_api_call(*call) for call in calls],
        )
    print("Requests of a batch:", ", ".join(f"{n} {name}" for name, n in Counter(call for call, _ in asked).items()))
    print(f"botocore alone: {sides.other / len(asked) * 1_000:.2f} ms CPU a request")
    return [
        Row.of("deciding an order of three tiers, against botocore", sides, MOST, "ms CPU", BATCH / 1_000),
        Row("  requests an order", len(asked) / BATCH, MOST_REQUESTS),
    ]


def check(asked: list[tuple[str, Any]]) -> None:
    """That each order got its decision and three entries, or what was measured is something else."""
    puts = Counter(body["TableName"].rpartition("-")[2] for operation, body in asked if operation == "PutItem")
    if puts != {"decisions": BATCH, "entries": 3 * BATCH}:
        raise Unknown(f"A batch of {BATCH} was to write as many decisions and three times as many entries: {puts}")


def record(number: int, item: Any) -> Any:
    """An order's record as Lambda gets it from the orders table's stream."""
    keys = {name: item[name] for name in ("pk", "sk")}
    told = {"Keys": keys, "NewImage": item, "SequenceNumber": f"{number}", "StreamViewType": "NEW_IMAGE"}
    return {
        "eventID": f"{number}",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:1:table/tributary-bench-orders/stream/2026-01-01T00:00:00.000",
        "dynamodb": told | {"ApproximateCreationDateTime": 1, "SizeBytes": 1},
    }


def _bytes(value: Any) -> Any:
    """A request's body with its binary values as botocore takes them."""
    if isinstance(value, dict):
        binary = set(value) == {"B"} and isinstance(value["B"], str)
        return {"B": b64decode(value["B"])} if binary else {name: _bytes(part) for name, part in value.items()}
    return [_bytes(part) for part in value] if isinstance(value, list) else value
