"""Faults where the SDK meets the wire, so that the code under test is the code that ships.

Before the store has seen a request it can be lost; after the store has answered, the answer can be lost. Both moto and
DynamoDB Local answer at the generic `before-send` (see tests/support_engine.py): what is registered there as the last
comes after them, what is registered for the one service before them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from chalicelib.shared.tables import connection
from tests.support_meter import WRITES

W = TypeVar("W", bound="Wire")


class Crash(BaseException):
    """The process dies: nothing catches this, nothing is cleaned up."""


class Wire:
    """Fails the write attempts whose numbers, from 1, are in `at`; with `only`, of that room's table."""

    def __init__(self, at: range | set[int], *, crash: bool, answered: bool, only: str) -> None:
        self._at, self._crash, self._answered, self._only = at, crash, answered, only
        self.attempts = 0

    def before(self, request: Any, **_: Any) -> None:
        if self._counts(request):
            self.attempts += 1
            if not self._answered:
                self._fail()

    def after(self, request: Any, **_: Any) -> None:
        if self._answered and self._counts(request):
            self._fail()

    def _counts(self, request: Any) -> bool:
        call = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
        return call in WRITES and f'-{self._only}"'.encode() in request.body if self._only else call in WRITES

    def _fail(self) -> None:
        if self.attempts in self._at:
            lost = ReadTimeoutError if self._answered else EndpointConnectionError
            raise Crash if self._crash else lost(endpoint_url="https://lost")


@contextmanager
def failing(at: range | set[int], *, crash: bool = True, answered: bool = False, only: str = "") -> Iterator[Wire]:
    """Lose the requests (or, `answered`, their answers) of these write attempts; `crash`: and the process with them."""
    with on_the_wire(Wire(at, crash=crash, answered=answered, only=only)) as wire:
        yield wire


@contextmanager
def on_the_wire(wire: W) -> Iterator[W]:
    """Have it see every call of the SDK, before the store does and after it."""
    events = connection().client.meta.events
    events.register_first("before-send.dynamodb", wire.before)
    events.register_last("before-send", wire.after)
    try:
        yield wire
    finally:
        events.unregister("before-send.dynamodb", wire.before)
        events.unregister("before-send", wire.after)


EVER = range(1, 1_000_000)
"""Every attempt."""


class Conflict:
    """Has the store answer the next `times` writes as it does while another transaction is at one of their items."""

    def __init__(self, times: int, client: Any) -> None:
        self.left, self._client, self._call = times, client, client._make_api_call

    def answer(self, operation: str, params: dict[str, Any]) -> Any:
        """The answer in place of the store's. A transaction is told which of its parts it was: here, the last."""
        if operation not in WRITES or not self.left:
            return self._call(operation, params)
        self.left -= 1
        code = "TransactionConflictException" if operation == "PutItem" else "TransactionCanceledException"
        reasons = [{"Code": "None"}] * (len(params.get("TransactItems", ())) - 1) + [{"Code": "TransactionConflict"}]
        answered = {"Error": {"Code": code}, "CancellationReasons": reasons}
        raise self._client.exceptions.from_code(code)(answered, operation)


@contextmanager
def conflicting(times: int) -> Iterator[Conflict]:
    """Let writes conflict with other transactions. No engine does: DynamoDB Local takes one after the other."""
    client = connection().client
    conflict = Conflict(times, client)
    client._make_api_call = conflict.answer
    try:
        yield conflict
    finally:
        del client._make_api_call
