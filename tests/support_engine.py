"""What holds the tables: moto, in this process; or AWS's DynamoDB Local, with `--engine dynamodb-local`.

The tests are the same. What moto can't do, conflicts between transactions and their tokens, is in tests/conformance.
"""

import base64
import os
from collections.abc import Iterator
from functools import cache
from typing import Any, Protocol

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import StreamShard

from chalicelib.shared.tables import connection
from infra.tables import table_definitions

PREFIX = "tributary-test-"
ORDERS = f"{PREFIX}orders"
LOCAL = "dynamodb-local"
ENGINES = ["moto", LOCAL]
PATIENCE_SECONDS = 30
"""DynamoDB Local on a busy machine may take longer than AWS: what the SDK sends again is to be the tests' doing."""

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}

Json = dict[str, Any]
Items = dict[Any, dict[Any, Any]]
"""A table's items by `pk` and `sk`; keys and items as the engine has them. Items are never changed."""
Held = dict[str, Items]
"""Tables by name."""


@cache
def definitions() -> list[Json]:
    """Every table, as `create_table` takes it."""
    return table_definitions(PREFIX)


class Engine(Protocol):
    """Tables to be emptied, looked into and put back, past the app and past every fault."""

    def empty(self) -> None:
        """Let there be every table, with nothing in it and nothing told."""

    def held(self) -> Held:
        """All tables as they are now."""

    def put_back(self, tables: Held) -> None:
        """Let all tables be as they were; a table that isn't named is empty. Nothing of it is told by a stream."""

    def item(self, table: str, key: Json) -> Json:
        """An item as it goes over the wire; of no item nothing."""

    def plain(self, item: Any) -> Json:
        """The same of an item of `held`."""

    def text(self, key: Any) -> str:
        """A `pk` or `sk` of `held`."""

    def told(self) -> list[Json]:
        """What the stream of orders has told since the tables were empty, as the SDK has it."""


class Moto:
    """Tables in this process."""

    def empty(self) -> None:
        """See `Engine`."""
        tables = self._tables()
        for definition in definitions():
            table = tables.get(definition["TableName"])
            if table is None:
                boto3.client("dynamodb").create_table(**definition)
            else:
                # Making the tables anew would take 50 ms a test.
                table.items.clear()
                table.stream_shard = table.stream_shard and StreamShard(DEFAULT_ACCOUNT_ID, table)

    def held(self) -> Held:
        """See `Engine`. This copies no item."""
        return {name: {pk: dict(items) for pk, items in table.items.items()} for name, table in self._tables().items()}

    def put_back(self, tables: Held) -> None:
        """See `Engine`."""
        for name, table in self._tables().items():
            table.items.clear()
            for pk, items in tables.get(name, {}).items():
                table.items[pk].update(items)

    def item(self, table: str, key: Json) -> Json:
        """See `Engine`."""
        found = self._tables()[table].items.get(DynamoType(key["pk"]), {}).get(DynamoType(key["sk"]))
        return {} if found is None else self.plain(found)

    def plain(self, item: Any) -> Json:
        """See `Engine`."""
        return {name: value.to_json() for name, value in item.attrs.items()}

    def text(self, key: Any) -> str:
        """See `Engine`."""
        return str(key.value)

    def told(self) -> list[Json]:
        """See `Engine`."""
        return [record.to_json() for record in self._tables()[ORDERS].stream_shard.items]

    def _tables(self) -> dict[str, Any]:
        found: dict[str, Any] = dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables
        return found


