"""Reconciliation: green when all is well, red for each kind of damage, and while it is red nothing is settled.

What the stream has lost it heals, what is damaged it leaves as it is.
"""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.accounts.tables import BalanceItem
from chalicelib.commissions import proof
from chalicelib.distributors import service as distributors
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Kind
from chalicelib.operations import jobs, reconciliation
from chalicelib.shared.tables import connection
from tests.levels.seller import Seller
from tests.operations.due import RealTime
from tests.operations.till import Till
from tests.support_clock import Worker
from tests.support_engine import Held
from tests.support_state import held, kept, lose, put_back, rewound


def reconcile(till: Till) -> Any:
    """Everything, now."""
    answer = till.api.post("/v1/reports/reconciliation", None, till.shop.operator)
    assert answer.status == 202, answer.text
    assert (answer.json["finished_at"], answer.json["since"]) == (None, None)
    till.worker.run()
    found = till.market.get("/v1/reports/reconciliation", till.shop.auditor)
    assert found["started_at"] == answer.json["started_at"] < found["finished_at"]
    assert found["ok"] == (found["found"] == 0)
    return found


@pytest.fixture(scope="module")
def lives() -> list[tuple[Till, Held]]:
    """The shop that `lived` has made for this module, and the tables that hold it: making it takes seconds."""
    return []


@pytest.fixture
def lived(lives: list[tuple[Till, Held]], make_till: Callable[..., Till], worker: Worker) -> Till:
    """A shop in which everything has happened."""
    if not lives:
        lives.append((_a_life(make_till), held()))
    ((till, tables),) = lives
    put_back(tables)
    till.worker = worker
    return till


def _a_life(make_till: Callable[..., Till]) -> Till:
    """Sales, refunds before and after their release, a payout, a refund of what was paid out, another attribution, a
    withdrawal that is held."""
    till = make_till(hold={"days": 1, "auto_complete_days": 3})
    for name in ("A", "B", "C", "D"):
        till.sells(name, 100_000)
    till.market.refund("B", "r1", ("1", 30_000))
    till.market.decide("B")
    till.market.attribute("D", "middle")
    till.market.decide("D")
    till.clock(2)
    till.asked(26_000, "accept")
    till.clock(3.1)
    till.market.refund("C", "r2", ("1", 50_000))
    till.market.decide("C")
    till.clock(4)
    till.sells("E", 200_000)
    till.clock(6)
    till.asked(1_000, "bank")
    return till


def test_all_is_well_and_every_fen_is_somewhere(lived: Till) -> None:
    found = reconcile(lived)
    assert (found["ok"], found["differences"]) == (True, [])
    assert sum(found["totals_minor"].values()) == 0
    assert found["totals_minor"]["paid_out"] == 26_000
    assert found["totals_minor"]["held"] == 1_000
    answers = [lived.answer(name) for name in ("seller", "middle", "top")]
    for i, account in enumerate(("pending", "available", "held")):
        assert found["totals_minor"].get(account, 0) == sum(answer[i] for answer in answers), account
    assert found["counts"]["orders"] == 5
    assert found["counts"]["accounts"] == 3
    assert found["currency"] == "CNY"
    lived.check()


def pay_more(till: Till) -> str:
    account = BalanceItem.query(f"shop-1#{till.market.id('seller')}#CNY", BalanceItem.sk == "balance")
    item = next(iter(account))
    item.available += 1
    item.save()
    return "balance_available"


def lose_an_entry(till: Till) -> str:
    """Of a decision after which there was another one: that was put when all entries were there."""
    assert lose("entries", till.market.id("top"), "#B#0001") == 2
    return "entry"


def book_too_much(till: Till) -> str:
    holder = distributors.holder(till.program, till.distributor())
    (entry,) = [one for one in ledger.all_of(holder) if (one.about, one.n, one.kind) == ("A", 1, Kind.ACCRUE)]
    ledger.post([replace(entry, n=2)])
    return "commission"


def lose_a_decision(till: Till) -> str:
    assert lose("decisions", "shop-1#B", "0002") == 1
    return "decision"


