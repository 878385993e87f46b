"""Items and their indexes as AWS has them: who comes first, what an index shows, how much an item may hold."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from chalice.test import Client
from pynamodb.exceptions import PutError, TransactWriteError

from chalicelib.orders.tables import FactItem
from chalicelib.shared.tables import Put, transact
from chalicelib.withdrawals.tables import ByDue, WithdrawalItem
from tests.conformance.things import Thing, items, new
from tests.support_stream import Stream

LARGEST = 400 * 1024
"""An item's bytes, names and values."""


def test_one_of_many_gets_a_key() -> None:
    with ThreadPoolExecutor(16) as workers:
        got = list(workers.map(lambda n: new("a", name=str(n)).put_new(), range(16)))
    assert got.count(True) == 1
    assert Thing.get("p", "a").name == str(got.index(True))


def test_what_is_written_is_read_at_once_and_whole() -> None:
    for n in (0, 1, -1, 10**18 - 1, 1 - 10**18, 10**37):
        assert new(str(n), count=n, name="ä\u2028 " * 50).put_new()
        found = Thing.find("p", str(n), consistent=True)
        assert found is not None
        assert (found.count, found.name) == (n, "ä\u2028 " * 50)
        assert [item.count for item in Thing.find_many([("p", str(n)), ("p", "none")])] == [n]
    assert len(items()) == 6


def withdrawal(due_in: str | None, due_at: str | None) -> WithdrawalItem:
    return WithdrawalItem(
        "p", "wdr_1", due_in=due_in, due_at=due_at, distributor_id="d", status="s", amount_minor=1, body={}
    )


def found(queue: str) -> list[tuple[str, str]]:
    return [(row.sk, row.due_at) for row in WithdrawalItem.by_due.query(queue)]


def test_an_index_shows_an_item_where_it_is_now_and_only_while_it_has_its_keys() -> None:
    withdrawal("p#release", "2026-03-01").save()
    assert (found("p#release"), found("p#look")) == ([("wdr_1", "2026-03-01")], [])
    withdrawal("p#release", "2026-03-02").save()
    assert found("p#release") == [("wdr_1", "2026-03-02")]
    withdrawal("p#look", "2026-03-02").save()
    assert (found("p#release"), found("p#look")) == ([], [("wdr_1", "2026-03-02")])
    withdrawal(None, None).save()
    assert (found("p#release"), found("p#look")) == ([], [])


def test_an_index_of_keys_only_has_nothing_else() -> None:
    withdrawal("p#look", "2026-03-02").save()
    (row,) = WithdrawalItem._get_connection().query("p#look", index_name=ByDue.Meta.index_name)["Items"]
    assert row.keys() == {"pk", "sk", "due_in", "due_at"}


def filled(bytes_: int) -> Thing:
    rest = len("pkpskanamerevision") + 1
    return new("a", name="x" * (bytes_ - rest))


@pytest.mark.parametrize("way", ["put", "transaction"])
def test_the_largest_item_is_taken_and_a_larger_one_is_refused_for_good(way: str) -> None:
    def write(item: Thing) -> None:
        if way == "put":
            assert item.put_new()
        else:
            transact(Put(item), Put(new("b")))

    with pytest.raises((PutError, TransactWriteError)) as refused:
        write(filled(LARGEST + 1))
    assert refused.value.cause_response_code == "ValidationException", "or it would be tried again for ever"
    assert items() == []
    write(filled(LARGEST))


def test_a_transaction_takes_a_hundred_items() -> None:
    transact(*(Put(new(f"{n:03}")) for n in range(100)))
    assert len(items()) == 100


def fact(name: str, told: Any) -> FactItem:
    return FactItem("shop-1#A", name, fact=told, received_at="2026-03-04")


def test_the_stream_tells_each_change_once_in_its_order_as_it_is_now() -> None:
    from app import app

    stream = Stream(Client(app))
    for name, told in (("order", 1), ("cancel", 1), ("order", 2), ("order", 2)):
        fact(name, told).save()
    # What changes nothing is told by moto, and not by AWS.
    assert [(one["eventName"], one["dynamodb"]["Keys"]["sk"]["S"]) for one in stream.records] == [
        ("INSERT", "order"),
        ("INSERT", "cancel"),
        ("MODIFY", "order"),
    ]
    assert all("OldImage" not in one["dynamodb"] for one in stream.records)
    assert len({one["dynamodb"]["SequenceNumber"] for one in stream.records}) == 3
