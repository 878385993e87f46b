"""The wire under test: one fault a piece of work at most, and the mirror that sees what every write has changed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from tests.faults.mirror import Change, Mirror
from tests.support_faults import Crash, on_the_wire
from tests.support_meter import WRITES
from tests.support_state import image


class Kind(StrEnum):
    """What goes wrong."""

    NONE = "none"
    DIES_BEFORE = "dies before"
    """The process ends before the write has reached the store."""
    DIES_AFTER = "dies after"
    LOSES_REQUEST = "loses the request"
    """Once: the SDK sends it again."""
    LOSES_ANSWER = "loses the answer"
    STORE_IS_AWAY = "the store is away"
    """From that write on, however often the SDK sends it."""
    OVERTAKEN = "is overtaken"
    """Just before the write, something else happens wholly."""
    OVERTAKEN_AFTER = "is overtaken after"


@dataclass(frozen=True)
class Fault:
    """What goes wrong at which write, from 1, of a piece of work; `room`: of those to this room's table."""

    kind: Kind = Kind.NONE
    at: int = 0
    room: str = ""

    def __str__(self) -> str:
        where = f" to {self.room}" if self.room else ""
        return "" if self.kind is Kind.NONE else f" [{self.kind} at write {self.at}{where}]"


CALM = Fault()
ROOMS = ("orders", "decisions", "entries", "accounts", "withdrawals", "payouts")
JOBS_ROOMS = ("accounts", "accounts", "accounts", "levels", "withdrawals", "decisions")
"""What the jobs of a night write, most of all what is hardest to repeat."""
KINDS = (*(kind for kind in Kind if kind is not Kind.NONE), Kind.LOSES_ANSWER, Kind.LOSES_ANSWER)


def drawn(random: Random, jobs: bool) -> Fault:
    """A fault by chance, mostly none. `jobs`: of a step in which days pass, so that much is written."""
    if random.random() < 0.5:
        return CALM
    kind = random.choice(KINDS)
    if random.random() < 0.4:
        return Fault(kind, random.randint(1, 30 if jobs else 7))
    return Fault(kind, random.randint(1, 4 if jobs else 2), random.choice(JOBS_ROOMS if jobs else ROOMS))


class Line:
    """What a piece of work writes, with its fault."""

    def __init__(self, mirror: Mirror, fault: Fault, meanwhile: Callable[[], object]) -> None:
        self._mirror, self._fault, self._meanwhile = mirror, fault, meanwhile
        self.attempts = 0
        self._overtaken = False

    def before(self, request: Any, **_: Any) -> None:
        if not _is_write(request):
            return
        self._mirror.overhear(request.body)
        if not self._counts(request):
            return
        self.attempts += 1
        fault, at = self._fault.kind, self._fault.at
        if fault is Kind.DIES_BEFORE and self.attempts == at:
            raise Crash
        if (fault is Kind.LOSES_REQUEST and self.attempts == at) or (
            fault is Kind.STORE_IS_AWAY and self.attempts >= at
        ):
            raise EndpointConnectionError(endpoint_url="https://lost")
        if fault is Kind.OVERTAKEN and self.attempts == at:
            self._overtake()

    def after(self, request: Any, **_: Any) -> None:
        if not _is_write(request):
            return
        self._mirror.see(list(_changes(self._mirror, request)))
        if not self._counts(request):
            return
        fault, at = self._fault.kind, self._fault.at
        if fault is Kind.DIES_AFTER and self.attempts == at:
            raise Crash
        if fault is Kind.LOSES_ANSWER and self.attempts == at:
            raise ReadTimeoutError(endpoint_url="https://lost")
        if fault is Kind.OVERTAKEN_AFTER and self.attempts == at:
            self._overtake()

    def _counts(self, request: Any) -> bool:
        return f'-{self._fault.room}"'.encode() in request.body if self._fault.room else True

    def _overtake(self) -> None:
        if not self._overtaken:
            self._overtaken = True
            self._fault = CALM
            self._meanwhile()


@contextmanager
def faulty(mirror: Mirror, fault: Fault, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Line]:
    """Within it the fault happens, and the mirror sees every write. `meanwhile`: what overtakes."""
    with on_the_wire(Line(mirror, fault, meanwhile)) as line:
        yield line


def _is_write(request: Any) -> bool:
    return request.headers["X-Amz-Target"].decode().rpartition(".")[2] in WRITES | {"UpdateItem": ""}


def _changes(mirror: Mirror, request: Any) -> Iterator[Change]:
    """What an attempt has changed: what the store holds now, where the mirror has something else."""
    body = json.loads(request.body)
    parts = [next(iter(part.values())) for part in body["TransactItems"]] if "TransactItems" in body else [body]
    for part in parts:
        wanted = part.get("Item") or part["Key"]
        key = part["TableName"].rpartition("-")[2], wanted["pk"]["S"], wanted["sk"]["S"]
        before, after = mirror.items.get(key), image(*key)
        if after is not None and after != before:
            yield Change(*key, before, after)