class DynamoDbLocal:
    """Tables in AWS's DynamoDB Local, looked into with a client of its own; the app's tells which table it wrote."""

    def __init__(self, endpoint: str) -> None:
        os.environ |= {f"AWS_ENDPOINT_URL_{service}": endpoint for service in ("DYNAMODB", "DYNAMODB_STREAMS")}
        self._client = boto3.client("dynamodb")
        self._stream = boto3.client("dynamodbstreams")
        self._known: Held = {}
        """Each table as it was when last looked into, unless it was written to since."""
        self._records: list[Json] = []
        self._shard: Json = {}
        self._last = ""
        """The sequence number of what the stream told last."""
        connection()._read_timeout_seconds = PATIENCE_SECONDS
        connection().client.meta.events.register("before-send", self._send)

    def _send(self, request: Any, **_: Any) -> Any:
        """Send at the moment at which moto answers, so that faults before and after it are the same with both."""
        if request.headers["X-Amz-Target"].decode().rpartition(".")[2] in WRITES:
            for table in [name for name in self._known if f'"{name}"'.encode() in request.body]:
                del self._known[table]
        return connection().client._endpoint.http_session.send(request)

    def empty(self) -> None:
        """See `Engine`."""
        if not self._shard:
            self._make()
        self.put_back({})
        self._records.clear()

    def held(self) -> Held:
        """See `Engine`."""
        return {name: {pk: dict(items) for pk, items in self._items(name).items()} for name in self._names()}

    def put_back(self, tables: Held) -> None:
        """See `Engine`. Only what differs is written."""
        for name in self._names():
            was, wanted = self._items(name), tables.get(name, {})
            changes = [{"DeleteRequest": {"Key": _key(item)}} for item in _missing(was, wanted)]
            changes += [{"PutRequest": {"Item": item}} for item in _changed(was, wanted)]
            for first in range(0, len(changes), 25):
                left = self._client.batch_write_item(RequestItems={name: changes[first : first + 25]})
                assert not left["UnprocessedItems"]
            self._known[name] = {pk: dict(items) for pk, items in wanted.items()}
            if changes and name == ORDERS:
                self._news()

    def item(self, table: str, key: Json) -> Json:
        """See `Engine`."""
        found = self._client.get_item(TableName=table, Key=_key(key), ConsistentRead=True)
        return self.plain(found.get("Item", {}))

    def plain(self, item: Any) -> Json:
        """See `Engine`."""
        plain: Json = on_the_wire(item)
        return plain

    def text(self, key: Any) -> str:
        """See `Engine`."""
        return str(key)

    def told(self) -> list[Json]:
        """See `Engine`."""
        self._items(ORDERS)
        return list(self._records)

    def _names(self) -> list[str]:
        return [definition["TableName"] for definition in definitions()]

    def _items(self, name: str) -> Items:
        if name not in self._known:
            if name == ORDERS:
                self._records += self._news()
            found: Items = {}
            for page in self._client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
                for item in page["Items"]:
                    found.setdefault(item["pk"]["S"], {})[item["sk"]["S"]] = item
            self._known[name] = found
        return self._known[name]

    def _make(self) -> None:
        for definition in definitions():
            self._client.create_table(**definition)
        stream = self._client.describe_table(TableName=ORDERS)["Table"]["LatestStreamArn"]
        (shard,) = self._stream.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
        self._shard = {"StreamArn": stream, "ShardId": shard["ShardId"]}

    def _news(self) -> list[Json]:
        """What the stream has told since it was last asked."""
        found: list[Json] = []
        while True:
            place = self._stream.get_shard_iterator(**self._shard, **self._place())["ShardIterator"]
            more = self._stream.get_records(ShardIterator=place)["Records"]
            if not more:
                return found
            found += more
            self._last = more[-1]["dynamodb"]["SequenceNumber"]

    def _place(self) -> Json:
        if not self._last:
            # Such an iterator, taken before there is anything, would be of no use afterwards.
            return {"ShardIteratorType": "TRIM_HORIZON"}
        return {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self._last}


_used: list[Engine] = [Moto()]


def engine() -> Engine:
    """The one that these tests use."""
    return _used[-1]


def use(other: Engine) -> None:
    """Have the tests use another one."""
    _used.append(other)


def _key(item: Json) -> Json:
    return {name: item[name] for name in ("pk", "sk")}


def _missing(was: Items, wanted: Items) -> Iterator[Json]:
    return (item for pk, items in was.items() for sk, item in items.items() if sk not in wanted.get(pk, ()))


def _changed(was: Items, wanted: Items) -> Iterator[Json]:
    return (item for pk, items in wanted.items() for sk, item in items.items() if was.get(pk, {}).get(sk) != item)


def on_the_wire(value: Any) -> Any:
    """What the SDK has of an item, as it goes over the wire: binary in base 64."""
    if isinstance(value, dict):
        return {name: on_the_wire(part) for name, part in value.items()}
    if isinstance(value, list):
        return [on_the_wire(part) for part in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