def lose_a_journal(till: Till) -> str:
    assert lose("decisions", "shop-1#A", "0001") == 1
    return "decision"


def lose_a_withdrawal(till: Till) -> str:
    (paid,) = [one.withdrawal_id for one in till.all() if one.amount_minor == 26_000]
    assert lose("withdrawals", "shop-1", paid) == 1
    return "withdrawals_paid_out"


def lose_what_is_held(till: Till) -> str:
    (open_,) = [one.withdrawal_id for one in till.all() if one.amount_minor == 1_000]
    assert lose("withdrawals", "shop-1", open_) == 1
    return "withdrawals_held"


def lose_a_settlement(till: Till) -> str:
    """The last one's: those of long ago are in the balance, and aren't read again."""
    days = sorted(sk for _, _, sk in kept("accounts") if sk.startswith("s#"))
    assert lose("accounts", till.market.id("seller"), days[-1]) == 1
    return "balance_available"


def lose_a_refund(till: Till) -> str:
    assert lose("orders", "shop-1#C", "refund#r2") == 1
    return "decision"


def change_an_entry(till: Till) -> str:
    table = {"TableName": "tributary-test-entries"}
    released = [
        item
        for item in connection().client.scan(**table)["Items"]
        if till.market.id("seller") in item["pk"]["S"] and item["sk"]["S"][:2] == "r#" and "#A#" in item["sk"]["S"]
    ]
    connection().client.put_item(Item=released[0] | {"amount": {"N": "9999"}}, **table)
    return "entry"


@pytest.mark.parametrize(
    "damage",
    [
        pay_more,
        lose_an_entry,
        book_too_much,
        lose_a_decision,
        lose_a_journal,
        lose_a_withdrawal,
        lose_what_is_held,
        lose_a_settlement,
        lose_a_refund,
        change_an_entry,
    ],
)
def test_each_kind_of_damage_is_found_and_named_and_left_as_it_is(lived: Till, damage: Callable[[Till], str]) -> None:
    kind = damage(lived)
    damaged = kept("orders", "decisions", "entries", "accounts", "withdrawals")
    found = reconcile(lived)
    assert kept("orders", "decisions", "entries", "accounts", "withdrawals") == damaged
    assert (found["ok"], found["healed"]) == (False, 0)
    assert kind in {difference["kind"] for difference in found["differences"]}
    assert all(difference["wanted_minor"] != difference["found_minor"] for difference in found["differences"][:1])


def never_booked(till: Till) -> None:
    """Nothing of what was decided."""
    assert lose("entries", "shop-1", "#A#") == 6


def never_released(till: Till) -> None:
    """To one of them; the worker has died on the way."""
    assert lose("entries", till.market.id("middle"), "#A#") == 2


@pytest.mark.parametrize("loss", [never_booked, never_released])
def test_entries_that_a_worker_has_left_out_are_put_and_told_of(
    lived: Till, loss: Callable[[Till], None], caplog: pytest.LogCaptureFixture
) -> None:
    whole = kept("decisions", "entries", "accounts")
    loss(lived)
    found = reconcile(lived)
    assert (found["ok"], found["healed"]) == (True, 1)
    assert [record.levelname for record in caplog.records if '"healed"' in record.message] == ["ERROR"]
    assert kept("decisions", "entries", "accounts") == whole
    assert reconcile(lived)["healed"] == 0


def test_invariant_20_while_it_is_red_nothing_is_settled_and_then_all_of_it(
    make_till: Callable[..., Till], capsys: pytest.CaptureFixture[str]
) -> None:
    till = make_till(hold={"days": 1, "auto_complete_days": 3})
    till.sells("A", 100_000)
    till.clock(0.1)
    with rewound():
        till.clock(4)
        assert till.answer() == (0, 10_000, 0, 0)
    key = {"TableName": "tributary-test-entries"}
    entries = [e for e in connection().client.scan(**key)["Items"] if till.market.id("seller") in e["pk"]["S"]]
    for entry in entries:
        connection().client.put_item(Item=entry | {"amount": {"N": "1"}}, **key)
    capsys.readouterr()
    assert reconcile(till)["differences"][0]["kind"] == "entry"
    assert "ReconciliationRed" in capsys.readouterr().out
    for entry in entries:
        connection().client.put_item(Item=entry, **key)
    till.clock(0.7)  # 02:48: its settlement has come due
    assert till.runs("settlement") == []
    till.clock(4)
    assert till.runs("settlement")[0][0] == "03-05", "the daily one is green again, so what was left is settled"
    till.clock(5)
    assert till.answer() == (0, 10_000, 0, 0)


