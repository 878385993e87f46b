"""Write units of each operation, over orders of real baskets, as AWS's DynamoDB Local tells them; and what they cost.

It charges an index twice inside a transaction, where AWS charges it once (docs/decisions/0061), so a withdrawal's units
are also reckoned by ourselves, at the wire.
"""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

import boto3
from chalice.test import Client

from chalicelib.access.model import Scope
from chalicelib.accounts import jobs as settlements
from chalicelib.commissions.events import decide_orders
from chalicelib.distributors import service as distributors
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Kind
from chalicelib.programs import service as programs
from chalicelib.programs.document import parse
from chalicelib.programs.model import Mode, NewProgram
from chalicelib.shared import keys
from chalicelib.withdrawals import jobs
from infra.paths import ROOT as PROJECT
from tests import support
from tests.benchmarks.cost import prices
from tests.benchmarks.crowd import join, make_program, moved, sale
from tests.benchmarks.deciding import record
from tests.benchmarks.dynamodb_local import serving
from tests.benchmarks.shop import ROOT, Context, Json, Shop, ask, event, key_of, make_shop
from tests.benchmarks.table import Row
from tests.benchmarks.wire import Wire, watched
from tests.support_clock import jump
from tests.support_engine import on_the_wire, use
from tests.support_laws import document
from tests.support_market import START, Market
from tests.support_meter import metered
from tests.withdrawals.teller import CHANNELS, Teller

MOST: Final = {
    "order, three tiers": 6,
    "order, one tier": 4,
    "order told again": 1,
    "order delivered again": 0,
    "completion, three tiers": 5,
    "refund, three tiers": 5,
    "a distributor's day settled": 4,
    "withdrawal, request to paid": 26,
}
"""Write units, and one more for each further kilobyte of an item."""

SECRET: Final = bytes(32)
"""There is no KMS here."""
LATER: Final = datetime(2027, 1, 1, tzinfo=UTC)


@dataclass
class Bill:
    """How often an operation cost how much. `further`: how many had kilobytes beyond an item's first; `lifted`: how
    many refunds made room under the plan's cap, so that uplines got more of what was left."""

    units: Counter[float] = field(default_factory=Counter)
    beyond: list[float] = field(default_factory=list)
    further: int = 0
    lifted: int = 0
    dearest: list[str] = field(default_factory=list)
    """The writes of the dearest."""

    def add(self, wire: Wire, *, takes_back: bool = False) -> None:
        """What was asked for one operation."""
        more = wire.writes.count("entries 1 accrue") if takes_back else 0
        # Each is released, too, where a clawback would have been one entry or none.
        self.note(wire.write_units, wire.further_kb, 2 * more)
        self.lifted += more > 0
        if self.beyond[-1] == max(self.beyond):
            self.dearest = wire.writes

    def note(self, units: float, further_kb: int, other: int = 0) -> None:
        """One operation's units, how many of them are for further kilobytes, and for other things that are allowed."""
        self.units[units] += 1
        self.beyond.append(units - further_kb - other)
        self.further += further_kb > 0

    @property
    def mean(self) -> float:
        """What one costs on average, further kilobytes and all."""
        return sum(units * count for units, count in self.units.items()) / self.units.total()


class Looking:
    """How the meter sees what is there before a write: with a client of its own, which nobody counts."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def item(self, table: str, key: Any) -> Any:
        found = self._client.get_item(TableName=table, Key={name: key[name] for name in ("pk", "sk")})
        return on_the_wire(found.get("Item", {}))


Bills = dict[str, Bill]


def measure(baskets: int = 1_000) -> list[Row]:
    """Sell, complete and refund; settle; withdraw. Prints what cost how much how often, and what a million cost."""
    from app import app

    bills: Bills = {name: Bill() for name in MOST}
    with serving():
        shop = make_shop(baskets)
        for number, order in enumerate(shop.orders):
            _sell(app, shop, number, order, bills)
        flat = make_shop(baskets, tiers=1, program_id="flat")
        for number, order in enumerate(flat.orders):
            with watched() as wire:
                _tell(app, flat, number, order)
            bills["order, one tier"].add(wire)
        _settle(bills["a distributor's day settled"])
        told = _withdraw(app, bills["withdrawal, request to paid"])
    _print(bills, told)
    return [Row(f"units: {name}", max(bill.beyond), MOST[name]) for name, bill in bills.items()]


def _sell(app: Any, shop: Shop, number: int, order: Json, bills: Bills) -> None:
    """An order's life with three tiers: told, told again, delivered again, completed, its dearest line refunded."""
    order_id, line = order["order_id"], max(order["lines"], key=lambda line: line["paid_minor"])
    back = {"line_id": line["line_id"], "amount_minor": line["paid_minor"], "quantity": line["quantity"]}
    refund = {"refund_id": "r", "refunded_at": order["paid_at"], "lines": [back]}
    with watched() as wire:
        _tell(app, shop, number, order)
    bills["order, three tiers"].add(wire)
    with watched() as wire:
        ask(app, event("/v1/orders", order, shop.storefront), 200)
    bills["order told again"].add(wire)
    with watched() as wire:
        _deliver(shop, number, order_id)
    bills["order delivered again"].add(wire)
    with watched() as wire:
        done = {"completed_at": order["paid_at"]}
        ask(app, event("/v1/orders/{order_id}/complete", done, shop.storefront, order_id=order_id), 200)
        _deliver(shop, number, order_id)
    bills["completion, three tiers"].add(wire)
    with watched() as wire:
        ask(app, event("/v1/orders/{order_id}/refunds", refund, shop.storefront, order_id=order_id))
        _deliver(shop, number, order_id)
    bills["refund, three tiers"].add(wire, takes_back=True)


