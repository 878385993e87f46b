"""Orders over HTTP. Single orders are in commissions/routes.py: who may see one depends on who earns from it."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.orders import service
from chalicelib.orders.model import Content, Facts, Flag, Line, Order, OrderStatus, RefundLine
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.referrals.model import Attribution, Reason
from chalicelib.shared import http, pages
from chalicelib.shared.errors import DomainError
from chalicelib.shared.money import CURRENCIES

routes = Routes(__name__)

LINES_MAX = 200
BATCH_MAX = 100

Quantity = Annotated[int, Field(ge=0, le=10**9)]


def _currency(text: str) -> str:
    if text not in CURRENCIES:
        raise ValueError("a currency is an ISO 4217 code, such as CNY")
    return text


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    if len(http.json_bytes(metadata)) > http.METADATA_MAX:
        raise ValueError(f"metadata may have {http.METADATA_MAX} bytes")
    return metadata


class LineBody(http.Body):
    """One line. `paid_minor`: what the customer paid for it after every discount, gross of refunds."""

    line_id: http.ExternalId
    sku: http.ExternalId
    quantity: Quantity
    paid_minor: http.Minor
    list_minor: http.Minor | None = None
    category: http.Text | None = None


def _distinct(lines: list[Any]) -> list[Any]:
    if len({line.line_id for line in lines}) < len(lines):
        raise ValueError("line ids of one body are distinct")
    return lines


class OrderBody(http.Body):
    """An order as a storefront tells it. `paid_at` null: placed, not yet paid."""

    order_id: http.ExternalId
    customer_id: http.ExternalId
    currency: Annotated[str, AfterValidator(_currency)]
    placed_at: http.Time | None = None
    paid_at: http.Time | None = None
    completed_at: http.Time | None = None
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX), AfterValidator(_distinct)]
    referral_code: http.Text | None = None
    coupon_codes: Annotated[list[http.Text], Field(max_length=20)] = []
    visitor_id: http.ExternalId | None = None
    channel: http.Text | None = None
    version: Annotated[int, Field(ge=1, le=10**15)] = 1
    metadata: Annotated[http.Metadata, AfterValidator(_small)] = {}

    def content(self) -> Content:
        """The order as the room keeps it: codes upper case, times in UTC."""
        return Content(
            self.customer_id,
            self.currency,
            self.placed_at,
            self.paid_at,
            self.completed_at,
            tuple(
                Line(line.line_id, line.sku, line.quantity, line.paid_minor, line.list_minor, line.category)
                for line in self.lines
            ),
            self.referral_code.upper() if self.referral_code else None,
            tuple(code.upper() for code in self.coupon_codes),
            self.visitor_id,
            self.channel,
            self.version,
            self.metadata,
        )


class BatchBody(http.Body):
    """Up to 100 orders; each is judged by itself, in order."""

    orders: Annotated[list[JsonValue], Field(min_length=1, max_length=BATCH_MAX)]


class CompletionBody(http.Body):
    """That an order is completed."""

    completed_at: http.Time


class CancellationBody(http.Body):
    """That an order is cancelled: a refund of everything."""

    cancelled_at: http.Time


class RefundLineBody(http.Body):
    """What came back of one line; `quantity` counts for fixed amounts."""

    line_id: http.ExternalId
    quantity: Quantity = 0
    amount_minor: http.Minor


class RefundBody(http.Body):
    """One refund, by the storefront's id for it."""

    refund_id: http.ExternalId
    refunded_at: http.Time
    lines: Annotated[list[RefundLineBody], Field(min_length=1, max_length=LINES_MAX), AfterValidator(_distinct)]


class AttributionBody(http.Body):
    """Whose the order is, by an operator's word; null: nobody's."""

    distributor_id: http.ExternalId | None
    reason: http.Reason


class PaidDayQuery(http.ListQuery):
    """Which local day's orders."""

    paid_day: http.Day


class TriedAnswer(http.Answer):
    """One piece of evidence that was tried, and what came of it."""

    evidence: str
    result: str


class AttributionAnswer(http.Answer):
    """Whose the order is, and why."""

    credited: bool
    distributor_id: str | None
    reason: Reason
    tried: list[TriedAnswer]


class LineAnswer(http.Answer):
    """A line as it was told."""

    line_id: str
    sku: str
    quantity: int
    paid_minor: int
    list_minor: int | None
    category: str | None


class OrderAnswer(http.Answer):
    """An order: what was told, where it stands, and whose it is."""

    order_id: str
    customer_id: str
    currency: str
    placed_at: http.Shown | None
    paid_at: http.Shown | None
    completed_at: http.Shown | None
    lines: list[LineAnswer]
    referral_code: str | None
    coupon_codes: list[str]
    visitor_id: str | None
    channel: str | None
    version: int
    metadata: dict[str, Any]
    status: OrderStatus
    received_at: http.Shown
    flags: list[Flag]
    attribution: AttributionAnswer


class BatchItemAnswer(http.Answer):
    """What the order alone would have been answered."""

    status: int
    order: OrderAnswer | None
    problem: http.Problem | None


class BatchAnswer(http.Answer):
    """An answer per order, in order."""

    data: list[BatchItemAnswer]


class CompletionAnswer(http.Answer):
    """The completion that counts."""

    order_id: str
    completed_at: http.Shown


class CancellationAnswer(http.Answer):
    """The cancellation that counts."""

    order_id: str
    cancelled_at: http.Shown


class RefundAnswer(http.Answer):
    """The refund, and what is odd about it."""

    order_id: str
    refund_id: str
    flags: list[Flag]


