"""What the stream has lost is found and decided by the chain of jobs alone; what is damaged stays as it is."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from chalice.test import Client
from msgspec.structs import asdict, replace

from chalicelib.accounts import service as accounts
from chalicelib.commissions import service as commissions
from chalicelib.distributors import service as distributors
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Entry, Kind
from chalicelib.operations import jobs
from chalicelib.orders import service
from chalicelib.orders import tables as orders
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode
from chalicelib.shared import clock, quarantine
from chalicelib.shared.streams import Subject
from chalicelib.shared.tables import connection
from tests.levels.seller import Seller, local, rocket_snail
from tests.operations.due import RealTime
from tests.operations.till import DAY
from tests.support_clock import Worker
from tests.support_engine import Held
from tests.support_faults import Crash, failing
from tests.support_meter import metered
from tests.support_state import UNREADABLE, held, kept, lose, put_back, rewound, unreadable_fact
from tests.support_stream import Stream

ORDERS = ("O1", "O2", "O3", "O4", "O5", "O6", "N1", "N2")


class Shop:
    """A live shop on 12 March: `li` sells, `mei` brought him, `wen` sells nothing. There are six orders of 2 March, one
    of them completed. What is told over HTTP, nobody hears until the stream is delivered."""

    def __init__(self, real: RealTime, make_live: Callable[..., Seller], worker: Worker, stream: Stream) -> None:
        self.meets(real, worker, stream)
        plan = rocket_snail() | {"hold": {"starts": "completed", "days": 1, "auto_complete_days": 15}}
        self.mei = make_live(plan=plan)
        self.api, self.shop = self.mei.api, self.mei.shop
        self.li = Seller(self.api, self.shop, worker, name="li", sponsor_code=self.mei.who["code"])
        self.wen = Seller(self.api, self.shop, worker, name="wen")
        for order_id in ORDERS[:6]:
            self.sells(order_id, 75_000, "02 10:00")
        self.complete("O1")
        self.deliver()
        self.jobs("12 05:10")
        assert self.report()["ok"]

    def meets(self, real: RealTime, worker: Worker, stream: Stream) -> None:
        """What each test has anew."""
        self.real, self.worker, self._stream = real, worker, stream
        self._delivered = len(stream.records)

    def at(self, time: str) -> None:
        """Let it be a time of March."""
        self.real.to(local(f"03-{time}"))

    def jobs(self, time: str) -> None:
        """The tick comes at a time of March, and a worker."""
        self.at(time)
        jobs.tick()
        self.worker.run()

    def sells(self, order_id: str, paid_minor: int, time: str) -> None:
        """An order of li's that is paid and told at a time of March."""
        self.at(time)
        self.li.sells(order_id, paid_minor, local(f"03-{time}"), decided=False)

    def newer_version(self, order_id: str) -> None:
        """The order told anew: it is completed."""
        told = self.li.get(f"/v1/orders/{order_id}")
        kept = ("order_id", "customer_id", "currency", "paid_at", "lines", "referral_code")
        body = {name: told[name] for name in kept} | {"version": 2, "completed_at": clock.shown(clock.now())}
        self.li.post("/v1/orders", body, key=self.shop.storefront)

    def refund(self, order_id: str, refund_id: str, amount_minor: int) -> None:
        self.li.refund(order_id, refund_id, amount_minor, clock.shown(clock.now()), decided=False)

    def complete(self, order_id: str) -> None:
        body = {"completed_at": clock.shown(clock.now())}
        self.mei.post(f"/v1/orders/{order_id}/complete", body, key=self.shop.storefront)

    def deliver(self) -> None:
        """The stream comes, with all that was told since it came last."""
        records = self._stream.records
        self._stream.deliver(records[self._delivered :])
        self._delivered = len(records)

    def report(self) -> Any:
        """The last reconciliation."""
        return self.mei.get("/v1/reports/reconciliation")

    def reconcile(self) -> Any:
        """Everything, now."""
        self.mei.post("/v1/reports/reconciliation", None, 202)
        self.worker.run()
        return self.report()

    def decided(self, order_id: str) -> bool:
        return bool(self.mei.get(f"/v1/orders/{order_id}/explanation")["decided"])


@pytest.fixture(scope="module")
def made() -> list[tuple[Shop, Held]]:
    """The shop that this module has made, and the tables that hold it: making it takes seconds."""
    return []


