"""Entries: named by their cause, written once, compared when met again, read in the order in which money moves."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chalicelib.ledger import service
from chalicelib.ledger.model import Account, Entry, Kind
from chalicelib.ledger.service import DivergentReplay
from chalicelib.ledger.tables import EntryItem, entry_item, entry_key, read_entry
from tests.support_meter import metered

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def entry(**says: Any) -> Entry:
    values: dict[str, Any] = {
        "program_id": "shop-1", "distributor_id": "dst_1", "shard": 0, "currency": "CNY", "kind": Kind.ACCRUE,
        "debit": Account.EXPENSE, "credit": Account.PENDING, "amount_minor": 5, "about": "A", "n": 1, "tier": 1,
        "cause": "order", "at": NOW, "paid_at": NOW - timedelta(hours=1), "opens": True, "available_at": None,
        "counts_on": date(2026, 3, 10), "base_minor": 100, "count": 1,
    }  # fmt: skip
    return Entry(**(values | says))


def release(moves_at: datetime, **says: Any) -> Entry:
    values: dict[str, Any] = {"kind": Kind.RELEASE, "debit": Account.PENDING, "credit": Account.AVAILABLE}
    values |= {"available_at": moves_at, "counts_on": None, "base_minor": 0, "count": 0, "opens": False}
    return entry(**(values | says))


def clawback(moves_at: datetime, **says: Any) -> Entry:
    values: dict[str, Any] = {"kind": Kind.CLAWBACK, "debit": Account.AVAILABLE, "credit": Account.EXPENSE}
    return release(moves_at, **(values | {"counts_on": date(2026, 3, 10), "base_minor": -100, "count": -1} | says))


ALL_KINDS = [
    entry(),
    entry(tier=3, base_minor=0, count=0, counts_on=None, opens=False),
    entry(
        kind=Kind.CLAWBACK, debit=Account.PENDING, credit=Account.EXPENSE, n=2, opens=False, base_minor=-100, count=-1
    ),
    release(NOW + timedelta(days=1, microseconds=7)),
    clawback(NOW + timedelta(days=2), amount_minor=10**18 - 1),
]


@pytest.mark.parametrize("one", ALL_KINDS, ids=lambda one: f"{one.kind}-{one.tier}-{one.debit}")
def test_an_entry_is_read_back_as_it_was(one: Entry) -> None:
    service.post([one])
    stored = EntryItem.get(*entry_key(one))
    assert read_entry(stored) == read_entry(entry_item(one)) == one


def test_the_same_again_is_met_and_nothing_is_written() -> None:
    service.post(ALL_KINDS)
    service.post(ALL_KINDS)
    with metered() as meter:
        service.post_missing(ALL_KINDS)
        assert service.missing(ALL_KINDS) == []
    assert meter.writes == []
    assert len(list(service.all_of(service.Holder("shop-1", "dst_1", "CNY", 1)))) == len(ALL_KINDS)


def test_only_what_is_missing_is_put() -> None:
    service.post(ALL_KINDS[::2])
    assert service.missing(ALL_KINDS)
    with metered() as meter:
        service.post_missing(ALL_KINDS)
    assert meter.units == 2
    assert service.missing(ALL_KINDS) == []


def test_of_no_entries_none_is_missing_and_that_costs_no_call() -> None:
    with metered() as meter:
        service.post_missing([])
        assert service.missing([]) == []
    assert meter.calls == []


@pytest.mark.parametrize(
    "says",
    [{"amount_minor": 6}, {"cause": "refund"}, {"base_minor": 99}, {"opens": False}, {"counts_on": date(2026, 3, 11)},
     {"paid_at": NOW}, {"kind": Kind.CLAWBACK, "debit": Account.PENDING, "credit": Account.EXPENSE}],
)  # fmt: skip
def test_other_content_under_the_same_name_is_never_written(
    says: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    service.post([entry()])
    with pytest.raises(DivergentReplay):
        service.post([entry(**says)])
    assert [one.amount_minor for one in service.all_of(service.Holder("shop-1", "dst_1", "CNY", 1))] == [5]
    assert '"DivergentReplay": 1' in capsys.readouterr().out


def test_entry_ids_come_from_their_cause() -> None:
    ids = {one.entry_id for one in ALL_KINDS} | {entry(about="B").entry_id, entry(program_id="shop-2").entry_id}
    assert len(ids) == len(ALL_KINDS) + 2
    assert entry().entry_id == replace(entry(), amount_minor=9, at=NOW + timedelta(days=1)).entry_id


def walked(limit: int, now: datetime = NOW, shards: int = 2) -> list[Entry]:
    rows: list[Entry] = []
    places = None
    for _ in range(100):
        found, places = service.statement(service.Holder("shop-1", "dst_1", "CNY", shards), now, limit, places)
        assert len(found) <= limit
        rows += found
        if places is None:
            return rows
    raise AssertionError("no end")


@pytest.fixture
def busy() -> list[Entry]:
    """Entries of both shards around `NOW`, some of them yet to move."""
    made = [
        maker(n, i)
        for i in range(4)
        for n, maker in enumerate(
            (
                lambda n, i: entry(at=NOW - timedelta(hours=i), about=f"o{i}", shard=i % 2),
                lambda n, i: release(NOW - timedelta(hours=20 * i - 30), about=f"o{i}", shard=i % 2),
                lambda n, i: clawback(NOW - timedelta(hours=20 * i - 29), about=f"o{i}", n=2, shard=i % 2),
            )
        )
    ]
    others = [
        entry(distributor_id="dst_2"),
        entry(currency="USD"),
        entry(program_id="shop-2"),
        entry(distributor_id="dst_11"),
    ]
    service.post([*made, *others])
    return made


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_a_statement_is_what_has_moved_newest_first_over_all_shards_and_lists(busy: list[Entry], limit: int) -> None:
    rows = walked(limit)
    assert [one.moves_at for one in rows] == sorted((one.moves_at for one in rows), reverse=True)
    assert sorted(rows, key=str) == sorted((one for one in busy if one.moves_at <= NOW), key=str)


def test_money_moves_at_the_first_instant_of_its_bucket() -> None:
    service.post([release(NOW)])
    assert walked(5, NOW - timedelta(microseconds=1)) == []
    assert len(walked(5, NOW)) == 1


def test_the_first_entries_of_commissions_are_listed(busy: list[Entry]) -> None:
    found, further = service.opened(service.Holder("shop-1", "dst_1", "CNY", 2), NOW, 3, None)
    assert [one.about for one in found] == ["o0", "o1", "o2"]
    rest, end = service.opened(service.Holder("shop-1", "dst_1", "CNY", 2), NOW, 3, further)
    assert ([one.about for one in rest], end) == (["o3"], None)
