"""What Chalice can't say about the orders stream: what becomes of a batch that keeps failing.

Without it a record that always fails blocks its shard for a day and is then lost.
"""

import json
import time
from typing import Any

MINUTES_TO_SETTLE = 2.0
RECORD_AGE_SECONDS = 21_600
"""Six hours: a record given up then has eighteen more in the stream, and the fact stays in its table."""

OPTIONS: dict[str, Any] = {
    # A failing batch is halved until the record that fails is alone.
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 50,
    "MaximumRecordAgeInSeconds": RECORD_AGE_SECONDS,
    # Order holds for each item, which is all that deciding needs.
    "ParallelizationFactor": 4,
    # Facts are never removed; should one be, there is nothing to decide.
    "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"eventName": ["INSERT", "MODIFY"]})}]},
}


def options(dead_letters_arn: Any) -> dict[str, Any]:
    """All options of the mapping from the orders stream to its handler."""
    return OPTIONS | {"DestinationConfig": {"OnFailure": {"Destination": dead_letters_arn}}}


def settle(lambda_client: Any, mapping_id: str, dead_letters_arn: str) -> bool:
    """Set what differs on the mapping, and wait until it is in force; True if anything differed."""
    wanted = options(dead_letters_arn)
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
