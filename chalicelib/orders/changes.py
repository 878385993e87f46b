"""The orders table's stream, for rooms above: which order a record is about."""

import json
import zlib
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

from chalice.app import DynamoDBRecord

from chalicelib.orders.tables import as_stored, ids_of
from chalicelib.shared import quarantine
from chalicelib.shared.streams import Subject
from chalicelib.shared.value import Value

SOURCE: Final = "orders"
"""By which name records of this stream are told of and put aside."""


class Hint(Value):
    """What deciding an order will probably read."""

    distributor_id: str | None
    skus: frozenset[str]


def put_aside(program_id: str, source: str, key: str, reason: str, _record: Mapping[str, Any]) -> None:
    """Quarantine an order that no record has told of: with its facts, just as they are stored."""
    quarantine.keep(program_id, source, key, reason, as_stored(program_id, key))


def order_of(record: DynamoDBRecord) -> Subject:
    """The order whose facts changed."""
    program_id, order_id = ids_of(record.keys["pk"]["S"])
    return Subject(program_id, order_id)


def hint_of(record: Mapping[str, Any]) -> Hint | None:
    """Whose an order is and what it is of, if the record tells of an order. Only to read together what is read anyway.

    A record that can't be read gives none: what is wrong with it, whoever decides the order finds out.
    """
    try:
        image = record["dynamodb"]["NewImage"]
        content, attribution = (json.loads(zlib.decompress(b64decode(image[name]["B"]))) for name in ("c", "a"))
        return Hint(attribution[1], frozenset(line[1] for line in content[5]))
    except (KeyError, IndexError, TypeError, ValueError, zlib.error):
        return None
