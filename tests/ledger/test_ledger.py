"""Entries: named by their cause, written once, compared when met again, read in the order in which money moves."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.ledger import service
from chalicelib.ledger.model import Account, Entry, Kind
from chalicelib.ledger.service import DivergentReplay, Settled
from chalicelib.ledger.tables import EntryItem, entry_item, entry_key, read_entry
from chalicelib.shared.tables import Refused, transact
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


def adjustment(debit: Account, credit: Account, **says: Any) -> Entry:
    moved = {"kind": Kind.ADJUST, "debit": debit, "credit": credit, "about": "adj_1", "tier": 0}
    return release(NOW + timedelta(days=1), **(moved | says))


def withdrawn(kind: Kind, debit: Account, credit: Account, n: int = 1, move: int = 0, **says: Any) -> Entry:
    values: dict[str, Any] = {"kind": kind, "debit": debit, "credit": credit, "n": n, "move": move, "about": "wdr_1"}
    values |= {"tier": 0, "opens": False, "counts_on": None, "base_minor": 0, "count": 0, "paid_at": NOW}
    return entry(**(values | says))


WITHDRAWN = [
    withdrawn(Kind.HOLD, Account.AVAILABLE, Account.HELD),
    withdrawn(Kind.PAYOUT, Account.HELD, Account.PAID_OUT, 2, 0),
    withdrawn(Kind.PAYOUT, Account.HELD, Account.TAX_PAYABLE, 2, 1),
    withdrawn(Kind.PAYOUT, Account.HELD, Account.FEE, 2, 2),
    withdrawn(Kind.RETURN, Account.PAID_OUT, Account.AVAILABLE, 3),
    withdrawn(Kind.UNHOLD, Account.HELD, Account.AVAILABLE, 4),
]

ALL_KINDS = [
    entry(),
    entry(tier=3, base_minor=0, count=0, counts_on=None, opens=False),
    entry(
        kind=Kind.CLAWBACK, debit=Account.PENDING, credit=Account.EXPENSE, n=2, opens=False, base_minor=-100, count=-1
    ),
    release(NOW + timedelta(days=1, microseconds=7)),
    clawback(NOW + timedelta(days=2), amount_minor=10**18 - 1),
    adjustment(Account.EXPENSE, Account.AVAILABLE),
    adjustment(Account.AVAILABLE, Account.EXPENSE, about="adj_2"),
    *WITHDRAWN,
]


@pytest.mark.parametrize("one", ALL_KINDS, ids=lambda one: f"{one.kind}-{one.debit}-{one.credit}-{one.tier}")
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
    service.post(ALL_KINDS[:-2])
    assert service.missing(ALL_KINDS) == ALL_KINDS[-2:]
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


def test_entries_of_a_transaction_are_put_if_they_are_not_there() -> None:
    transact(*service.entry_puts(WITHDRAWN))
    assert service.missing(WITHDRAWN) == []
    with pytest.raises(Refused):
        transact(*service.entry_puts([replace(WITHDRAWN[0], amount_minor=6)]))


def test_entry_ids_come_from_their_cause() -> None:
    ids = {one.entry_id for one in ALL_KINDS} | {entry(about="B").entry_id, entry(program_id="shop-2").entry_id}
    assert len(ids) == len(ALL_KINDS) + 2
    assert entry().entry_id == replace(entry(), amount_minor=9, at=NOW + timedelta(days=1)).entry_id


def walked(limit: int, settled: Settled | None, shards: int = 2) -> list[Entry]:
    rows: list[Entry] = []
    places = None
    for _ in range(100):
        found, places = service.statement(
            service.Holder("shop-1", "dst_1", "CNY", shards), settled, None, limit, places
        )
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
                lambda n, i: entry(at=NOW + timedelta(hours=1 - i), about=f"o{i}", shard=i % 2),
                lambda n, i: release(
                    NOW - timedelta(hours=20 * i - 30), at=NOW - timedelta(hours=i), about=f"o{i}", shard=i % 2
                ),
                lambda n, i: clawback(
                    NOW - timedelta(hours=20 * i - 29), at=NOW - timedelta(hours=i), about=f"o{i}", n=2, shard=i % 2
                ),
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


SETTLED = Settled(until=NOW, cutoff=NOW - timedelta(minutes=90))


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("settled", [SETTLED, None])
def test_a_statement_is_what_is_booked_at_once_and_what_is_settled_newest_first_over_all_shards(
    busy: list[Entry], limit: int, settled: Settled | None
) -> None:
    listed = [
        one
        for one in busy
        if one.available_at is None
        or (settled is not None and one.available_at < settled.until and one.at < settled.cutoff)
    ]
    rows = walked(limit, settled)
    assert [one.moves_at for one in rows] == sorted((one.moves_at for one in rows), reverse=True)
    assert sorted(rows, key=str) == sorted(listed, key=str)


def test_a_settlement_up_to_a_midnight_is_without_what_moves_at_it() -> None:
    service.post([release(NOW, at=NOW - timedelta(days=1)), *WITHDRAWN])
    later = NOW + timedelta(days=1)
    assert len(walked(5, Settled(NOW, later))) == len(WITHDRAWN)
    assert len(walked(5, Settled(NOW + timedelta(microseconds=1), later))) == len(WITHDRAWN) + 1


def test_what_was_decided_at_the_cutoff_or_later_is_for_the_next_settlement() -> None:
    service.post([release(NOW - timedelta(days=1))])
    assert walked(5, Settled(NOW, NOW)) == []
    assert len(walked(5, Settled(NOW, NOW + timedelta(microseconds=1)))) == 1


def test_withdrawals_are_found_by_their_first_hold() -> None:
    again = withdrawn(Kind.HOLD, Account.AVAILABLE, Account.HELD, 5, at=NOW + timedelta(hours=2))
    second = withdrawn(Kind.HOLD, Account.AVAILABLE, Account.HELD, about="wdr_2", at=NOW + timedelta(hours=1))
    service.post([*WITHDRAWN, again, second])
    holder = service.Holder("shop-1", "dst_1", "CNY", 2)
    assert [one.about for one in service.held_since(holder, NOW)] == ["wdr_1", "wdr_2"]
    assert [one.about for one in service.held_since(holder, NOW + timedelta(microseconds=1))] == ["wdr_2"]
    (newest,), place = service.first_holds(holder, 1, None)
    (oldest,), end = service.first_holds(holder, 1, place)
    assert (newest.about, oldest.about, end) == ("wdr_2", "wdr_1", None)


def test_the_first_entries_of_commissions_are_listed(busy: list[Entry]) -> None:
    found, further = service.opened(service.Holder("shop-1", "dst_1", "CNY", 2), NOW + timedelta(hours=1), 3, None)
    assert [one.about for one in found] == ["o0", "o1", "o2"]
    rest, end = service.opened(service.Holder("shop-1", "dst_1", "CNY", 2), NOW + timedelta(hours=1), 3, further)
    assert ([one.about for one in rest], end) == (["o3"], None)
