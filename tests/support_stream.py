"""The orders table's stream, delivered by the test as Lambda would: any records, in any batches, as often as wished."""

from typing import Any

from chalice.test import Client

from tests.support_engine import engine, on_the_wire

Record = dict[str, Any]


class Stream:
    """What the orders table has told so far."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def records(self) -> list[Record]:
        """Every record since the test began, in the shape that Lambda gets."""
        return [_lambdas(one) for one in engine().told()]

    def of(self, *order_ids: str) -> list[Record]:
        """The records of these orders."""
        return [one for one in self.records if one["dynamodb"]["Keys"]["pk"]["S"].partition("#")[2] in order_ids]

    def deliver(self, records: list[Record] | None = None) -> None:
        """One batch to the function that decides; all records unless told which. Raises what the function raises."""
        self._client.lambda_.invoke("decide_orders", {"Records": self.records if records is None else records})


def _lambdas(record: Record) -> Record:
    """A record as the SDK has it, with the time as seconds, and with its source, as Lambda gets it."""
    told = record["dynamodb"]["ApproximateCreationDateTime"]
    arn = "arn:aws:dynamodb:us-east-1:123456789012:table/tributary-test-orders/stream/2026-01-01T00:00:00.000"
    return record | {
        "eventSourceARN": arn,
        "dynamodb": on_the_wire(record["dynamodb"]) | {"ApproximateCreationDateTime": told.timestamp()},
    }