def _tell(app: Any, shop: Shop, number: int, order: Json) -> None:
    ask(app, event("/v1/orders", order, shop.storefront))
    _deliver(shop, number, order["order_id"])


def _deliver(shop: Shop, number: int, order_id: str) -> None:
    """Have the order decided."""
    keys_alone = {"pk": {"S": f"{shop.program.program_id}#{order_id}"}, "sk": {"S": "order"}}
    decide_orders({"Records": [record(number, keys_alone)]}, Context())


def _settle(bill: Bill) -> None:
    """Days of ten distributors on which something is released to each."""
    program = make_program("settled")
    assert sum(join(program, 20)) == 20
    days = [date(2026, 3, day) for day in range(1, 11)]
    for distributor in itertools.islice(distributors.in_turn("settled"), 10):
        for day in days:
            sold = sale(program, distributor.distributor_id, day, 0, 50_000)
            ledger.post([sold, moved(sold, Kind.RELEASE, program)])
            with watched() as wire:
                settled = settlements.settle(program, distributor, settlements.Settling(day, day, LATER))
            assert settled
            bill.add(wire)


def _withdraw(app: Any, bill: Bill) -> float:
    """Ten withdrawals with a fee, each from its request until it is paid. Returns what the store says of one."""
    teller = Teller(_market(app))
    teller.give(1_000_000)
    use(Looking(boto3.client("dynamodb")))
    with patch.multiple(
        keys, encrypt=lambda plain, of: plain, decrypt=lambda sealed, of: sealed, new_secret=lambda of: (SECRET, SECRET)
    ):
        teller.method()
        lives = [_life(teller) for _ in range(10)]
    for reckoned, _ in lives:
        bill.note(reckoned, 0)
    return sum(told for _, told in lives) / len(lives)


def _life(teller: Teller) -> tuple[int, float]:
    """What a withdrawal's steps cost, by our reckoning and as the store tells it. The provider's book isn't ours."""
    session, reckoned, told = teller.market.session("seller"), 0, 0.0
    withdrawal_id = ""
    while not withdrawal_id or teller.get(withdrawal_id).paid_at is None:
        if withdrawal_id:
            due = jobs.next_due(teller.program)
            assert due is not None
            jump(teller.shop.program_id, max(due, teller.program.now()))
        with metered() as meter, watched() as wire:
            if withdrawal_id:
                teller.work()
            else:
                withdrawal_id = teller.asked(10_000, key=session)
        reckoned += meter.units - meter.of("payouts")
        told += wire.write_units
    return reckoned, told


def _market(app: Any) -> Market:
    program_id = "teller"
    made, _ = programs.create(ROOT, NewProgram(program_id, program_id, "CNY", "Asia/Shanghai", "US", Mode.TEST, START))
    plan = document(withdrawal={"channels": CHANNELS, "method_age_hours": 0, "per_day": 100, "fee_minor": 7})
    programs.publish(ROOT, made, parse(plan), START - timedelta(days=60))
    operator, storefront = (key_of(program_id, scope) for scope in (Scope.OPERATOR, Scope.STOREFRONT))
    api = support.Api(Client(app, project_dir=str(PROJECT)))
    return Market(api, support.Shop(program_id, operator, operator, storefront, operator))


def _print(bills: Bills, told: float) -> None:
    print("Write units: how many operations cost how much")
    for name, bill in bills.items():
        spread = ", ".join(f"{count:,} x {units:g}" for units, count in sorted(bill.units.items()))
        further = f"; {bill.further:,} with a further KB" if bill.further else ""
        lifted = f"; {bill.lifted:,} made room under the cap" if bill.lifted else ""
        print(f"  {name:<28}{spread}{further}{lifted}")
        if max(bill.beyond) > MOST[name]:
            print(f"    the dearest: {', '.join(bill.dearest)}")
    print(f"A withdrawal as DynamoDB Local tells it, a pretend provider's book and indexes twice with it: {told:g}.")
    print(prices({name: bill.mean for name, bill in bills.items()}))
