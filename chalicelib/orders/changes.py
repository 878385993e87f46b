"""The orders table's stream, for rooms above: which order a record is about."""

from typing import Final

from chalice.app import DynamoDBRecord

from chalicelib.orders.tables import ids_of
from chalicelib.shared.streams import Subject

SOURCE: Final = "orders"
"""By which name records of this stream are told of and put aside."""


def order_of(record: DynamoDBRecord) -> Subject:
    """The order whose facts changed."""
    program_id, order_id = ids_of(record.keys["pk"]["S"])
    return Subject(program_id, order_id)
