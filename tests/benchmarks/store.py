"""Tables in memory, answering where the SDK meets the wire: what is left is the CPU of who asks.

Reads are answered from what was there when it was frozen, each thought about once; after that an answer costs a look
into a dict. Writes change nothing then, so each round finds what the one before found.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.awsrequest import AWSResponse

Item = dict[str, Any]
_Key = tuple[str, str]


class Unknown(Exception):
    """The store was asked something that it can't answer: better no figure than a wrong one."""


class Store:
    """Knows the requests that the app makes of DynamoDB here, no others."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[_Key, Item]] = {}
        self._frozen = False
        self._answers: dict[tuple[bytes, bytes], bytes] = {}
        self._asked: list[tuple[str, Any]] | None = None

    def freeze(self) -> None:
        """From now on writes change nothing."""
        self._frozen = True

    @contextmanager
    def answering(self, client: Any) -> Iterator[None]:
        """Have it answer all that a botocore client asks of DynamoDB."""
        events = client.meta.events
        events.register_first("before-send.dynamodb", self._answer)
        try:
            yield
        finally:
            events.unregister("before-send.dynamodb", self._answer)

    @contextmanager
    def listening(self) -> Iterator[list[tuple[str, Any]]]:
        """Each request's operation and body, from now on."""
        self._asked = []
        try:
            yield self._asked
        finally:
            self._asked = None

    def items(self, room: str) -> list[Item]:
        """What a room's table holds."""
        return [item for name, held in self._tables.items() if name.endswith(f"-{room}") for item in held.values()]

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        target, body = request.headers["X-Amz-Target"], request.body
        operation = target.decode().rpartition(".")[2]
        if self._asked is not None:
            self._asked.append((operation, json.loads(body)))
        if operation in _WRITES:
            if not self._frozen:
                self._write(json.loads(body))
            answer = b"{}"
        else:
            answer = self._answers.get((target, body)) or self._read(operation, body)
            if self._frozen:
                self._answers[target, body] = answer
        return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, Raw(answer))

    def _write(self, body: Any) -> None:
        puts = [part["Put"] for part in body["TransactItems"] if "Put" in part] if "TransactItems" in body else [body]
        for put in puts:
            self._table(put["TableName"])[_key(put["Item"])] = put["Item"]

    def _read(self, operation: str, body: bytes) -> bytes:
        if operation not in _READS:
            raise Unknown(operation)
        return json.dumps(_READS[operation](self, json.loads(body))).encode()

    def _get(self, body: Any) -> Any:
        found = self._table(body["TableName"]).get(_key(body["Key"]))
        return {} if found is None else {"Item": found}

    def _batch_get(self, body: Any) -> Any:
        found = {
            name: [item for key in wanted["Keys"] if (item := self._table(name).get(_key(key))) is not None]
            for name, wanted in body["RequestItems"].items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def _query(self, body: Any) -> Any:
        if "IndexName" in body or "FilterExpression" in body or "ExclusiveStartKey" in body:
            raise Unknown(str(body))
        pk, within = _condition(body)
        table = self._table(body["TableName"])
        keys = sorted(key for key in table if key[0] == pk and within(key[1]))
        found = [table[key] for key in (keys if body.get("ScanIndexForward", True) else keys[::-1])]
        found = found[: body.get("Limit")]
        return {"Items": found, "Count": len(found), "ScannedCount": len(found)}

    def _table(self, name: str) -> dict[_Key, Item]:
        return self._tables.setdefault(name, {})


_WRITES = frozenset({"PutItem", "TransactWriteItems"})
_READS: dict[str, Callable[[Store, Any], Any]] = {
    "GetItem": Store._get,
    "BatchGetItem": Store._batch_get,
    "Query": Store._query,
}


def _key(item: Item) -> _Key:
    return item["pk"]["S"], item["sk"]["S"]


def _condition(body: Any) -> tuple[str, Callable[[str], bool]]:
    """A partition, and which sort keys of it are asked for."""
    values = [body["ExpressionAttributeValues"][f":{i}"]["S"] for i in range(len(body["ExpressionAttributeValues"]))]
    said = body["KeyConditionExpression"]
    if "begins_with" in said:
        return values[0], lambda sk: sk.startswith(values[1])
    if "BETWEEN" in said:
        return values[0], lambda sk: values[1] <= sk <= values[2]
    if "<=" in said:
        return values[0], lambda sk: sk <= values[1]
    if said.count(":") != 1:
        raise Unknown(said)
    return values[0], lambda sk: True


class Raw:
    """A response's bytes, as urllib3 hands them to botocore."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._content
