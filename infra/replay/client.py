"""A small client of the platform's HTTP API: one key, connections kept, the same request again when the wire fails."""

import json
import time
from collections.abc import Iterator
from typing import Any, Self
from urllib.parse import urlencode

import urllib3

ATTEMPTS = 6
WAIT_SECONDS = 0.25
TIMEOUT = urllib3.Timeout(connect=5, read=35)  # API Gateway answers within 29 s
AGAIN = {429, 500, 502, 503, 504}


class ReplayError(RuntimeError):
    """The replay can't go on, or the oracle disagrees."""


class Refused(ReplayError):
    """The platform answered with a problem; `status` and `code` are its."""

    def __init__(self, method: str, path: str, status: int, answer: Any) -> None:
        problem = answer if isinstance(answer, dict) else {}
        self.status = status
        self.code = str(problem.get("code", ""))
        told = problem.get("errors") or problem.get("detail") or answer
        super().__init__(f"{method} {path} answered {status} {self.code}: {json.dumps(told)[:600]}")


class Api:
    """The API at a base URL, as the holder of one key; safe for several threads."""

    def __init__(self, url: str, key: str, pool: urllib3.PoolManager | None = None) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self._pool = pool or urllib3.PoolManager(maxsize=16, retries=False, timeout=TIMEOUT)

    def holding(self, key: str) -> Self:
        """The same API with another key, over the same connections."""
        return type(self)(self.url, key, self._pool)

    def get(self, path: str, **query: Any) -> Any:
        """The answer's body. Refused if it is a problem."""
        return _parsed(self._call("GET", f"{path}?{urlencode(query)}" if query else path))

    def get_text(self, path: str) -> str:
        """The answer's body as it is, e.g. a file. Refused if it is a problem."""
        return self._call("GET", path).decode()

    def post(self, path: str, body: Any, key: str | None = None) -> Any:
        """The answer's body; `key` is the Idempotency-Key. Refused if it is a problem."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return _parsed(self._call("POST", path, json.dumps(body).encode(), **headers))

    def post_csv(self, path: str, text: str) -> Any:
        """The answer's body to a file. Refused if it is a problem."""
        return _parsed(self._call("POST", path, text.encode(), **{"Content-Type": "text/csv"}))

    def put(self, path: str, body: Any) -> Any:
        """The answer's body. Refused if it is a problem."""
        return _parsed(self._call("PUT", path, json.dumps(body).encode()))

    def all(self, path: str, **query: Any) -> Iterator[Any]:
        """Every item of a list, a hundred a page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit=100, **query, **cursor)
            yield from page["data"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def _call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
        status, answer = self._send(method, path, body, headers)
        if status >= 300:
            raise Refused(method, path, status, _parsed(answer))
        return answer

    def _send(self, method: str, path: str, body: bytes | None, more: dict[str, str]) -> tuple[int, bytes]:
        """Whatever was lost is asked again with the same content: ids make repeats harmless."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **more}
        last = "no answer"
        for attempt in range(ATTEMPTS):
            time.sleep(WAIT_SECONDS * (2**attempt - 1))
            try:
                answer = self._pool.request(method, self.url + path, body=body, headers=headers)
            except urllib3.exceptions.HTTPError as error:
                last = str(error)
                continue
            if answer.status not in AGAIN:
                return answer.status, answer.data
            last = f"{answer.status} {answer.data[:300]!r}"
        raise ReplayError(f"{method} {path} failed {ATTEMPTS} times, the last time with: {last}")


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data) if data else None
    except ValueError:
        return data[:300].decode(errors="replace")