@pytest.fixture
def shop(
    made: list[tuple[Shop, Held]],
    real: RealTime,
    make_live: Callable[..., Seller],
    worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    from app import app

    monkeypatch.setattr(service, "_DAY_SHARDS", dict.fromkeys(Mode, 1))  # an eighth of the queries
    stream = Stream(Client(app))
    if not made:
        made.append((Shop(real, make_live, worker, stream), held()))
    ((shop, tables),) = made
    put_back(tables)
    shop.meets(real, worker, stream)
    return shop


def two_days(shop: Shop, *, lost: bool, nightly: bool) -> None:
    """Orders, completions, refunds of old orders, another attribution, a newer version, a cancellation; all of it is
    lost by the stream, or nothing. With `nightly` the jobs run as always, else they stand still for these days, too."""
    told = shop.deliver if not lost else lambda: None
    shop.sells("N1", 100_000, "12 12:00")
    shop.complete("N1")
    shop.refund("O1", "r1", 50_000)
    shop.complete("O2")
    shop.mei.post("/v1/orders/O3/attribution", {"distributor_id": shop.wen.id, "reason": "a mistake"})
    shop.newer_version("O4")
    told()
    if nightly:
        shop.jobs("13 05:10")
    shop.sells("N2", 30_000, "13 12:00")
    shop.complete("N2")
    shop.refund("N1", "r2", 40_000)
    shop.mei.post("/v1/orders/O5/cancel", {"cancelled_at": local("03-13 11:00")}, key=shop.shop.storefront)
    told()
    shop.jobs("14 05:10")
    shop.jobs("16 05:10")


def outcome(shop: Shop) -> dict[str, Any]:
    """What has come of it: decisions, entries, balances, ranks; not when exactly each was decided."""
    program = programs.get("shop-1")
    people = [distributors.get("shop-1", seller.id) for seller in (shop.mei, shop.li, shop.wen)]
    holders = [distributors.holder(program, one) for one in people]
    balances = [replace(accounts.balance(program, one), settled_day=None, cutoff=None) for one in people]
    return {
        "journals": {one: [replace(d, at=None) for d in commissions.journal_of("shop-1", one)] for one in ORDERS},
        "entries": [sorted(map(without_when, ledger.all_of(holder)), key=str) for holder in holders],
        "balances": balances,
        "targets": {one: commissions.journal_of("shop-1", one)[-1].targets for one in ORDERS},
        "money": [(balance.pending_minor, balance.available_minor) for balance in balances],
        "ranks": [seller.changes() for seller in (shop.mei, shop.li, shop.wen)],
    }


def without_when(entry: Entry) -> dict[str, Any]:
    """What was taken back of available money moves on the day of its decision."""
    kept = {name: value for name, value in asdict(entry).items() if name != "at"}
    return kept | ({"available_at": None} if entry.kind is Kind.CLAWBACK else {})


@pytest.mark.parametrize("nightly", [True, False], ids=["jobs run", "jobs stand still"])
def test_a_stream_that_was_lost_for_two_days_is_made_up_for_by_the_jobs(shop: Shop, nightly: bool) -> None:
    with rewound():
        two_days(shop, lost=False, nightly=nightly)
        assert shop.report()["ok"]
        wanted = outcome(shop)
    two_days(shop, lost=True, nightly=nightly)
    found = outcome(shop)
    # An order that is decided together with the refunds that its rank depends on may take another way to its end.
    names = list(wanted) if nightly else ["targets", "money", "ranks"]
    assert {name: found[name] for name in names} == {name: wanted[name] for name in names}
    report = shop.reconcile()
    assert (report["ok"], report["healed"]) == (True, 0)
    assert shop.mei.get("/v1/quarantine")["data"] == []


def lose_facts(shop: Shop) -> None:
    """On 12 March an order is told, and decided; its completion is lost, and a refund of an order of ten days ago."""
    shop.sells("N1", 100_000, "12 12:00")
    shop.deliver()
    shop.complete("N1")
    shop.refund("O1", "r1", 50_000)


def test_facts_that_were_lost_of_new_orders_lead_to_those_of_old_ones(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    lose_facts(shop)
    shop.jobs("13 05:10")
    report = shop.report()
    assert (report["ok"], report["healed"], report["since"]) == (True, 2, "2026-03-09")
    assert (shop.decided("N1"), shop.decided("O1")) == (True, True)
    assert [json.loads(line.message)["orders"] for line in caplog.records if '"healed"' in line.message] == [
        ["N1"],
        ["O1"],
    ]
    shop.jobs("14 05:10")
    assert (shop.report()["ok"], shop.report()["healed"]) == (True, 0)


def test_without_a_sign_of_loss_old_orders_are_left_to_monday_or_a_reconciliation_of_everything(shop: Shop) -> None:
    shop.at("12 12:00")
    shop.refund("O1", "r1", 50_000)
    with metered() as meter:
        shop.jobs("13 05:10")
    assert "Scan" not in meter.calls
    assert (shop.report()["healed"], shop.decided("O1")) == (0, False)
    with rewound():
        report = shop.reconcile()
        assert (report["ok"], report["healed"], shop.decided("O1")) == (True, 1, True)
    with rewound():
        shop.sells("N1", 30_000, "13 12:00")
        shop.jobs("14 05:10")
        assert shop.decided("O1"), "or to a sign of loss in the days after it"
    for day in (14, 15, 16):
        assert not shop.decided("O1")
        shop.jobs(f"{day} 05:10")
    report = shop.report()
    assert (report["ok"], report["healed"], shop.decided("O1")) == (True, 1, True), "or to Monday, the 16th"


def test_what_was_told_just_now_is_no_sign_of_loss(shop: Shop) -> None:
    """The close looks at the night's orders, too, and the stream may take a moment."""
    shop.sells("N1", 100_000, "13 03:00")
    with metered() as meter:
        shop.jobs("13 03:05")
    assert "Scan" not in meter.calls
    assert shop.decided("N1")


def test_a_crash_when_something_is_healed_forgets_no_loss(shop: Shop, worker: Worker) -> None:
    """The process dies right after it has decided what was lost; the next message still looks for more."""
    lose_facts(shop)
    shop.at("13 05:10")
    jobs.tick()
    (message,) = worker.waiting()
    for k in (1, 2):
        with rewound():
            with failing({k}, answered=True, only="decisions"), pytest.raises(Crash):
                worker.deliver(message)
                worker.run()
            worker.waiting()
            worker.deliver(message)
            worker.run()
            assert [shop.decided(one) for one in ("N1", "O1")] == [True, True], k
            assert shop.report()["ok"], k


def test_a_crash_of_the_close_forgets_no_loss_either(shop: Shop, worker: Worker) -> None:
    shop.sells("N1", 100_000, "12 12:00")
    shop.refund("O1", "r1", 50_000)
    shop.at("13 03:10")
    jobs.tick()
    (message,) = worker.waiting()
    with failing({1}, answered=True, only="decisions"), pytest.raises(Crash):
        worker.deliver(message)
        worker.run()
    worker.waiting()
    worker.deliver(message)
    worker.run()
    assert [shop.decided(one) for one in ("N1", "O1")] == [True, True]


def test_what_cannot_be_decided_is_no_healed_order(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_facts(shop)
    decide = commissions.decide_one

    def fail(order: Subject) -> None:
        if order.key == "N1":
            raise ZeroDivisionError("a bug")
        decide(order)

    monkeypatch.setattr(commissions, "decide_one", fail)
    shop.jobs("13 05:10")
    report = shop.report()
    assert (report["healed"], [(one["kind"], one["id"]) for one in report["differences"]]) == (
        1,
        [("quarantined", "N1")],
    )


def test_a_decision_that_is_gone_is_not_made_again_beside_its_entries(shop: Shop) -> None:
    """Neither by the close nor by the reconciliation: that would pay twice. It is one difference, and others heal."""

    def booked() -> list[Any]:
        return [row for key, row in sorted(kept("entries").items()) if "#N1#" in key[2]]

    shop.sells("N1", 100_000, "12 12:00")
    shop.sells("N2", 30_000, "12 13:00")
    shop.deliver()
    shop.complete("N2")
    assert lose("decisions", "shop-1#N1", "") == 1
    before = booked()
    shop.jobs("13 05:10")
    assert booked() == before != []
    report = shop.report()
    found = [(one["kind"], one["id"]) for one in report["differences"] if one["kind"] == "decision"]
    assert (report["healed"], found) == (1, [("decision", "N1")])


def test_what_nobody_told_anew_is_no_loss(shop: Shop) -> None:
    """A fact that is gone, or a decision by other code: deciding would move money, and hide it."""
    shop.sells("N1", 100_000, "12 12:00")
    shop.at("12 13:00")
    shop.refund("N1", "r1", 50_000)
    shop.deliver()
    assert lose("orders", "shop-1#N1", "refund#r1") == 1
    shop.jobs("13 05:10")
    report = shop.report()
    assert (report["healed"], [(one["kind"], one["id"]) for one in report["differences"]]) == (0, [("decision", "N1")])


def test_it_goes_on_in_stretches(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "SCANNED", 5)
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0)
    with rewound():
        lose_facts(shop)
        shop.jobs("13 05:10")
        assert (shop.report()["ok"], shop.report()["healed"]) == (True, 2)
    shop.sells("N1", 100_000, "12 12:00")
    shop.refund("O2", "r1", 50_000)
    shop.jobs("13 05:10")
    assert (shop.report()["ok"], shop.report()["healed"], shop.decided("O2")) == (True, 0, True), "by the close"


def test_another_programs_facts_are_left_to_it(shop: Shop, make_live: Callable[..., Seller]) -> None:
    other = make_live("shop-2")
    lose_facts(shop)
    other.sells("X", 1_000, local("03-12 12:00"), decided=False)
    assert orders.told_since("shop-1", clock.now() - DAY, None) == ({"N1", "O1"}, None)


def test_a_lost_order_that_nobody_can_process_is_put_aside_whole_and_the_others_are_healed(shop: Shop) -> None:
    lose_facts(shop)
    unreadable_fact("shop-1", "O2", clock.stored(clock.now()))
    shop.jobs("13 05:10")
    report = shop.report()
    assert (report["healed"], [(one["kind"], one["id"]) for one in report["differences"]]) == (
        2,
        [("quarantined", "O2")],
    )
    (aside,) = quarantine.listed("shop-1", 50, None)[0]
    assert (aside.key, aside.reason[:6]) == ("O2", "error:")
    kept = next(fact for fact in aside.record["facts"] if fact["sk"] == {"S": "cancel"})
    assert base64.b64decode(kept["f"]["B"]) == UNREADABLE
    assert {fact["sk"]["S"] for fact in aside.record["facts"]} == {"cancel", "order"}


def test_a_first_decision_that_cannot_be_read_keeps_no_other_order_waiting_and_no_day_open(shop: Shop) -> None:
    shop.sells("N1", 100_000, "12 12:00")
    shop.deliver()
    shop.sells("N2", 30_000, "12 13:00")
    key = {"pk": {"S": "shop-1#N1"}, "sk": {"S": "000001"}}
    was = connection().client.get_item(TableName="tributary-test-decisions", Key=key)["Item"]
    broken = was | {"b": {"B": UNREADABLE}}
    connection().client.put_item(TableName="tributary-test-decisions", Item=broken)
    shop.jobs("13 05:10")
    closed = shop.mei.get("/v1/jobs?job=levels")["data"][0]
    assert (closed["last_day"], closed["phase"]) == ("2026-03-13", "done")
    assert shop.decided("N2")
    report = shop.report()
    assert {(one["kind"], one["id"]) for one in report["differences"]} == {("quarantined", "N1"), ("unreadable", "N1")}
    (aside,) = quarantine.listed("shop-1", 50, None)[0]
    assert (aside.key, aside.reason[:6]) == ("N1", "error:")


def test_a_fact_that_cannot_be_read_keeps_no_other_order_from_completing_itself(shop: Shop) -> None:
    unreadable_fact("shop-1", "O2", clock.stored(clock.now()))
    for day in (14, 16, 18):
        shop.jobs(f"{day} 05:10")
    done = shop.mei.get("/v1/jobs?job=completion")["data"][0]
    assert (done["last_day"], done["phase"]) == ("2026-03-18", "done")
    completed = [shop.mei.get(f"/v1/orders/{one}")["status"] for one in ("O1", "O3", "O4", "O5", "O6")]
    assert completed == ["completed"] * 5
    assert [aside.key for aside in quarantine.listed("shop-1", 50, None)[0]] == ["O2"]
