"""What the tables of this process hold: to be compared after another way to the same end, and to go back to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

REAL = {"revision", "started_at", "touched_at", "finished_at", "expires_at"}
"""What is counted, or told by real time: it differs from one way to the other."""

Kept = dict[tuple[str, str, str], dict[str, Any]]
Held = dict[str, dict[Any, dict[Any, Any]]]


def _tables() -> dict[str, Any]:
    return dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables


def kept(*rooms: str) -> Kept:
    """Every item of these rooms, by room, `pk` and `sk`, without what is `REAL`."""
    return {
        (room, str(pk.value), str(sk.value)): _plain(item)
        for room in rooms
        for pk, items in _tables()[f"tributary-test-{room}"].items.items()
        for sk, item in items.items()
    }


def _plain(item: Any) -> dict[str, Any]:
    return {name: value.to_json() for name, value in item.attrs.items() if name not in REAL}


def held() -> Held:
    """All tables as they are now. Items are replaced, never changed, so this copies none."""
    return {name: {pk: dict(items) for pk, items in table.items.items()} for name, table in _tables().items()}


def put_back(tables: Held) -> None:
    """Let all tables be as they were."""
    for name, table in _tables().items():
        table.items.clear()
        for pk, items in tables[name].items():
            table.items[pk].update(items)


@contextmanager
def rewound() -> Iterator[None]:
    """What is written within it is forgotten at its end."""
    before = held()
    yield
    put_back(before)
