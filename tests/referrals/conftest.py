"""A shop with distributors Anna and Bo, on a plan whose attribution each test writes."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.access.model import Caller, Scope
from chalicelib.catalog import service as catalog
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Action, Application, Distributor
from chalicelib.programs import service as programs
from chalicelib.programs.document import parse
from chalicelib.programs.model import Program
from chalicelib.referrals import service
from chalicelib.referrals.model import Attribution, OrderEvidence, Outcome, Referral, Visit
from chalicelib.shared.tables import connection
from tests.support import Shop
from tests.support_clock import jump

PRESET = Path(programs.__file__).parent / "presets" / "three-tier.json"
OPERATOR = Caller("wang", Scope.OPERATOR, "shop-1")
STOREFRONT = Caller("store", Scope.STOREFRONT, "shop-1")
START = datetime.fromisoformat("2026-03-04T10:00:00+08:00")


def plan_with(self_purchase: str = "self", precedence: list[str] | None = None, **binding: Any) -> dict[str, Any]:
    """The preset with other terms of attribution; `binding`: what of them differs."""
    plan: dict[str, Any] = json.loads(PRESET.read_text())
    plan["attribution"]["binding"] |= {"days": 0, "takeover": "never", "bind_on_order": True} | binding
    plan["attribution"]["precedence"] = precedence or ["binding", "code", "coupon", "click"]
    plan["attribution"]["click_days"] = 30
    plan["commission"]["self_purchase"] = self_purchase
    return plan


class World:
    """A shop's story, told in days since its beginning."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.anna = self.distributor("anna")
        self.bo = self.distributor("bo")

    @property
    def program(self) -> Program:
        return programs.get("shop-1")

    def day(self, number: float) -> datetime:
        return START + timedelta(days=number)

    def move_to(self, number: float) -> None:
        jump("shop-1", self.day(number))

    def publish(self, plan: dict[str, Any], at: float) -> None:
        programs.publish(OPERATOR, self.program, parse(plan), self.day(at))

    def distributor(self, name: str, sponsor: Distributor | None = None) -> Distributor:
        application = Application(user_id=f"u-{name}", name=name, sponsor_code=sponsor.code if sponsor else None)
        return distributors.apply(STOREFRONT, self.program, application)[0]

    def change(self, distributor: Distributor, action: Action) -> None:
        distributors.change_status(OPERATOR, self.program, distributor.distributor_id, action, "a test", None)

    def coupon(self, code: str, distributor: Distributor) -> None:
        catalog.set_coupon(OPERATOR, self.program, code, distributor.distributor_id)

    def refer(
        self, customer: str, by: Distributor, at: float, caller: Caller = STOREFRONT, key: str | None = None
    ) -> Outcome:
        told = Referral(customer, None, by.distributor_id, "link", self.day(at))
        return service.bind(caller, self.program, told, key)

    def click(self, visitor: str, on: Distributor, at: float | datetime, key: str | None = None) -> tuple[str, bool]:
        when = at if isinstance(at, datetime) else self.day(at)
        click, new = service.record_click(STOREFRONT, self.program, Visit(on.code, visitor, when), key)
        return click.click_id, new

    def evidence(self, order_id: str, paid: float, **says: Any) -> OrderEvidence:
        return replace(OrderEvidence(order_id, "c-1", None, (), None, self.day(paid)), **says)

    def attribute(self, order: OrderEvidence) -> Attribution:
        return service.attribute(self.program, programs.plan_at(self.program, order.paid_at).plan, order)

    def order(self, order_id: str, paid: float, **says: Any) -> Attribution:
        """Attribute an order and let it bind, as the orders room does."""
        order = self.evidence(order_id, paid, **says)
        attribution = self.attribute(order)
        service.note_order(self.program, programs.plan_at(self.program, order.paid_at).plan, order, attribution)
        return attribution

    def whose(self, customer: str = "c-1") -> str | None:
        current = service.history(self.program, customer).current
        return current.binding.distributor_id if current else None


@pytest.fixture
def make_world(make_shop: Callable[..., Shop]) -> Callable[..., World]:
    """Make a world; arguments are those of `plan_with`."""
    return lambda **terms: World(make_shop(plan=plan_with(**terms)))


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world whose bindings last for ever and can't be taken."""
    return make_world()


@pytest.fixture
def calls() -> Iterator[list[str]]:
    """The DynamoDB calls that are made from now on, by name."""
    made: list[str] = []
    events = connection().client.meta.events

    def note(event_name: str, **_: Any) -> None:
        made.append(event_name.rpartition(".")[2])

    events.register_first("before-send.dynamodb", note)
    yield made
    events.unregister("before-send.dynamodb", note)