def test_the_daily_one_looks_at_what_happened_since(lived: Till) -> None:
    lived.clock(29)
    lived.clock(30)
    daily = lived.market.get("/v1/reports/reconciliation")
    assert (daily["ok"], daily["counts"]["orders"]) == (True, 0)
    assert daily["since"] is not None
    lose_a_decision(lived)
    lived.clock(31)
    assert lived.market.get("/v1/reports/reconciliation")["ok"], "an order of last month, that nothing has touched"
    assert not reconcile(lived)["ok"]
    lived.clock(32)
    daily = lived.market.get("/v1/reports/reconciliation")
    assert (daily["ok"], daily["since"]) == (False, None), "it looks at all that the red one has looked at"


def test_what_was_told_just_now_is_no_difference_yet(
    real: RealTime, make_live: Callable[..., Seller], worker: Worker
) -> None:
    """The stream may take a moment; ten minutes later it has lost it."""
    seller = make_live()
    real.to("2026-03-03T12:00:00+08:00")
    seller.sells("A", 100_000, "2026-03-03T11:59:00+08:00", decided=False)
    for minutes, healed in ((9, 0), (11, 1)):
        real.to(f"2026-03-03T12:{minutes:02}:00+08:00")
        answer = seller.api.post("/v1/reports/reconciliation", None, seller.shop.operator)
        assert answer.status == 202
        worker.run()
        found = seller.get("/v1/reports/reconciliation")
        assert (found["ok"], found["healed"]) == (True, healed)


def test_it_goes_on_in_stretches_and_keeps_so_many_differences(lived: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reconcile(lived)
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0)
    monkeypatch.setattr(reconciliation, "_AT_ONCE", 1)
    lived.worker.done.clear()
    pieces = reconcile(lived)
    assert len([message for message in lived.worker.done if message["job"] == "reconcile"]) > 5
    real = {"started_at": None, "finished_at": None}
    assert pieces | real == whole | real
    monkeypatch.setattr(reconciliation, "LISTED_MAX", 3)
    lose("entries", "shop-1", "a#")
    found = reconcile(lived)
    assert (len(found["differences"]), found["found"] > 3) == (3, True)


def test_without_any_reconciliation_there_is_none_to_see(till: Till) -> None:
    answer = till.api.get("/v1/reports/reconciliation", till.shop.operator)
    assert (answer.status, answer.code) == (404, "not_found")
    assert till.api.get("/v1/reports/reconciliation", till.shop.storefront).status == 403
    assert till.api.post("/v1/reports/reconciliation", None, till.shop.storefront).status == 403


def test_another_programs_differences_are_nobodys_here(lived: Till, make_shop: Callable[..., Any]) -> None:
    lose_an_entry(lived)
    assert not reconcile(lived)["ok"]
    other = make_shop("shop-2")
    assert lived.api.get("/v1/reports/reconciliation", other.operator).status == 404
    assert not reconciliation.is_red("shop-2")


def test_a_fresh_order_is_looked_at_the_next_time(till: Till) -> None:
    till.market.tell("A")
    assert proof.of_orders(till.program, ["A"]) == []
    till.market.move_to(minutes=1)
    (unlike,) = proof.of_orders(till.program, ["A"])
    (difference,) = unlike.differences
    assert (difference.kind, difference.id, difference.found_minor) == ("decision", "A", 0)
    assert difference.wanted_minor == 1_000 + 200 + 100
