"""The function that watches the ledger: entries are written once, so whatever else happens to one is told at once.

It reads and writes nothing, and imports next to nothing: it is for the day on which the rest can't be trusted.
"""

from chalice.app import Blueprint, DynamoDBEvent

from chalicelib.shared import log, settings

events = Blueprint(__name__)


@events.on_dynamodb_record(
    stream_arn=settings.entries_stream_arn(),
    name="watch_entries",
    batch_size=100,
    starting_position="TRIM_HORIZON",
)
def watch_entries(event: DynamoDBEvent) -> None:
    """Tell of each entry that was modified or removed; an alarm counts them.

    The deploy has Lambda leave out what was inserted, so while all is well this never runs.
    """
    for record in event:
        if record.event_name != "INSERT":
            key = {name: value["S"] for name, value in record.keys.items()}
            log.error("entry_changed", how=record.event_name, **key)
            log.count("EntriesChanged")
