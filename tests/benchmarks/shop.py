"""A live shop that has been selling for a while, made by the rooms' own functions, and orders of real baskets for it.

Its customers are bound to sellers, ten of them; with three tiers each has an upline, and that one has one. The ranks of
today were decided this morning. Three of the products have rules.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

from chalicelib.access import service as access
from chalicelib.access.model import Caller, Scope
from chalicelib.catalog import service as catalog
from chalicelib.catalog.model import RuleMode
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Application, Distributor
from chalicelib.levels import jobs
from chalicelib.programs import service as programs
from chalicelib.programs.document import presets
from chalicelib.programs.model import Mode, NewProgram, Program
from chalicelib.referrals import service as referrals
from chalicelib.referrals.model import Referral
from chalicelib.shared import clock
from infra.replay.journey import plan_journey

Json = dict[str, Any]

SELLERS: Final = 10
CUSTOMERS: Final = 150
ROOT: Final = Caller("root", Scope.PLATFORM, None)
_STORE: Final = Caller("store", Scope.STOREFRONT, "shop")
_TOLD: Final = ("order_id", "lines", "channel", "coupon_codes")
"""What is taken of a basket's order; whose it is and when it was paid is said here."""


@dataclass(frozen=True)
class Shop:
    """A program, its storefront's key, and the orders that it tells."""

    program: Program
    storefront: str
    orders: list[Json]


def make_shop(baskets: int, tiers: int = 3, program_id: str = "shop") -> Shop:
    """Make it in whatever store the app talks to."""
    now = datetime.now(UTC)
    opened = now - timedelta(days=40)
    with patch.object(clock, "now", lambda: opened):
        made, _ = programs.create(ROOT, NewProgram(program_id, program_id, "CNY", "Asia/Shanghai", "US", Mode.LIVE))
        programs.publish(ROOT, made, presets()["three-tier"], opened)
        program = programs.get(program_id)
        sellers = list(_sellers(program, tiers))
        for number in range(CUSTOMERS):
            code = sellers[number % SELLERS].code
            referrals.bind(_STORE, program, Referral(f"c-{number}", code, None, "link", opened))
        orders = _orders(baskets, now)
        for sku, _ in Counter(line["sku"] for order in orders for line in order["lines"]).most_common(3):
            catalog.set_rule(ROOT, program, sku, catalog.Terms(RuleMode.AT_LEAST, 500, 3, True, None, None))
    today = program.local_day(now)
    jobs.close(program, jobs.Closing(program.created_day, today, now))
    return Shop(program, key_of(program_id, Scope.STOREFRONT), orders)


def key_of(program_id: str, scope: Scope, actor: str = "somebody") -> str:
    """A new key of a program."""
    _, secret = access.create_key(ROOT, actor, scope, program_id, None)
    assert secret
    return secret


def _sellers(program: Program, tiers: int) -> Iterator[Distributor]:
    for number in range(SELLERS):
        above: Distributor | None = None
        for tier in range(tiers, 0, -1):
            told = Application(f"u-{number}-{tier}", f"Tier {tier}", sponsor_code=above and above.code)
            above, _ = distributors.apply(ROOT, program, told)
        assert above is not None
        yield above


def _orders(baskets: int, now: datetime) -> list[Json]:
    """Orders of real baskets in which something was paid for, as a storefront tells them now."""
    journey = plan_journey(2 * baskets, months=12)
    paid = [order.body for order in journey.orders if any(line["paid_minor"] for line in order.body["lines"])]
    assert len(paid) >= baskets
    return [
        {name: body[name] for name in _TOLD}
        | {"customer_id": f"c-{number % CUSTOMERS}", "currency": "CNY", "paid_at": clock.shown(now)}
        for number, body in enumerate(paid[:baskets])
    ]


class Context:
    """What Lambda tells a function of an invocation."""

    function_name = "api_handler"
    aws_request_id = "1"


def event(path: str, body: Json, key: str, **path_ids: str) -> Json:
    """A POST as API Gateway hands it to Lambda."""
    return {
        "resource": path,
        "headers": {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": path_ids,
        "stageVariables": None,
        "body": json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {"resourcePath": path, "httpMethod": "POST", "requestId": "r-1", "identity": {}},
    }


class Refused(Exception):
    """A handler answered something else than it should: that isn't measured."""


def ask(app: Any, told: Json, status: int = 201) -> str:
    """The answer's body, as text. Raises Refused."""
    answer = app(told, Context())
    if answer["statusCode"] != status:
        raise Refused(f"{answer['statusCode']} {answer['body']}")
    body: str = answer["body"]
    return body
