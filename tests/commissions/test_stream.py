"""The function that decides, fed with the orders table's stream: twice, again, in another order, poisoned."""

import json
import random
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec.structs import replace
from pynamodb.exceptions import PutError

from chalicelib.commissions import service
from chalicelib.ledger.model import Account
from chalicelib.orders.changes import hint_of
from chalicelib.orders.tables import FactItem
from chalicelib.shared import quarantine
from chalicelib.shared.streams import Unfinished
from chalicelib.shared.tables import connection
from tests.support_faults import EVER, Crash, failing
from tests.support_market import Market, at
from tests.support_meter import metered
from tests.support_state import UNREADABLE, unreadable_fact
from tests.support_stream import Stream

NAMES = ("seller", "middle", "top", "other")


def snapshot(market: Market, *order_ids: str) -> tuple[Any, ...]:
    """All that deciding has written."""
    entries = {name: sorted(market.entries(name), key=lambda e: (e.about, e.n, e.tier, e.kind)) for name in NAMES}
    return [list(market.journal(order_id)) for order_id in order_ids], entries


def story(market: Market) -> list[Callable[[], Any]]:
    """Facts of three orders that touch everything: refunds, an early one, completions, a cancellation, a new owner."""
    market.join("other", "top")
    return [
        lambda: market.tell("A", ("x", 9999), ("y", 1)),
        lambda: market.refund("B", "r-1", ("1", 400)),
        lambda: market.refund("A", "r-1", ("1", 333)),
        lambda: market.tell("B", ("x", 777), completed_at=at()),
        lambda: market.complete("A"),
        lambda: market.tell("C", referral_code=None),
        lambda: market.attribute("A", "other"),
        lambda: market.refund("A", "r-2", ("1", 5000), ("2", 1)),
        lambda: market.cancel("B"),
        lambda: market.tell("A", ("x", 9999), ("y", 1), version=2, metadata={"k": 1}, expect=200),
    ]


def quarantined(market: Market) -> list[quarantine.Quarantined]:
    return quarantine.listed(market.shop.program_id, 50, None)[0]


def test_a_batch_is_decided(market: Market, stream: Stream) -> None:
    market.tell("A")
    market.tell("B", referral_code=None)
    market.tell("C", paid_at=None)
    stream.deliver()
    assert market.get("/v1/orders/A/explanation")["decided"]
    assert market.get("/v1/orders/B/explanation")["reason"] == "no_referral"
    assert [len(market.journal(order_id)) for order_id in "ABC"] == [1, 1, 0]
    assert quarantined(market) == []


def test_records_delivered_again_change_nothing_and_cost_nothing(market: Market, stream: Stream) -> None:
    for tell in story(market):
        tell()
        stream.deliver(stream.records[-1:])
    before = snapshot(market, *"ABC")
    with metered() as meter:
        stream.deliver()
        stream.deliver(stream.records * 2)
        for record in stream.records:
            stream.deliver([record])
    assert (meter.units, meter.writes) == (0, [])
    assert snapshot(market, *"ABC") == before


@pytest.mark.parametrize("seed", range(4))
def test_any_delivery_ends_at_the_same_accounts(market: Market, stream: Stream, seed: int) -> None:
    """Duplicated, reordered, split anywhere: each order ends as if each fact had been decided at once."""
    draw = random.Random(seed)
    for tell in story(market):
        tell()
        if draw.random() < 0.5:
            stream.deliver(draw.sample(stream.records, draw.randint(1, len(stream.records))))
    records = stream.records * 2
    draw.shuffle(records)
    while records:
        size = draw.randint(1, 6)
        stream.deliver(records[:size])
        records = records[size:]
    sums = {name: {a.value: market.balance(name, a) for a in Account if market.balance(name, a)} for name in NAMES}
    assert sums == {
        "seller": {},
        "middle": {},
        "other": {"expense": -466, "available": 466},
        "top": {"expense": -93, "available": 93},
    }
    volume = {name: sum(entry.base_minor for entry in market.entries(name)) for name in NAMES}
    assert volume == {"seller": 0, "middle": 0, "top": 0, "other": 4666}
    for order_id in "ABC":
        assert market.get(f"/v1/orders/{order_id}/explanation")["decided"]


def test_a_full_replay_into_a_new_clock_changes_nothing(market: Market, stream: Stream) -> None:
    for tell in story(market):
        tell()
    stream.deliver()
    before = snapshot(market, *"ABC")
    market.move_to(days=90)
    stream.deliver()
    assert snapshot(market, *"ABC") == before


