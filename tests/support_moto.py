"""moto, three times as fast: reads and writes of items go straight to its DynamoDB.

The way round, which is moto's for all of AWS, makes a web request of each call, finds its service by regular
expressions, and looks each field of the answer up under ten ways of writing. A call that fails is done again the way
round, as that words what is wrong; it has written nothing. What the SDK adds to a request for AWS alone, signature and
user agent, is left away: nobody looks at it here.
"""

import base64
import json
from functools import cache
from typing import Any

from botocore.useragent import UserAgentString
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.dynamodb.responses import DynamoHandler

from chalicelib.shared.tables import connection

_ABOUT_ITEMS = {"GetItem", "BatchGetItem", "PutItem", "Query", "Scan", "TransactGetItems", "TransactWriteItems"}
_JSON = {"Content-Type": "application/x-amz-json-1.0"}
_way_round = BotocoreStubber.process_request


def _processed(stubber: BotocoreStubber, request: Any) -> Any:
    target = request.headers.get("X-Amz-Target", b"")
    service, _, call = (target.decode() if isinstance(target, bytes) else target).partition(".")
    if not service.startswith("DynamoDB_") or call not in _ABOUT_ITEMS:
        return _way_round(stubber, request)
    handler = DynamoHandler()
    handler.current_account, handler.region, handler.uri_match = DEFAULT_ACCOUNT_ID, "us-east-1", {}
    handler.params = handler.body = _parsed(call, request)
    try:
        result = getattr(handler, camelcase_to_underscores(call))().result
    except Exception:
        return _way_round(stubber, request)
    return 200, _JSON, json.dumps(result, default=_text)


def _parsed(call: str, request: Any) -> Any:
    operation = _service().operation_model(call)
    parser = PROTOCOL_PARSERS["json"](operation, map_type=DynamoHandler.PROTOCOL_PARSER_MAP_TYPE)
    return parser.parse({"method": "POST", "headers": {}, "values": {}, "body": request.body, "url_path": "/"})


@cache
def _service() -> Any:
    return get_service_model("dynamodb")


def _text(binary: bytes) -> str:
    return base64.b64encode(binary).decode()


def make_quick() -> None:
    """Make moto quick in this process, and the SDK towards it."""
    BotocoreStubber.process_request = _processed
    UserAgentString.to_string = lambda _: "tests"
    client = connection().client
    client.meta.events.unregister("request-created.dynamodb", client._request_signer.handler)
