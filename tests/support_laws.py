"""What tests of pure functions use: moderate Hypothesis settings, plans, and orders made of plain numbers."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings

from chalicelib.catalog.model import RuleMode
from chalicelib.commissions.model import ProductTerms
from chalicelib.commissions.rules.target import Terms
from chalicelib.orders.model import Content, Facts, Line, Order, Refund, RefundLine, RemainingLine
from chalicelib.programs.document import parse, presets
from chalicelib.programs.model import Mode, Plan, Program
from chalicelib.referrals.model import Attribution, Reason

SHANGHAI = "Asia/Shanghai"
MIDNIGHT = datetime(2026, 3, 3, 16, tzinfo=UTC)
"""4 March 2026, 00:00 in Shanghai."""
SELLERS = [f"dst_{letter * 26}" for letter in "ABCDE"]


def law(examples: int) -> settings:
    """Settings of a law: the same examples each time, however slow the machine."""
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None)


def document(**changes: Any) -> dict[str, Any]:
    """The preset `three-tier` as JSON with other parts: `document(hold={"starts": "paid"}, cap_bp=10000)`."""
    plan = copy.deepcopy(presets()["three-tier"].model_dump(mode="json"))
    track = plan["tracks"]["default"]
    track["levels"][0]["rate_bp"] = changes.pop("rate_bp", track["levels"][0]["rate_bp"])
    if "uplines" in changes:
        track["uplines"] = [{"rate_bp": rate} for rate in changes.pop("uplines")]
    plan["commission"]["cap_bp"] = changes.pop("cap_bp", plan["commission"]["cap_bp"])
    for part, values in changes.items():
        plan[part] = plan[part] | values if isinstance(values, dict) else values
    return plan


def plan(**changes: Any) -> Plan:
    """What `document` means."""
    return parse(document(**changes)).means()


def program(timezone: str = SHANGHAI) -> Program:
    """A test program whose clock stands at `MIDNIGHT`."""
    return Program(
        "shop-1", "shop-1", "CNY", timezone, "US", Mode.TEST, False, MIDNIGHT - timedelta(days=60), MIDNIGHT, (), ()
    )


def line(paid_minor: int, sku: str = "x", quantity: int = 1, line_id: str = "1") -> Line:
    return Line(line_id, sku, quantity, paid_minor)


def remaining(*lines: tuple[int, str] | tuple[int, str, int]) -> list[RemainingLine]:
    """Lines of which nothing came back: (paid, sku[, quantity])."""
    made = [
        Line(str(i), sku, quantity[0] if quantity else 1, paid)
        for i, (paid, sku, *quantity) in enumerate(lines, start=1)
    ]
    return [RemainingLine(each, each.paid_minor, each.quantity) for each in made]


def terms(
    rate_bp: int,
    uplines: Sequence[int | None] = (),
    cap_bp: int = 5000,
    products: Mapping[str, ProductTerms] | None = None,
    barred: Iterable[str] = (),
) -> Terms:
    return Terms(rate_bp, tuple(uplines), cap_bp, products or {}, frozenset(barred))


def product(mode: str, rate_bp: int, fixed_minor: int = 0) -> ProductTerms:
    return ProductTerms(RuleMode(mode), rate_bp, fixed_minor)


def content(lines: Sequence[Line], paid_at: datetime | None, **says: Any) -> Content:
    told: dict[str, Any] = {
        "customer_id": "c-1", "currency": "CNY", "placed_at": paid_at, "paid_at": paid_at, "completed_at": None,
        "lines": tuple(lines), "referral_code": None, "coupon_codes": (), "visitor_id": None, "channel": None,
        "version": 1, "metadata": {},
    }  # fmt: skip
    return Content(**(told | says))


def order(lines: Sequence[Line], paid_at: datetime, received_at: datetime) -> Order:
    """An order of the first seller's."""
    attribution = Attribution(True, SELLERS[0], Reason.CODE, ())
    return Order("shop-1", "A-1", content(lines, paid_at), received_at, attribution)


def facts(told: Order | None, refunds: Sequence[Refund] = (), **more: Any) -> Facts:
    """Facts of an order, with no completion, cancellation or attribution by hand unless `more` says so."""
    kept: dict[str, Any] = {"completions": (), "cancellation": None, "hand_attributions": ()} | more
    return Facts(program_id="shop-1", order_id="A-1", order=told, refunds=tuple(refunds), **kept)


def refund(refund_id: str, back: Iterable[tuple[str, int, int]], received_at: datetime = MIDNIGHT) -> Refund:
    """A refund of (line id, units, amount)."""
    return Refund(refund_id, received_at, tuple(RefundLine(*each) for each in back), received_at)
