"""What a real table would charge: write units, counted where the SDK meets the wire, as moto reports 1 for everything.

Every attempt counts, refused and repeated ones too: an item's kilobytes, rounded up, twice in a transaction. An index
is charged for what changes in it: to come in, or to go out, or both for another key; nothing for what it doesn't hold;
and no more in a transaction, as it follows when that is done. See docs/decisions/0061.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from chalicelib.shared.tables import connection
from infra.tables import room
from infra.template import resources
from tests.support_engine import engine

KB = 1024
WRITES = {"PutItem": "Put", "TransactWriteItems": ""}
READS = {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems"}


@dataclass(frozen=True)
class Index:
    """An index: its keys, and what it projects."""

    keys: frozenset[str]
    projected: str


@dataclass(frozen=True)
class Write:
    """One item's attempt: its room, its bytes, and what it costs."""

    room: str
    size: int
    units: int


@dataclass
class Meter:
    """The writes that were attempted."""

    writes: list[Write] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    @property
    def units(self) -> int:
        return sum(write.units for write in self.writes)

    def of(self, room_name: str) -> int:
        """The units of one room's table."""
        return sum(write.units for write in self.writes if write.room == room_name)

    @property
    def further_kb(self) -> int:
        """The kilobytes beyond the first of each item: money.md allows a unit more for each."""
        return sum(-(-write.size // KB) - 1 for write in self.writes)

    def _note(self, request: Any, **_: Any) -> None:
        call = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        self.calls.append(call)
        if call in READS:
            return
        assert call in WRITES, f"{call} is no write that we make"
        body = json.loads(request.body)
        if call == "PutItem":
            self.writes.append(_write(body, 1))
        for part in body.get("TransactItems", ()):
            ((kind, what),) = part.items()
            self.writes.append(_write(what, 2) if kind == "Put" else _check(what))


def _write(put: dict[str, Any], times: int) -> Write:
    name, item = put["TableName"].rpartition("-")[2], put["Item"]
    size, before = item_size(item), engine().item(put["TableName"], item)
    whole = -(-size // KB)
    return Write(name, size, times * whole + sum(_index_units(index, before, item) for index in indexes(name)))


def _index_units(index: Index, before: dict[str, Any], item: dict[str, Any]) -> int:
    was, is_now = (_row(index, image) for image in (before, item))
    if was == is_now:
        return 0
    changed = (was, is_now) if _key(index, was) != _key(index, is_now) else (is_now,)
    return sum(-(-item_size(row) // KB) for row in changed if row)


def _row(index: Index, image: dict[str, Any]) -> dict[str, Any]:
    """What an index holds of an item; nothing if the item lacks one of its keys."""
    if not index.keys <= image.keys():
        return {}
    return image if index.projected == "ALL" else _key(index, image)


def _key(index: Index, image: dict[str, Any]) -> dict[str, Any]:
    return {name: image[name] for name in sorted(index.keys | {"pk", "sk"}) if name in image}


def _check(check: dict[str, Any]) -> Write:
    return Write(check["TableName"].rpartition("-")[2], 1, 2)


@cache
def indexes(name: str) -> list[Index]:
    """A table's indexes."""
    tables = [table["Properties"] for table in resources("AWS::DynamoDB::Table").values()]
    declared = next(table for table in tables if room(table) == name).get("GlobalSecondaryIndexes", [])
    return [
        Index(frozenset(key["AttributeName"] for key in each["KeySchema"]), each["Projection"]["ProjectionType"])
        for each in declared
    ]


def item_size(item: dict[str, Any]) -> int:
    """An item's bytes, as DynamoDB reckons: names and values."""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: dict[str, Any]) -> int:
    ((kind, plain),) = value.items()
    sizes = {
        "S": lambda: len(plain.encode()),
        "N": lambda: 1 + (len(plain.lstrip("-")) + 1) // 2 + plain.startswith("-"),
        "B": lambda: len(base64.b64decode(plain)),
        "M": lambda: 3 + item_size(plain) + len(plain),
        "L": lambda: 3 + sum(1 + _size(each) for each in plain),
    }
    return sizes.get(kind, lambda: 1)()


@contextmanager
def metered() -> Iterator[Meter]:
    """Count what is written within it."""
    meter, events = Meter(), connection().client.meta.events
    # Of this one service, and first: so an attempt counts before anything answers it or fails it.
    events.register_first("before-send.dynamodb", meter._note)
    try:
        yield meter
    finally:
        events.unregister("before-send.dynamodb", meter._note)
