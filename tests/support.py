"""What tests of every room use: the app driven in process, and a shop to drive it for."""

import json
from dataclasses import dataclass
from typing import Any

from chalice.test import Client


@dataclass(frozen=True)
class Answer:
    """What came back; `json` is None where the body is none."""

    status: int
    headers: dict[str, Any]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text) if self.text else None

    @property
    def code(self) -> str:
        """The code of a problem answer."""
        return str(self.json["code"])

    @property
    def errors(self) -> set[tuple[str, str]]:
        """(pointer, code) of everything a problem answer lists."""
        return {(error["pointer"], error["code"]) for error in self.json["errors"]}


class Api:
    """The real app, every request through its routes and its door, in this process."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self, path: str, key: str | None = None, **headers: str) -> Answer:
        return self.send("GET", path, None, key, **headers)

    def post(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        return self.send("POST", path, body, key, **headers)

    def put(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        return self.send("PUT", path, body, key, **headers)

    def patch(self, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        return self.send("PATCH", path, body, key, **headers)

    def delete(self, path: str, key: str | None = None, **headers: str) -> Answer:
        return self.send("DELETE", path, None, key, **headers)

    def send(self, method: str, path: str, body: Any, key: str | None, **headers: str) -> Answer:
        """`body`: bytes go as they are, anything else as JSON. `idempotency_key="k"` sends Idempotency-Key."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        answer = self._client.http.request(method, path, headers=sent, body=raw)
        return Answer(answer.status_code, answer.headers, answer.body.decode())


@dataclass(frozen=True)
class Shop:
    """A program with one key (or actor) of each scope; `second` is another operator."""

    program_id: str
    operator: str
    second: str
    storefront: str
    auditor: str
