"""How items are kept: conditions, revisions, transactions, and what is read once."""

from collections.abc import Callable

import pytest
from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import PutError, TransactWriteError

from chalicelib.ledger.tables import EntryItem
from chalicelib.shared import tables
from chalicelib.shared.errors import Conflict
from chalicelib.shared.tables import Check, JsonAttribute, Put, Refused, Revised, reading_once, transact
from tests.support_faults import conflicting
from tests.support_meter import metered


def entry(sk: str, cause: str = "order") -> EntryItem:
    return EntryItem("p", sk, kind="k", debit="d", credit="c", amount_minor=1, cause=cause, at="x", paid_at="x")


class Thing(Revised):
    room = "ops"

    class Meta:
        """pynamodb's."""

    name = UnicodeAttribute()


def test_a_key_is_taken_once() -> None:
    assert entry("a").put_new()
    assert not entry("a", "refund").put_new()
    found = EntryItem.find("p", "a")
    assert found is not None
    assert found.cause == "order"


def test_a_revised_item_is_replaced_only_by_who_saw_it_last() -> None:
    Thing("p", "t", name="first").replace()
    one, two = (Thing.get("p", "t") for _ in range(2))
    one.name, two.name = "one", "two"
    one.replace()
    with pytest.raises(Conflict, match="Somebody changed this"):
        two.replace()
    with pytest.raises(Conflict):
        Thing("p", "t", name="new").replace()
    stored = Thing.get("p", "t")
    assert (stored.name, stored.revision) == ("one", 2)


def test_a_transaction_writes_all_or_nothing_and_says_which_was_refused() -> None:
    transact(Put(entry("a")), Put(entry("b")))
    with pytest.raises(Refused) as refused:
        transact(Put(entry("c")), Put(entry("a")), Check(EntryItem, "p", "zz", EntryItem.pk.exists()), Put(entry("d")))
    assert refused.value.which == (1, 2)
    assert [item.sk for item in EntryItem.query("p")] == ["a", "b"]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, each time; nobody really waits."""
    found: list[float] = []
    monkeypatch.setattr(tables.time, "sleep", found.append)
    return found


def write_a_pair() -> bool:
    transact(Put(entry("a")), Put(entry("b")))
    return True


WRITES = pytest.mark.parametrize("write", [write_a_pair, lambda: entry("a").put_new()], ids=["transaction", "put"])


@WRITES
def test_a_conflict_with_another_transaction_is_no_refusal_but_tried_again(
    write: Callable[[], bool], waits: list[float]
) -> None:
    with conflicting(3) as conflict:
        assert write()
    assert (conflict.left, waits) == (0, [0.01, 0.04, 0.16])
    assert EntryItem.find("p", "a") is not None


@WRITES
def test_a_conflict_that_lasts_is_an_error_of_the_store_and_nothing_is_written(
    write: Callable[[], bool], waits: list[float]
) -> None:
    with conflicting(4) as conflict, pytest.raises((PutError, TransactWriteError)) as failed:
        write()
    assert failed.value.cause_response_code in ("TransactionConflictException", "TransactionCanceledException")
    assert (conflict.left, len(waits)) == (0, 3)
    assert EntryItem.find("p", "a") is None


def test_what_is_refused_is_not_tried_again(waits: list[float]) -> None:
    write_a_pair()
    with metered() as meter, pytest.raises(Refused):
        write_a_pair()
    assert (meter.calls, waits) == (["TransactWriteItems"], [])


def test_within_reading_once_nothing_is_read_twice() -> None:
    entry("a").put_new()
    with reading_once(), metered() as meter:
        for _ in range(3):
            assert EntryItem.find("p", "a") is not None
            assert EntryItem.find("p", "b") is None
            assert [item.sk for item in EntryItem.find_many([("p", "b"), ("p", "a"), ("p", "a")])] == ["a"]
        assert [item.sk for item in EntryItem.find_many([("p", "c"), ("p", "a")])] == ["a"]
    assert meter.calls == ["GetItem", "GetItem", "BatchGetItem"]


def test_after_it_and_in_queries_everything_is_read_anew() -> None:
    with reading_once():
        assert EntryItem.find("p", "a") is None
        entry("a").put_new()
        assert EntryItem.find("p", "a") is None
        assert [item.sk for item in EntryItem.query("p")] == ["a"]
    assert EntryItem.find("p", "a") is not None


@pytest.mark.parametrize("value", [None, [], {"ä": [1, None, True, 10**30, "\u2028"]}, "x" * 10_000])
def test_json_is_kept_whole_and_small(value: object) -> None:
    attribute = JsonAttribute()
    stored = attribute.serialize(value)
    assert attribute.deserialize(stored) == value
    assert len(stored) < 200
