"""moto, twice as fast: what it does again for each call and each field is done once, or not at all.

moto looks each field of an answer up under ten ways of writing, because most of its services keep Python objects.
What DynamoDB answers to reads and writes of items is JSON already, under the names of the API.
"""

import base64
import json
from functools import cache
from typing import Any

import moto.core.responses
import moto.core.utils
from moto.dynamodb.responses import DynamoResult

_ABOUT_ITEMS = {"GetItem", "BatchGetItem", "PutItem", "Query", "Scan", "TransactGetItems", "TransactWriteItems"}
_slowly = DynamoResult.execute_result


def _executed(result: DynamoResult, context: Any) -> Any:
    if context.operation_model.name not in _ABOUT_ITEMS or isinstance(result.result, Exception):
        return _slowly(result, context)
    return 200, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(result.result, default=_text)


def _text(binary: bytes) -> str:
    return base64.b64encode(binary).decode()


def make_quick() -> None:
    """Make moto quick in this process."""
    DynamoResult.execute_result = _executed
    moto.core.responses.method_names_from_class = cache(moto.core.utils.method_names_from_class)
