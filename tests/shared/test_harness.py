"""The test tools themselves: a blind harness would prove nothing."""

import pytest
from botocore.exceptions import EndpointConnectionError

from chalicelib.ledger.tables import EntryItem
from chalicelib.shared.tables import Put, Refused, connection, transact
from tests.support_faults import Crash, failing
from tests.support_meter import item_size, metered


def entry(sk: str = "a", **says: object) -> EntryItem:
    values = {
        "kind": "accrue",
        "debit": "expense",
        "credit": "pending",
        "amount_minor": 1,
        "cause": "order",
        "at": "x",
        "paid_at": "x",
    }
    return EntryItem("p", sk, **(values | says))


def test_a_lost_request_writes_nothing() -> None:
    with failing({1}), pytest.raises(Crash):
        entry().put_new()
    assert EntryItem.find("p", "a") is None


def test_a_lost_answer_has_written() -> None:
    with failing({1}, answered=True), pytest.raises(Crash):
        entry().put_new()
    assert EntryItem.find("p", "a") is not None


def test_only_the_named_attempts_and_tables_fail() -> None:
    with failing({2}), pytest.raises(Crash):
        entry("a").put_new()
        entry("b").put_new()
    with failing({1}, only="orders"):
        entry("b").put_new()
    assert [item.sk for item in EntryItem.query("p")] == ["a", "b"]


def test_a_counter_that_is_added_to_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibration: were there an ADD, the SDK's own repeat of a lost answer would double it, and we would see that."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    arguments = {
        "TableName": "tributary-test-entries", "Key": {"pk": {"S": "p"}, "sk": {"S": "n"}},
        "UpdateExpression": "ADD amount :one", "ExpressionAttributeValues": {":one": {"N": "1"}},
    }  # fmt: skip
    lost = iter([True])

    def lose_one_answer(**_: object) -> None:
        if next(lost, False):
            raise EndpointConnectionError(endpoint_url="https://lost")

    events = connection().client.meta.events
    events.register_last("before-send", lose_one_answer)
    try:
        connection().client.update_item(**arguments)
    finally:
        events.unregister("before-send", lose_one_answer)
    stored = connection().client.get_item(TableName=arguments["TableName"], Key=arguments["Key"])["Item"]
    assert stored["amount"] == {"N": "2"}


def test_the_meter_counts_kilobytes_indexes_transactions_and_refusals() -> None:
    with metered() as meter:
        entry("a").put_new()
        entry("a").put_new()
        entry("b", cause="x" * 1024).put_new()
        transact(Put(entry("c")))
        with pytest.raises(Refused):
            transact(Put(entry("c")))
    assert [write.units for write in meter.writes] == [1, 1, 2, 2, 2]
    assert (meter.units, meter.of("entries"), meter.of("orders"), meter.further_kb) == (8, 8, 0, 1)


def test_the_meter_counts_what_the_sdk_sends_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with metered() as meter, failing({1}, crash=False):
        assert entry().put_new()
    assert meter.units == 2


def test_an_items_bytes_are_names_and_values() -> None:
    item = {"pk": {"S": "ä"}, "n": {"N": "-1234"}, "b": {"B": "AAAA"}, "y": {"BOOL": True}, "l": {"L": [{"S": "ab"}]}}
    assert item_size(item) == (2 + 2) + (1 + 4) + (1 + 3) + (1 + 1) + (1 + 3 + 1 + 2)
