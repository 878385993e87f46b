"""Instants, ids and the types of the edge."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from chalicelib.shared import clock, http, ids, quarantine
from chalicelib.shared.errors import pointer


def test_stored_instants_sort_as_time_does_and_are_read_back() -> None:
    instants = [
        datetime(2026, 3, 4, 10, tzinfo=timezone(timedelta(hours=8))),
        datetime(2026, 3, 4, 2, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 3, 4, 2, 1, tzinfo=UTC),
    ]
    stored = [clock.stored(at) for at in instants]
    assert stored == sorted(stored)
    assert stored[0] == "2026-03-04T02:00:00.000000Z"
    assert [clock.read(text) for text in stored] == instants


def test_shown_instants_have_a_fraction_only_if_there_is_one() -> None:
    assert clock.shown(datetime(2026, 3, 4, 2, tzinfo=UTC)) == "2026-03-04T02:00:00Z"
    assert clock.shown(datetime(2026, 3, 4, 2, 0, 0, 250_000, tzinfo=UTC)) == "2026-03-04T02:00:00.250000Z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-11-21T10:00:00+08:00", "2026-11-21T02:00:00Z"),
        ("2026-11-21t02:00:00z", "2026-11-21T02:00:00Z"),
        ("2026-11-21T02:00:00.123456789Z", "2026-11-21T02:00:00.123456Z"),
        ("2026-11-21T02:00:00.5-00:30", "2026-11-21T02:30:00.500000Z"),
    ],
)
def test_times_are_rfc_3339(text: str, shown: str) -> None:
    assert clock.shown(TypeAdapter(http.Time).validate_python(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["2026-11-21T10:00:00", "2026-11-21", "2026-11-21 10:00:00Z", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
     "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-21T10:00:00+99:00", "", 7, None],
)  # fmt: skip
def test_other_times_are_none(text: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(http.Time).validate_python(text)


@pytest.mark.parametrize("text", ["a", "A-1:b_c.d", "x" * 128, "..a"])
def test_external_ids(text: str) -> None:
    assert TypeAdapter(http.ExternalId).validate_python(text) == text


@pytest.mark.parametrize("text", ["", ".", "..", "a b", "a#b", "a/b", "x" * 129, "é", "a\n"])
def test_other_texts_are_no_external_ids(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(http.ExternalId).validate_python(text)


def test_a_cause_names_one_id() -> None:
    assert ids.from_cause("ent", "a", "b") == ids.from_cause("ent", "a", "b")
    assert (
        len({ids.from_cause("ent", *cause) for cause in (("a", "b"), ("ab",), ("b", "a"), ("a", "b", ""), ("a",))}) == 5
    )
    assert ids.from_cause("ent", "a").startswith("ent_")


def test_shards_are_stable_and_even() -> None:
    assert [ids.shard(f"A-{i}", 8) for i in range(6)] == [ids.shard(f"A-{i}", 8) for i in range(6)]
    found = [ids.shard(f"A-{i}", 8) for i in range(800)]
    assert all(60 < found.count(shard) < 140 for shard in range(8))
    assert {ids.shard(f"A-{i}", 1) for i in range(9)} == {0}


def test_readable_codes_have_no_letter_that_looks_like_another() -> None:
    code = ids.readable(200)
    assert len(code) == 200
    assert not set(code) & set("01ILO")


def test_pointers_are_escaped() -> None:
    assert pointer("lines", 0, "a/b~c") == "/lines/0/a~1b~0c"


def test_quarantined_records_are_kept_once_and_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("B", "A", "B"):
        quarantine.keep("shop-1", "orders", key, f"why {key}", {"Keys": {"pk": key}})
    quarantine.keep("shop-2", "orders", "C", "why", {})
    first, place = quarantine.listed("shop-1", 1, None)
    rest, end = quarantine.listed("shop-1", 1, place)
    assert [(one.key, one.reason, one.record) for one in (*first, *rest)] == [
        ("A", "why A", {"Keys": {"pk": "A"}}), ("B", "why B", {"Keys": {"pk": "B"}}),
    ]  # fmt: skip
    assert end is None
    assert capsys.readouterr().out.count('"Quarantined": 1') == 4
