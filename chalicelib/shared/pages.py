"""Cursors: where a list goes on, bound to the list, its program and its filters."""

import base64
import binascii
import json
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from chalicelib.shared.errors import Code, Invalid
from chalicelib.shared.ids import digest

GATHERED_MAX: Final = 2_000
"""How many rows one export has at most."""
GATHERING_SECONDS: Final = 10
"""How long an export goes on reading: the gateway waits for less than 30."""

_AT_ONCE: Final = 100
_T = TypeVar("_T")


def cursor(place: Any, *bound_to: object) -> str | None:
    """A place in a list as opaque text; None, the end, stays None. `bound_to` names list, program and filters."""
    if place is None:
        return None
    text = json.dumps([_seal(bound_to), place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def place(cursor: str | None, *bound_to: object) -> Any:
    """The place behind a cursor. Raises Invalid `invalid_cursor` for one of another list, program or filter."""
    if cursor is None:
        return None
    try:
        seal, where = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error):
        raise another_lists() from None
    if seal != _seal(bound_to):
        raise another_lists()
    return where


def gathered(read: Callable[[int, Any], tuple[list[_T], Any]], place: Any) -> tuple[list[_T], Any]:
    """Page after page of a list from a place on, up to `GATHERED_MAX` rows, and where it goes on.

    `read` takes how many rows a page may have, and its place. Ends early after `GATHERING_SECONDS`.
    """
    rows: list[_T] = []
    ends = time.monotonic() + GATHERING_SECONDS
    while True:
        found, place = read(min(_AT_ONCE, GATHERED_MAX - len(rows)), place)
        rows += found
        if place is None or len(rows) >= GATHERED_MAX or time.monotonic() > ends:
            return rows, place


def _seal(bound_to: tuple[object, ...]) -> str:
    return digest(*map(str, bound_to)).hex()[:16]


def another_lists() -> Invalid:
    """The problem of a cursor that doesn't fit; also where the store itself refuses a forged one."""
    return Invalid(Code.INVALID_CURSOR, "This cursor is of another list, or of the same with other filters.")