def test_a_poisoned_order_is_put_aside_whole_and_the_others_are_finished(market: Market, stream: Stream) -> None:
    for order_id in "ABC":
        market.tell(order_id)
    unreadable_fact(market.shop.program_id, "B")
    stream.deliver()
    assert [len(market.journal(order_id)) for order_id in "AC"] == [1, 1]
    (one,) = quarantined(market)
    assert (one.source, one.key, one.quarantine_id) == ("orders", "B", "orders:B")
    assert one.reason.startswith("error: ")
    assert one.record == json.loads(json.dumps(stream.of("B")[-1]))
    stream.deliver()
    assert len(quarantined(market)) == 1


def test_a_decision_that_cant_be_read_stops_no_other_order_of_its_batch(market: Market, stream: Stream) -> None:
    """First decisions are read together, a hundred at once."""
    for order_id in "ABC":
        market.tell(order_id)
    key = {"pk": {"S": f"{market.shop.program_id}#B"}, "sk": {"S": f"{1:06}"}}
    broken = key | {"at": {"S": "2026-03-04T02:00:00.000000Z"}, "b": {"B": UNREADABLE}}
    connection().client.put_item(TableName="tributary-test-decisions", Item=broken)
    stream.deliver()
    assert [len(market.journal(order_id)) for order_id in "AC"] == [1, 1]
    assert [(one.key, one.record) for one in quarantined(market)] == [("B", json.loads(json.dumps(stream.of("B")[-1])))]


