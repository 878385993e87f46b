"""Cursors and pages: every item once, bound to its list."""

import base64
import json
from typing import Any

import pytest

from chalicelib.ledger.tables import EntryItem
from chalicelib.shared import pages, tables
from chalicelib.shared.errors import Invalid


def test_a_cursor_is_read_back_by_its_own_list_only() -> None:
    place = {"a0": {"pk": {"S": "x"}}}
    cursor = pages.cursor(place, "list", "shop-1", ("filter", None))
    assert pages.place(cursor, "list", "shop-1", ("filter", None)) == place
    for other in (("list", "shop-2", ("filter", None)), ("list", "shop-1", ("filter", 1)), ("list",), ()):
        with pytest.raises(Invalid):
            pages.place(cursor, *other)


def test_no_place_is_no_cursor() -> None:
    assert pages.cursor(None, "list") is None
    assert pages.place(None, "list") is None


@pytest.mark.parametrize(
    "cursor", ["", "x", "%%%", "é", "bnVsbA", "W10", "WzFd", base64.b64encode(b"\xff\xfe").decode()]
)
def test_rubbish_is_no_cursor(cursor: str) -> None:
    with pytest.raises(Invalid):
        pages.place(cursor, "list")


def test_a_forged_place_is_refused_too() -> None:
    sealed, _ = json.loads(base64.urlsafe_b64decode(pages.cursor([1], "list") + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([sealed, [1], 2]).encode()).decode()
    with pytest.raises(Invalid):
        pages.place(forged, "list")


def put(pk: str, *sks: str) -> None:
    for sk in sks:
        EntryItem(pk, sk, kind="k", debit="d", credit="c", amount_minor=1, cause=sk, at="x", paid_at="x").put_new()


def query(pk: str, place: Any = None) -> Any:
    return EntryItem.query(pk, scan_index_forward=False, last_evaluated_key=place)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_hold_every_item_once(limit: int) -> None:
    put("p", *"abcdefg")
    seen: list[str] = []
    place: Any = None
    for _ in range(10):
        found, place = tables.page(query("p", place), limit)
        seen += [item.sk for item in found]
        if place is None:
            break
    assert seen == list("gfedcba")


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_filtered_pages_hold_what_is_liked_once(limit: int) -> None:
    put("p", *"abcdefg")
    seen: list[str] = []
    place: Any = None
    for _ in range(10):
        found, place = tables.page(query("p", place), limit, lambda item: item.sk in "abf")
        seen += [item.sk for item in found]
        if place is None:
            break
    assert seen == list("fba")


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_merged_pages_hold_every_item_of_every_source_once(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = {"one": "acegi", "two": "bdf", "three": "", "four": "h"}
    for name, sks in sources.items():
        put(name, *sks)
    for most in (1000, 2):
        monkeypatch.setattr(tables, "EVALUATED_MAX", most)
        seen: list[str] = []
        places: Any = {}
        for _ in range(20):
            found, further = tables.merged_page(
                {name: query(name, places.get(name)) for name in sources},
                lambda item: str(item.sk),
                lambda item: {"pk": {"S": item.pk}, "sk": {"S": item.sk}},
                limit,
            )
            seen += [item.sk for item in found]
            if further is None:
                break
            places |= further
        assert seen == list("ihgfedcba")
