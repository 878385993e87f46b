"""The SDK's client for DynamoDB, at a tenth of its CPU for the four calls that a busy stage makes all day.

The SDK takes 0.5 ms of CPU for a call, nearly all of it for what is the same each time: where to send it, who is
asking, which of its hooks there are. Here a call is one JSON text, one signature, one answer. Only what is plain is
answered: anything else (a lost answer, a throttle, an error but a refused condition) is left to the SDK, which asks
again and repeats as it always does. See docs/decisions/0069.
"""

import hashlib
import hmac
import json
import zlib
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import BotoCoreError

_CALLS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "PutItem"})
"""Reads, and writes that meet themselves when repeated. A transaction's repeat needs its token: that is the SDK's."""
_REFUSED: Final = "ConditionalCheckFailedException"
_KIND: Final = "application/x-amz-json-1.0"


class QuickClient:
    """A botocore client of DynamoDB, whose `_make_api_call` (pynamodb's way in) is quick. The rest is the client's."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._url = f"{client.meta.endpoint_url.rstrip('/')}/"
        self._host = urlsplit(self._url).netloc
        self._agent = client._user_agent_creator.to_string()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _make_api_call(self, operation: str, params: dict[str, Any]) -> Any:
        answer = self._ask(operation, params) if operation in _CALLS else None
        return self._client._make_api_call(operation, params) if answer is None else answer

    def _ask(self, operation: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, None: ask the SDK. Raises the SDK's error for a refused condition."""
        credentials = self._client._request_signer._credentials
        if credentials is None:
            return None
        body = json.dumps(params, separators=(",", ":"), default=_text).encode()
        request = self._request(operation, body, credentials.get_frozen_credentials())
        try:
            response = self._sent(operation, request)
        except BotoCoreError:
            return None
        answer = _read(response)
        if answer is not None and response.status_code != 200:
            raise self._client.exceptions.from_code(_REFUSED)(answer, operation)
        return answer

    def _sent(self, operation: str, request: AWSPreparedRequest) -> AWSResponse:
        """By whoever answers in the network's stead, as tests do, else over HTTP."""
        answers = self._client.meta.events.emit(f"before-send.dynamodb.{operation}", request=request)
        answer: AWSResponse | None = next((answer for _, answer in answers if answer is not None), None)
        if answer is None:
            answer = self._client._endpoint.http_session.send(request)
        return answer

    def _request(self, operation: str, body: bytes, credentials: Any) -> AWSPreparedRequest:
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        target = f"DynamoDB_20120810.{operation}"
        signed = {"content-type": _KIND, "host": self._host, "x-amz-date": at}
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        signed["x-amz-target"] = target
        headers: Any = {
            "X-Amz-Target": target.encode(),  # bytes, as the SDK has it
            "Content-Type": _KIND,
            "X-Amz-Date": at,
            "Authorization": _authorization(signed, body, credentials, self._client.meta.region_name),
            "User-Agent": self._agent,
            "Content-Length": str(len(body)),
        }
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        return AWSPreparedRequest("POST", self._url, headers, body, stream_output=False)


def _authorization(signed: dict[str, str], body: bytes, credentials: Any, region: str) -> str:
    """AWS Signature Version 4 of a POST to `/`; `signed` are its headers, small letters, in alphabetical order.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    names, at = ";".join(signed), signed["x-amz-date"]
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{at[:8]}/{region}/dynamodb/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(credentials.secret_key, scope), text.encode(), "sha256").hex()
    return f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=4)
def _signing_key(secret_key: str, scope: str) -> bytes:
    """The key of a day, a region and a service."""
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _read(response: AWSResponse) -> dict[str, Any] | None:
    """What was answered, or which condition was refused; None: neither, or it was damaged on the way."""
    content, checksum = response.content, response.headers.get("x-amz-crc32")
    if checksum is not None and int(checksum) != zlib.crc32(content):
        return None
    if response.status_code == 200:
        answer: dict[str, Any] = json.loads(content, object_hook=_binary)
        return answer
    if response.status_code != 400 or _REFUSED.encode() not in content:
        return None
    told = json.loads(content)
    if told.get("__type", "").rpartition("#")[2] != _REFUSED:
        return None
    message = told.get("message") or told.get("Message", "")  # as the SDK does: AWS has one, DynamoDB Local the other
    return {
        "Error": {"Code": _REFUSED, "Message": message},
        "ResponseMetadata": {"HTTPHeaders": dict(response.headers)},
    }


def _text(binary: bytes) -> str:
    return b64encode(binary).decode()


def _binary(value: dict[str, Any]) -> Any:
    """A value of type B as bytes. An attribute may be named B, too; then what it holds is no text."""
    return {"B": b64decode(value["B"])} if len(value) == 1 and isinstance(value.get("B"), str) else value
