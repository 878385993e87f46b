"""The quick way to DynamoDB: signed as the SDK signs, read as the SDK reads, and whatever isn't plain is the SDK's."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib.ledger.tables import EntryItem
from chalicelib.shared.tables import connection
from tests.benchmarks.store import Raw
from tests.support_meter import metered

KEY = {"TableName": "tributary-test-entries", "Key": {"pk": {"S": "p"}, "sk": {"S": "a"}}}
GET = ("GetItem", KEY | {"ConsistentRead": True})


@contextmanager
def answering(*answers: Callable[[], AWSResponse | None]) -> Iterator[list[Any]]:
    """Answer the first requests so, in turn; None: as moto does. What was asked is listed."""
    asked: list[Any] = []

    def answer(request: Any, **_: Any) -> AWSResponse | None:
        asked.append(request)
        return answers[len(asked) - 1]() if len(asked) <= len(answers) else None

    events = connection().client.meta.events
    events.register_first("before-send.dynamodb", answer)
    try:
        yield asked
    finally:
        events.unregister("before-send.dynamodb", answer)


def response(status: int, content: bytes, **headers: str) -> AWSResponse:
    return AWSResponse("https://there", status, headers, Raw(content))


def times_out() -> AWSResponse:
    raise ReadTimeoutError(endpoint_url="https://there")


@pytest.mark.parametrize("token", [None, "a token of a role"])
def test_it_is_signed_as_the_sdk_signs(token: str | None) -> None:
    client, credentials = connection().client, Credentials("AKID", "secret", token)
    mine = client._request("GetItem", b'{"x":1}', credentials.get_frozen_credentials())
    theirs = AWSRequest("POST", mine.url, data=mine.body, headers={"Content-Type": mine.headers["Content-Type"]})
    theirs.headers["X-Amz-Target"] = mine.headers["X-Amz-Target"].decode()
    signer = SigV4Auth(credentials, "dynamodb", client.meta.region_name)
    theirs.context["timestamp"] = mine.headers["X-Amz-Date"]
    theirs.headers["X-Amz-Date"] = mine.headers["X-Amz-Date"]
    if token:
        theirs.headers["X-Amz-Security-Token"] = token
    signature = signer.signature(signer.string_to_sign(theirs, signer.canonical_request(theirs)), theirs)
    assert mine.headers["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(theirs)}, "
        f"SignedHeaders={signer.signed_headers(signer.headers_to_sign(theirs))}, Signature={signature}"
    )


def test_what_comes_back_is_what_the_sdk_reads() -> None:
    client = connection().client
    held = {"B": {"S": "x"}, "b": {"B": b"y"}}
    item = {"pk": {"S": "p"}, "sk": {"S": "a"}, "B": {"B": b"\x00\xff"}, "m": {"M": held}}
    client.put_item(TableName=KEY["TableName"], Item=item)
    assert client._make_api_call(*GET)["Item"] == client.get_item(**KEY)["Item"] == item
    nothing = KEY | {"Key": {"pk": {"S": "p"}, "sk": {"S": "b"}}}
    assert client._make_api_call("GetItem", nothing) == {}


@pytest.mark.parametrize(
    "answer",
    [
        times_out,
        lambda: response(500, b'{"__type":"InternalServerError"}'),
        lambda: response(
            400, b'{"__type":"com.amazonaws#ThrottlingException","message":"ConditionalCheckFailedException"}'
        ),
        lambda: response(200, b"{}", **{"x-amz-crc32": str(zlib.crc32(b"{}") + 1)}),
    ],
    ids=["no answer", "their fault", "throttled", "damaged"],
)
def test_what_is_not_plain_is_asked_again_by_the_sdk(answer: Callable[[], AWSResponse]) -> None:
    item = EntryItem("p", "a", kind="k", debit="d", credit="c", amount_minor=1, cause="c", at="x", paid_at="x")
    item.put_new()
    with answering(answer) as asked:
        assert connection().client._make_api_call(*GET)["Item"]["sk"] == {"S": "a"}
    assert len(asked) == 2


def test_a_refused_condition_is_asked_once_and_told_as_the_sdk_tells_it() -> None:
    client = connection().client
    put = {"TableName": KEY["TableName"], "Item": KEY["Key"], "ConditionExpression": "attribute_exists(pk)"}
    raised = []
    for call in (client._make_api_call, client._client._make_api_call):
        with metered() as meter, pytest.raises(client.exceptions.ConditionalCheckFailedException) as refused:
            call("PutItem", put)
        assert meter.calls == ["PutItem"]
        raised.append(refused.value)
    mine, theirs = raised
    assert str(mine) == str(theirs)
    assert mine.response["Error"] == theirs.response["Error"]
    assert mine.response["ResponseMetadata"]["HTTPHeaders"]


def test_an_error_of_ours_is_the_sdks_to_tell() -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        connection().client._make_api_call("GetItem", KEY | {"TableName": "nowhere"})


def test_without_credentials_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    client = connection().client  # before: pynamodb makes another one when it sees that this has no credentials
    monkeypatch.setattr(client._request_signer, "_credentials", None)
    monkeypatch.delattr(client._endpoint, "http_session")
    assert client._ask(*GET) is None