def test_what_the_store_calls_invalid_is_put_aside(
    market: Market, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be refused for ever, so it isn't left for later."""
    market.tell("A")
    answer = {"Error": {"Code": "ValidationException", "Message": "Item size has exceeded the maximum"}}

    def refuse(*_: object) -> None:
        raise PutError("Failed to put item", ClientError(answer, "PutItem"))

    monkeypatch.setattr(service, "decide", refuse)
    stream.deliver()
    assert quarantined(market)[0].reason.startswith("PutError")


def test_a_record_of_no_program_is_put_aside(market: Market, stream: Stream) -> None:
    market.tell("A")
    record = stream.records[0]
    lost = json.loads(json.dumps(record).replace("shop-1#A", "gone#A"))
    stream.deliver([lost, record])
    assert len(market.journal("A")) == 1
    assert [one.key for one in quarantine.listed("gone", 50, None)[0]] == ["A"]


def test_divergent_entries_are_never_overwritten_and_raise_an_alarm(
    market: Market, stream: Stream, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    market.tell("A")
    with failing({3}), pytest.raises(Crash):
        stream.deliver()
    (booked,) = market.entries("seller")
    real = service.rules.entries_of
    monkeypatch.setattr(service.rules, "entries_of", lambda *of: [replace(e, amount_minor=7) for e in real(*of)])
    monkeypatch.setattr(service.ledger, "post_missing", service.ledger.post)
    stream.deliver()
    assert '"DivergentReplay": 1' in capsys.readouterr().out
    assert market.entries("seller") == [booked]
    assert quarantined(market)[0].reason.startswith("DivergentReplay")


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("answered", [False, True])
def test_when_the_store_fails_the_others_are_finished_and_the_rest_is_delivered_again(
    market: Market, stream: Stream, answered: bool
) -> None:
    for order_id in "ABC":
        market.tell(order_id)
    # Order B's decision is the fifth write: it and its three repeats are lost, or their answers don't come in time.
    with (
        failing(range(5, 9), crash=False, answered=answered),
        pytest.raises(Unfinished, match="1 of 3 orders are left, first B"),
    ):
        stream.deliver()
    assert [len(market.journal(order_id)) for order_id in "ABC"] == [1, int(answered), 1]
    assert quarantined(market) == []
    stream.deliver()
    assert [len(market.journal(order_id)) for order_id in "ABC"] == [1, 1, 1]
    assert market.balance("seller", Account.PENDING) == 3000


@pytest.mark.usefixtures("no_waiting")
def test_when_even_putting_aside_fails_the_others_are_finished(market: Market, stream: Stream) -> None:
    for order_id in "AB":
        market.tell(order_id)
    unreadable_fact(market.shop.program_id, "A")
    with failing(EVER, crash=False, only="ops"), pytest.raises(Unfinished, match="1 of 2 orders are left, first A"):
        stream.deliver()
    assert len(market.journal("B")) == 1
    stream.deliver()
    assert [one.key for one in quarantined(market)] == ["A"]


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("answered", [False, True])
def test_what_the_sdk_sends_again_is_booked_once(market: Market, stream: Stream, answered: bool) -> None:
    market.tell("A", completed_at=at())
    with failing({1, 3, 5, 7, 9, 11}, crash=False, answered=answered):
        stream.deliver()
    assert (len(market.journal("A")), market.balance("seller", Account.AVAILABLE)) == (1, 1000)
    assert [len(market.entries(name)) for name in ("seller", "middle", "top")] == [2, 2, 2]


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_heals_with_the_next_delivery(market: Market, stream: Stream, answered: bool) -> None:
    """Refunded and completed, three tiers: the process dies at each write in turn, before it and after it."""

    def told(order_id: str) -> list[Any]:
        market.tell(order_id)
        market.decide(order_id)
        market.refund(order_id, "r", ("1", 3000))
        market.complete(order_id)
        return stream.of(order_id)

    calm = told("calm")
    with failing(set()) as wire:
        stream.deliver(calm)
    assert wire.attempts == 7  # the decision, three clawbacks, three releases
    wanted = shape(market, "calm")
    for k in range(1, 8):
        order_id = f"crash-{k}"
        records = told(order_id)
        with failing({k}, answered=answered), pytest.raises(Crash):
            stream.deliver(records)
        is_whole = answered and k == 7
        assert market.get(f"/v1/orders/{order_id}/explanation")["decided"] is is_whole
        stream.deliver(records)
        assert shape(market, order_id) == wanted, k


def shape(market: Market, order_id: str) -> list[Any]:
    """An order's journal and entries without its name."""
    journal = [(d.n, d.cause, d.targets, d.deltas, d.available_at) for d in market.journal(order_id)]
    entries = [
        (name, e.n, e.tier, e.kind, e.amount_minor, e.counts_on, e.base_minor, e.count, e.available_at, e.opens)
        for name in ("seller", "middle", "top")
        for e in sorted(market.entries(name), key=lambda e: (e.n, e.tier, e.kind))
        if e.about == order_id
    ]
    return [journal, entries]


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_of_a_new_attribution_heals(market: Market, answered: bool) -> None:
    def told(order_id: str) -> None:
        market.tell(order_id, completed_at=at())
        market.decide(order_id)
        market.attribute(order_id, "middle")

    told("calm")
    with failing(set()) as wire:
        market.decide("calm")
    assert wire.attempts == 9  # a decision and three clawbacks; a decision, two accruals and two releases
    wanted = shape(market, "calm")
    for k in range(1, 10):
        told(f"crash-{k}")
        with failing({k}, answered=answered), pytest.raises(Crash):
            market.decide(f"crash-{k}")
        market.decide(f"crash-{k}")
        assert shape(market, f"crash-{k}") == wanted, k


def test_a_worker_that_was_overtaken_reads_again(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers meet at the same decision: one wins, the other takes the winner's journal."""
    market.tell("A")
    real, calls = service.tables.decision_item, []

    def overtaken(*arguments: Any) -> Any:
        if not calls:
            calls.append(1)
            market.refund("A", "r", ("1", 5000))
            market.decide("A")
        return real(*arguments)

    monkeypatch.setattr(service.tables, "decision_item", overtaken)
    market.decide("A")
    assert [decision.targets for decision in market.journal("A")] == [(500, 100, 50)]
    assert market.balance("seller", Account.PENDING) == 500


def test_removed_records_are_no_news(market: Market, stream: Stream) -> None:
    market.tell("A")
    stream.deliver([stream.records[0] | {"eventName": "REMOVE"}])
    assert market.journal("A") == []
    assert FactItem.find("shop-1#A", "order") is not None


def test_what_a_batch_has_in_common_is_read_together(market: Market, stream: Stream) -> None:
    for number in range(12):
        market.tell(f"o-{number}", (f"sku-{number}", 10_000), (f"more-{number}", 1))
    with metered() as meter:
        stream.deliver()
    assert len(market.journal("o-11")) == 1
    calls = Counter(meter.calls)
    # In batches: journals and products. One by one, but each once: the program, the close, three people.
    assert (calls["PutItem"], calls["BatchGetItem"]) == (12 * 4, 2)
    assert calls["GetItem"] <= 6


@pytest.mark.parametrize("damage", ["no image", "not told of an order", "not base 64", "not compressed", "too short"])
def test_a_record_that_cannot_be_read_gives_no_hint_and_is_decided_nevertheless(
    market: Market, stream: Stream, damage: str
) -> None:
    market.tell("A")
    (record,) = stream.records
    whole = hint_of(record)
    assert whole is not None
    assert (whole.distributor_id, whole.skus) == (market.id("seller"), {"x"})
    image = record["dynamodb"]["NewImage"]
    if damage == "no image":
        del record["dynamodb"]["NewImage"]
    elif damage == "not told of an order":
        del image["c"]
    else:
        content = {"not base 64": "?", "not compressed": "AAAA", "too short": b64encode(zlib.compress(b"[1]")).decode()}
        image["c"] = {"B": content[damage]}
    assert hint_of(record) is None
    stream.deliver([record])
    assert len(market.journal("A")) == 1
    assert quarantined(market) == []
