"""What goes over the wire to the tables, and what the store says that it costs."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.shared.tables import connection
from tests.support_meter import KB, READS, item_size


@dataclass
class Wire:
    """Requests by operation, each attempt counted; the units that their answers tell; the items they looked at.

    A query that finds nothing is billed as one that finds a little; DynamoDB Local tells 0, so the least is added here.
    """

    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0
    write_units: float = 0
    items_read: int = 0
    further_kb: int = 0
    """The kilobytes beyond the first of each item that was put by itself."""
    writes: list[str] = field(default_factory=list)
    """Each write: its table, its units, of an entry its kind; or that it was refused."""
    _least: float = 0
    _kb: int = 0

    def _sent(self, event_name: str, request: Any, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        self.requests[operation] += 1
        body = json.loads(request.body)
        consistent = body.get("ConsistentRead", False)
        self._kb = -(-item_size(body["Item"]) // KB) if "Item" in body else 0
        self.further_kb += max(0, self._kb - 1)
        self._least = (1 if consistent else 0.5) if operation in READS else 0

    def _answered(self, operation: str, params: dict[str, Any], answer: dict[str, Any]) -> None:
        told = answer.get("ConsumedCapacity", [])
        all_told = told if isinstance(told, list) else [told]
        units = sum(each["CapacityUnits"] for each in all_told)
        if operation in READS:
            self.read_units += max(units, self._least)
        else:
            self.write_units += units
            kind = params.get("Item", {}).get("kind", {}).get("S", "")
            self.writes += [f"{_table(each)} {each['CapacityUnits']:g} {kind}".strip() for each in all_told]
        found = sum(map(len, answer.get("Responses", {}).values())) + ("Item" in answer)
        self.items_read += answer.get("ScannedCount", found)

    def _refused(self, params: dict[str, Any]) -> None:
        """A write that is refused is charged as if it weren't; the store doesn't tell."""
        self.write_units += self._kb
        if self._kb:
            self.writes.append(f"{_table(params)} {self._kb} refused")


def _table(about: dict[str, Any]) -> str:
    return str(about["TableName"].rpartition("-")[2])


@contextmanager
def watched() -> Iterator[Wire]:
    """Count what is asked within it."""
    wire, client = Wire(), connection().client
    events, call = client.meta.events, client._make_api_call

    def noted(operation: str, params: dict[str, Any]) -> Any:
        try:
            answer = call(operation, params)
        except ClientError:
            wire._refused(params)
            raise
        wire._answered(operation, params, answer)
        return answer

    # First: so an attempt counts before anything answers it or fails it.
    events.register_first("before-send.dynamodb", wire._sent)
    client._make_api_call = noted
    try:
        yield wire
    finally:
        events.unregister("before-send.dynamodb", wire._sent)
        del client._make_api_call
