"""What the tables hold: to be compared after another way to the same end, to go back to, to lose some of."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.shared.tables import connection
from tests.support_engine import PREFIX, Held, Items, engine

UNREADABLE = b"no JSON"
REAL = {"revision", "started_at", "touched_at", "finished_at", "expires_at"}
"""What is counted, or told by real time: it differs from one way to the other."""

Kept = dict[tuple[str, str, str], dict[str, Any]]


def kept(*rooms: str) -> Kept:
    """Every item of these rooms, by room, `pk` and `sk`, without what is `REAL`."""
    tables, text = held(), engine().text
    return {
        (room, text(pk), text(sk)): _plain(item)
        for room in rooms
        for pk, items in tables[PREFIX + room].items()
        for sk, item in items.items()
    }


def _plain(item: Any) -> dict[str, Any]:
    return {name: value for name, value in engine().plain(item).items() if name not in REAL}


def all_items() -> Iterator[dict[str, Any]]:
    """Every item of every table, with every attribute."""
    return (engine().plain(item) for table in held().values() for items in table.values() for item in items.values())


def image(room: str, pk: str, sk: str) -> dict[str, Any] | None:
    """An item as the SDK has it, None: there is none."""
    found = engine().item(PREFIX + room, {"pk": {"S": pk}, "sk": {"S": sk}})
    return _typed(found) if found else None


def images() -> Iterator[tuple[tuple[str, str, str], dict[str, Any]]]:
    """Every item of every room, by room, `pk` and `sk`."""
    text = engine().text
    for name, table in held().items():
        for pk, items in table.items():
            for sk, item in items.items():
                yield (name.removeprefix(PREFIX), text(pk), text(sk)), _typed(engine().plain(item))


def _typed(item: dict[str, Any]) -> dict[str, Any]:
    """On the wire binary values are text."""
    return {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in item.items()}


def unreadable_fact(program_id: str, order_id: str, at: str = "2026-03-03T02:00:00.000000Z") -> dict[str, Any]:
    """Put a fact of an order that can't be read, received at an instant; its key."""
    key = {"pk": {"S": f"{program_id}#{order_id}"}, "sk": {"S": "cancel"}}
    fact = {"f": {"B": UNREADABLE}, "r": {"S": at}}
    connection().client.put_item(TableName=f"{PREFIX}orders", Item=key | fact)
    return key


def held() -> Held:
    """All tables as they are now. Items are replaced, never changed, so this copies none."""
    return engine().held()


def put_back(tables: Held) -> None:
    """Let all tables be as they were."""
    engine().put_back(tables)


@contextmanager
def rewound() -> Iterator[None]:
    """What is written within it is forgotten at its end."""
    before = held()
    yield
    put_back(before)


def new_since(before: Held) -> Held:
    """The items that weren't there before."""
    return {name: _new(before[name], items) for name, items in held().items()}


def _new(before: Items, now: Items) -> Items:
    return {pk: {sk: item for sk, item in now[pk].items() if sk not in before.get(pk, ())} for pk in now}


def put_in(more: Held) -> None:
    """Let all tables hold these items, too."""
    tables = held()
    for name, found in more.items():
        for pk, items in found.items():
            tables[name][pk] = tables[name].get(pk, {}) | items
    put_back(tables)


def lose(room: str, pk_part: str, sk_part: str) -> int:
    """Take items out of a table, as no code of ours can. How many."""
    tables, text = held(), engine().text
    lost = [
        items.pop(sk)
        for pk, items in tables[PREFIX + room].items()
        for sk in list(items)
        if pk_part in text(pk) and sk_part in text(sk)
    ]
    put_back(tables)
    return len(lost)
