"""What goes over the wire to the tables, and what the store says that it costs."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from chalicelib.shared.tables import connection
from tests.support_meter import READS


@dataclass
class Wire:
    """Requests by operation, each attempt counted; the units that their answers tell; the items they looked at.

    A query that finds nothing is billed as one that finds a little; DynamoDB Local tells 0, so the least is added here.
    """

    requests: Counter[str] = field(default_factory=Counter)
    read_units: float = 0
    write_units: float = 0
    items_read: int = 0
    _least: float = 0

    def _sent(self, event_name: str, request: Any, **_: Any) -> None:
        operation = event_name.rpartition(".")[2]
        self.requests[operation] += 1
        consistent = json.loads(request.body).get("ConsistentRead", False)
        self._least = (1 if consistent else 0.5) if operation in READS else 0

    def _answered(self, event_name: str, parsed: dict[str, Any], **_: Any) -> None:
        told = parsed.get("ConsumedCapacity", [])
        units = sum(each["CapacityUnits"] for each in (told if isinstance(told, list) else [told]))
        if event_name.rpartition(".")[2] in READS:
            self.read_units += max(units, self._least)
        else:
            self.write_units += units
        found = sum(map(len, parsed.get("Responses", {}).values())) + ("Item" in parsed)
        self.items_read += parsed.get("ScannedCount", found)


@contextmanager
def watched() -> Iterator[Wire]:
    """Count what is asked within it."""
    wire, events = Wire(), connection().client.meta.events
    # First: so an attempt counts before anything answers it or fails it.
    events.register_first("before-send.dynamodb", wire._sent)
    events.register("after-call.dynamodb", wire._answered)
    try:
        yield wire
    finally:
        events.unregister("before-send.dynamodb", wire._sent)
        events.unregister("after-call.dynamodb", wire._answered)
