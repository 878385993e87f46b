"""The facts of an order: the order itself, its completion, cancellation, refunds, and attributions by hand."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from chalicelib.referrals.model import Attribution
from chalicelib.shared.value import Value


class OrderStatus(StrEnum):
    """Where an order stands. When several hold, the first of this list that does."""

    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"
    COMPLETED = "completed"
    PAID = "paid"
    PLACED = "placed"


class Flag(StrEnum):
    """Something odd about a fact that was kept nevertheless."""

    OVER_REFUND = "over_refund"
    """More came back for a line than was paid for it; it counts up to what was paid."""
    UNKNOWN_LINE = "unknown_line"
    """A refund told before its order names a line that the order lacks; it counts for nothing."""


class Line(Value):
    """One line. `paid_minor`: what the customer paid for it after every discount, without shipping and tax, gross of
    refunds; `quantity` in units."""

    line_id: str
    sku: str
    quantity: int
    paid_minor: int
    list_minor: int | None = None
    category: str | None = None


class Content(Value):
    """What the storefront tells of an order; compared as a whole when it is told again."""

    customer_id: str
    currency: str
    placed_at: datetime | None
    paid_at: datetime | None
    completed_at: datetime | None
    lines: tuple[Line, ...]
    referral_code: str | None
    coupon_codes: tuple[str, ...]
    visitor_id: str | None
    channel: str | None
    version: int
    metadata: Mapping[str, Any]

    @property
    def paid_minor(self) -> int:
        """What the customer paid for all lines together."""
        return sum(line.paid_minor for line in self.lines)


class Order(Value):
    """An order as it was told, when it was received, whose it is, and by which plan version it is judged for ever.

    Once there is a paid version, all but the content are of the first one.
    """

    program_id: str
    order_id: str
    content: Content
    received_at: datetime
    attribution: Attribution
    plan_version: int | None = None
    """The plan in force at `paid_at`; None: not paid."""
    replaced_at: datetime | None = None
    """When a newer version was received that took the place of an older one; None: this is the first one told."""


class RefundLine(Value):
    """What came back of one line: an amount, and units (they lower fixed commission)."""

    line_id: str
    quantity: int
    amount_minor: int


class Refund(Value):
    """One refund, by the storefront's id for it."""

    refund_id: str
    refunded_at: datetime
    lines: tuple[RefundLine, ...]
    received_at: datetime


class Told(Value):
    """That something happened at an instant, and when we were told."""

    at: datetime
    received_at: datetime


class HandAttribution(Value):
    """An operator's word on whose order it is; None: nobody's. `n` counts from 1; the last one holds."""

    n: int
    distributor_id: str | None
    reason: str
    actor: str
    received_at: datetime


class RemainingLine(Value):
    """What is left of a line after refunds: its base in minor units and its units, neither below 0."""

    line: Line
    base_minor: int
    units: int


class Facts(Value, dict=True):
    """All that was told of one order, in the order it was received."""

    program_id: str
    order_id: str
    order: Order | None
    completions: tuple[Told, ...]
    cancellation: Told | None
    refunds: tuple[Refund, ...]
    hand_attributions: tuple[HandAttribution, ...]

    @cached_property
    def completed_at(self) -> datetime | None:
        """The earliest completion told, in the order or by itself."""
        told = [completion.at for completion in self.completions]
        if self.order is not None and self.order.content.completed_at is not None:
            told.append(self.order.content.completed_at)
        return min(told, default=None)

    @cached_property
    def last_received_at(self) -> datetime | None:
        """When something was told of the order for the last time; None: nothing ever was."""
        told = [completion.received_at for completion in self.completions]
        told += [refund.received_at for refund in self.refunds]
        told += [hand.received_at for hand in self.hand_attributions]
        told += [] if self.cancellation is None else [self.cancellation.received_at]
        told += [] if self.order is None else [self.order.replaced_at or self.order.received_at]
        return max(told, default=None)

    @cached_property
    def refunded(self) -> Mapping[str, tuple[int, int]]:
        """Amount and units that came back, by line id, as told."""
        back: dict[str, tuple[int, int]] = {}
        for refund in self.refunds:
            for line in refund.lines:
                amount, units = back.get(line.line_id, (0, 0))
                back[line.line_id] = (amount + line.amount_minor, units + line.quantity)
        return back

    def remaining(self) -> tuple[RemainingLine, ...]:
        """What is left of each line; nothing of a cancelled order."""
        if self.order is None:
            return ()
        back = self.refunded
        lines = self.order.content.lines
        if self.cancellation is not None:
            return tuple(RemainingLine(line, 0, 0) for line in lines)
        return tuple(
            RemainingLine(line, max(0, line.paid_minor - amount), max(0, line.quantity - units))
            for line in lines
            for amount, units in (back.get(line.line_id, (0, 0)),)
        )

    @property
    def paid_at(self) -> datetime | None:
        """When the order was paid, if it was."""
        return self.order.content.paid_at if self.order is not None else None

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What is odd about the refunds."""
        if self.order is None:
            return ()
        paid = {line.line_id: line.paid_minor for line in self.order.content.lines}
        over = any(amount > paid.get(line_id, amount) for line_id, (amount, _) in self.refunded.items())
        unknown = any(line_id not in paid for line_id in self.refunded)
        return (Flag.OVER_REFUND,) * over + (Flag.UNKNOWN_LINE,) * unknown

    @property
    def status(self) -> OrderStatus:
        """Where the order stands."""
        if self.cancellation is not None:
            return OrderStatus.CANCELLED
        paid = self.order.content.paid_minor if self.order is not None else 0
        left = sum(line.base_minor for line in self.remaining())
        if left < paid:
            return OrderStatus.PARTIALLY_REFUNDED if left else OrderStatus.REFUNDED
        if self.completed_at is not None:
            return OrderStatus.COMPLETED
        return OrderStatus.PLACED if self.paid_at is None else OrderStatus.PAID


class OrderPlace(Value):
    """An order in the list of its paid day."""

    order_id: str
    paid_at: datetime
    day: date
