"""What Chalice can't say about a stream: which records a function gets, what becomes of a batch that keeps failing.

Without it a record that always fails blocks its shard for a day and is then lost.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MINUTES_TO_SETTLE = 2.0
SIX_HOURS = 21_600
"""A record given up after them has eighteen more in the stream."""


@dataclass(frozen=True)
class Reader:
    """A function on the stream of a room's table: which events it gets, how many batches of a shard at once, and how
    often and for how long a batch that fails is tried again.
    """

    room: str
    events: tuple[str, ...]
    retries: int
    seconds: int
    at_once: int = 1


READERS: Mapping[str, Reader] = {
    # Facts are never removed; should one be, there is nothing to decide. Order holds for each item, which is all
    # that deciding needs.
    "decide_orders": Reader("orders", ("INSERT", "MODIFY"), retries=50, seconds=SIX_HOURS, at_once=4),
    # Entries are only ever inserted, so this is never invoked and costs nothing. If it can't tell of a change, the
    # dead letters must, and soon: nothing else watches it.
    "watch_entries": Reader("entries", ("MODIFY", "REMOVE"), retries=2, seconds=600),
}


def options(function: str, dead_letters: Mapping[str, Any]) -> dict[str, Any]:
    """All options of the mapping from a stream to its function; what is given up is told to `dead_letters`."""
    reader = READERS[function]
    return {
        # A failing batch is halved until the record that fails is alone.
        "BisectBatchOnFunctionError": True,
        "MaximumRetryAttempts": reader.retries,
        "MaximumRecordAgeInSeconds": reader.seconds,
        "ParallelizationFactor": reader.at_once,
        "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"eventName": reader.events})}]},
        "DestinationConfig": {"OnFailure": dict(dead_letters)},
    }


def settle(lambda_client: Any, mapping_id: str, wanted: Mapping[str, Any]) -> bool:
    """Set what differs on the mapping, and wait until it is in force; True if anything differed."""
    mapping = lambda_client.get_event_source_mapping(UUID=mapping_id)
    if not any(_differs(mapping.get(name), value) for name, value in wanted.items()):
        return False
    _wait_until_quiet(lambda_client, mapping_id)
    lambda_client.update_event_source_mapping(UUID=mapping_id, **wanted)
    _wait_until_quiet(lambda_client, mapping_id)
    return True


def _differs(existing: Any, wanted: Any) -> bool:
    """AWS answers with more than was asked for, such as an empty success destination."""
    if isinstance(wanted, dict):
        return not isinstance(existing, dict) or any(_differs(existing.get(key), wanted[key]) for key in wanted)
    return bool(existing != wanted)


def _wait_until_quiet(lambda_client: Any, mapping_id: str) -> None:
    """A mapping takes no update while it is creating, enabling or updating."""
    deadline = time.monotonic() + 60 * MINUTES_TO_SETTLE
    while lambda_client.get_event_source_mapping(UUID=mapping_id)["State"] not in ("Enabled", "Disabled"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Event source mapping {mapping_id} isn't ready after {MINUTES_TO_SETTLE:.0f} minutes")
        time.sleep(0.2)