@routes.post("/v1/orders", "S", body=OrderBody, answer=OrderAnswer, status=201)
def record_order(call: Call, body: OrderBody) -> Reply:
    """Record an order, or a newer version of it."""
    return Reply(*_record(programs.get(call.program_id), body))


@routes.post("/v1/orders/batch", "S", body=BatchBody, answer=BatchAnswer)
def record_orders(call: Call, body: BatchBody) -> BatchAnswer:
    """Record up to 100 orders, each by itself."""
    program = programs.get(call.program_id)
    told = [_told(order) for order in body.orders]
    with service.batch(program, [order.content() for order in told if isinstance(order, OrderBody)]):
        return BatchAnswer(data=[_record_one(program, order, call.request_id) for order in told])


@routes.post("/v1/orders/{order_id}/complete", "S", body=CompletionBody, answer=CompletionAnswer)
def complete_order(call: Call, order_id: str, body: CompletionBody) -> CompletionAnswer:
    """Tell that an order is completed; its commissions' hold begins."""
    completed_at = service.complete(programs.get(call.program_id), order_id, body.completed_at)
    return CompletionAnswer(order_id=order_id, completed_at=completed_at)


@routes.post("/v1/orders/{order_id}/cancel", "S", body=CancellationBody, answer=CancellationAnswer)
def cancel_order(call: Call, order_id: str, body: CancellationBody) -> CancellationAnswer:
    """Tell that an order is cancelled: a refund of everything."""
    cancelled_at = service.cancel(programs.get(call.program_id), order_id, body.cancelled_at)
    return CancellationAnswer(order_id=order_id, cancelled_at=cancelled_at)


@routes.post("/v1/orders/{order_id}/refunds", "S", body=RefundBody, answer=RefundAnswer, status=201)
def refund_order(call: Call, order_id: str, body: RefundBody) -> Reply:
    """Tell a refund; it may come before its order."""
    lines = [RefundLine(line.line_id, line.quantity, line.amount_minor) for line in body.lines]
    program = programs.get(call.program_id)
    recorded = service.refund(program, order_id, body.refund_id, body.refunded_at, lines)
    answer = RefundAnswer(order_id=order_id, refund_id=body.refund_id, flags=list(recorded.flags))
    return Reply(201 if recorded.new else 200, answer)


@routes.post("/v1/orders/{order_id}/attribution", "O", body=AttributionBody, answer=AttributionAnswer)
def attribute_order(call: Call, order_id: str, body: AttributionBody) -> AttributionAnswer:
    """Say by hand whose a paid order is."""
    program = programs.get(call.program_id)
    attribution = service.attribute_by_hand(call.caller, program, order_id, body.distributor_id, body.reason)
    return attribution_answer(attribution)


@routes.get("/v1/orders", "S O A", query=PaidDayQuery, answer=http.Listed[OrderAnswer])
def list_orders(call: Call, query: PaidDayQuery) -> http.Listed[OrderAnswer]:
    """The orders paid on a local day, last paid first."""
    program = programs.get(call.program_id)
    bound = ("orders", program.program_id, query.paid_day)
    found, further = service.paid_on(program, query.paid_day, query.limit, pages.place(query.cursor, *bound))
    orders = [service.get(program.program_id, place.order_id) for place in found]
    answers = [order_answer(order, facts) for order, facts in orders]
    return http.Listed(data=answers, next_cursor=pages.cursor(further, *bound))


def _record(program: Program, body: OrderBody) -> tuple[int, OrderAnswer]:
    recorded = service.record(program, body.order_id, body.content())
    return 201 if recorded.new else 200, order_answer(recorded.order, recorded.facts)


def _told(told: JsonValue) -> OrderBody | DomainError:
    try:
        return http.validated(told, OrderBody)
    except DomainError as error:
        return error


def _record_one(program: Program, told: OrderBody | DomainError, request_id: str) -> BatchItemAnswer:
    try:
        if isinstance(told, DomainError):
            raise told
        status, order = _record(program, told)
    except DomainError as error:
        return BatchItemAnswer(status=error.status, order=None, problem=http.problem(error, request_id))
    return BatchItemAnswer(status=status, order=order, problem=None)


def attribution_answer(attribution: Attribution) -> AttributionAnswer:
    """An attribution as answers show it."""
    return AttributionAnswer(
        credited=attribution.credited,
        distributor_id=attribution.distributor_id,
        reason=attribution.reason,
        tried=[TriedAnswer(evidence=step.evidence, result=step.result) for step in attribution.tried],
    )


def order_answer(order: Order, facts: Facts) -> OrderAnswer:
    """An order as answers show it."""
    content = order.content
    return OrderAnswer(
        order_id=order.order_id,
        customer_id=content.customer_id,
        currency=content.currency,
        placed_at=content.placed_at,
        paid_at=content.paid_at,
        completed_at=facts.completed_at,
        lines=[
            LineAnswer(
                line_id=line.line_id,
                sku=line.sku,
                quantity=line.quantity,
                paid_minor=line.paid_minor,
                list_minor=line.list_minor,
                category=line.category,
            )
            for line in content.lines
        ],
        referral_code=content.referral_code,
        coupon_codes=list(content.coupon_codes),
        visitor_id=content.visitor_id,
        channel=content.channel,
        version=content.version,
        metadata=dict(content.metadata),
        status=facts.status,
        received_at=order.received_at,
        flags=list(facts.flags),
        attribution=attribution_answer(service.attribution_of(order, facts)),
    )
