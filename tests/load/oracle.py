"""What must come of a plan, in plain whole numbers; nothing of it is the app's."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.load.plan import RATES_BP, Plan

Money = tuple[int, int, int, int]
"""Pending, available, held and paid."""


@dataclass
class Expected:
    """Commissions above nothing, by order and tier: whose, how much. Everybody's money when holds have ended."""

    commissions: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    money: dict[int, Money] = field(default_factory=dict)


def expect(plan: Plan) -> Expected:
    """What completed orders pay is available then; what others do is pending."""
    expected, pending, available = Expected(), Counter[int](), Counter[int]()
    for order in plan.orders:
        base = 0 if order.cancelled else sum(order.paid) - sum(order.back)
        seller: int | None = order.seller
        for tier, rate in enumerate(RATES_BP, start=1):
            amount = base * rate // 10_000
            if seller is not None and amount:
                expected.commissions[order.order_id, tier] = (seller, amount)
                (available if order.completed else pending)[seller] += amount
            seller = None if seller is None else plan.sponsors[seller]
    expected.money = {seller: (pending[seller], available[seller], 0, 0) for seller in range(len(plan.sponsors))}
    return expected


def differences(expected: Mapping[Any, Any], found: Mapping[Any, Any]) -> list[str]:
    """Where the two don't agree."""
    return [
        f"{name}: expected {expected.get(name)}, found {found.get(name)}"
        for name in sorted(expected.keys() | found.keys(), key=str)
        if expected.get(name) != found.get(name)
    ]
