"""The `orders` table: all facts of an order lie in its partition, so one query reads them.

| pk                   | sk                       | item                                                        |
|----------------------|--------------------------|-------------------------------------------------------------|
| `{program}#{order}`  | `order`                  | the order; replaced by newer versions                       |
|                      | `complete#{instant}`     | a completion told by itself, or by a replaced version       |
|                      | `cancel`                 | the cancellation                                            |
|                      | `refund#{refund id}`     | a refund                                                    |
|                      | `attribution#{n:04}`     | an attribution by hand                                      |

Index `by_day`: `{program}#{paid local day}#{shard}` and `paid_at`, keys only, of paid orders; never rewritten.
Facts of test programs are in it too, at `{program}#told` and when they were received: their clock waits for them.
An order's content is one compressed JSON value, so that nearly all orders fit one write unit.
"""

import base64
from datetime import datetime
from typing import Any, Final, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.orders.model import Content, Facts, HandAttribution, Line, Order, Refund, RefundLine, Told
from chalicelib.referrals.model import Attribution, Reason, Tried
from chalicelib.shared import clock
from chalicelib.shared.tables import JsonAttribute, Keeping, Key, Table

SCANNED: Final = 500
"""How many items a page of a scan looks at: some 15 read units, and no more orders than can be decided in a stretch."""


class OrdersTable(Table):
    """What all items of the table share."""

    room = "orders"


class ByDay(GlobalSecondaryIndex["OrderItem"]):
    """Paid orders by the local day they were paid on."""

    class Meta:
        """pynamodb's."""

        index_name = "by_day"
        projection = KeysOnlyProjection()

    day = UnicodeAttribute(hash_key=True)
    paid_at = UnicodeAttribute(range_key=True)


class OrderItem(OrdersTable, Keeping):
    """The order itself."""

    class Meta:
        """pynamodb's."""

    by_day = ByDay()
    version = NumberAttribute(attr_name="v")
    content = JsonAttribute(attr_name="c")
    attribution = JsonAttribute(attr_name="a")
    received_at = UnicodeAttribute(attr_name="r")
    replaced_at = UnicodeAttribute(attr_name="s", null=True)
    plan_version = NumberAttribute(attr_name="p", null=True)
    day = UnicodeAttribute(null=True)
    paid_at = UnicodeAttribute(null=True)


class FactItem(OrdersTable):
    """Anything told about the order after it, or before it."""

    class Meta:
        """pynamodb's."""

    fact = JsonAttribute(attr_name="f")
    received_at = UnicodeAttribute(attr_name="r")
    day = UnicodeAttribute(null=True)
    paid_at = UnicodeAttribute(null=True)

    def listed(self, partition: str | None) -> Self:
        """The same, to be found in this partition of the index `by_day` by when it was received; None: in none."""
        if partition is not None:
            self.day, self.paid_at = partition, self.received_at
        return self


class AnyItem(OrdersTable):
    """Either of them, as a query of the partition finds it."""

    class Meta:
        """pynamodb's."""

    content = JsonAttribute(attr_name="c", null=True)
    attribution = JsonAttribute(attr_name="a", null=True)
    plan_version = NumberAttribute(attr_name="p", null=True)
    fact = JsonAttribute(attr_name="f", null=True)
    received_at = UnicodeAttribute(attr_name="r")
    replaced_at = UnicodeAttribute(attr_name="s", null=True)


def order_pk(program_id: str, order_id: str) -> str:
    """The partition of an order."""
    return f"{program_id}#{order_id}"


def ids_of(pk: str) -> tuple[str, str]:
    """Program and order id of a partition key: '#' is in neither."""
    program_id, _, order_id = pk.partition("#")
    return program_id, order_id


def order_item(order: Order, day: str | None) -> OrderItem:
    """An order as an item. `day`: its partition of the index, None while it is unpaid."""
    content = order.content
    return OrderItem(
        order_pk(order.program_id, order.order_id),
        "order",
        version=content.version,
        content=_packed(content),
        attribution=packed_attribution(order.attribution),
        received_at=clock.stored(order.received_at),
        replaced_at=_stored(order.replaced_at),
        plan_version=order.plan_version,
        day=day,
        paid_at=clock.stored(content.paid_at) if content.paid_at is not None and day is not None else None,
    )


def stored_order(program_id: str, order_id: str) -> OrderItem | None:
    """The order's item as it is now."""
    found = OrderItem.query(order_pk(program_id, order_id), OrderItem.sk == "order", consistent_read=True)
    return next(iter(found), None)


def refund_item(program_id: str, order_id: str, refund: Refund) -> FactItem:
    """A refund as an item."""
    lines = [[line.line_id, line.quantity, line.amount_minor] for line in refund.lines]
    return FactItem(
        order_pk(program_id, order_id),
        f"refund#{refund.refund_id}",
        fact={"at": clock.stored(refund.refunded_at), "lines": lines},
        received_at=clock.stored(refund.received_at),
    )


def completion_item(program_id: str, order_id: str, told: Told) -> FactItem:
    """A completion told by itself, as an item."""
    return _told_item(program_id, order_id, f"complete#{clock.stored(told.at)}", told)


def cancellation_item(program_id: str, order_id: str, told: Told) -> FactItem:
    """The cancellation as an item."""
    return _told_item(program_id, order_id, "cancel", told)


def _told_item(program_id: str, order_id: str, kind: str, told: Told) -> FactItem:
    return FactItem(
        order_pk(program_id, order_id),
        kind,
        fact={"at": clock.stored(told.at)},
        received_at=clock.stored(told.received_at),
    )


def hand_attribution_item(program_id: str, order_id: str, hand: HandAttribution) -> FactItem:
    """An attribution by hand as an item."""
    return FactItem(
        order_pk(program_id, order_id),
        f"attribution#{hand.n:04}",
        fact={"distributor_id": hand.distributor_id, "reason": hand.reason, "actor": hand.actor},
        received_at=clock.stored(hand.received_at),
    )


def read_facts(program_id: str, order_id: str) -> Facts:
    """All facts of an order, read consistently with one query."""
    pk = order_pk(program_id, order_id)
    order: Order | None = None
    cancellation: Told | None = None
    completions: list[Told] = []
    refunds: list[Refund] = []
    hands: list[HandAttribution] = []
    for item in AnyItem.query(pk, consistent_read=True):
        kind, _, rest = item.sk.partition("#")
        received_at = clock.read(item.received_at)
        if kind == "order":
            order = _order(program_id, order_id, item, received_at)
        elif kind == "refund":
            refunds.append(_refund(rest, item.fact, received_at))
        elif kind == "attribution":
            hands.append(HandAttribution(int(rest), **item.fact, received_at=received_at))
        elif kind == "complete":
            completions.append(Told(clock.read(item.fact["at"]), received_at))
        elif kind == "cancel":
            cancellation = Told(clock.read(item.fact["at"]), received_at)
    refunds.sort(key=lambda refund: (refund.received_at, refund.refund_id))
    return Facts(program_id, order_id, order, tuple(completions), cancellation, tuple(refunds), tuple(hands))


def as_stored(program_id: str, order_id: str) -> dict[str, Any]:
    """An order's facts just as they are kept, readable or not; binary in base 64, as its stream gives it."""
    page = next(AnyItem.query(order_pk(program_id, order_id), consistent_read=True).page_iter)
    return {"facts": [{name: _as_json(value) for name, value in item.items()} for item in page["Items"]]}


def _as_json(value: dict[str, Any]) -> dict[str, Any]:
    ((kind, plain),) = value.items()
    return {kind: base64.b64encode(plain).decode() if isinstance(plain, bytes) else plain}


def told_since(program_id: str, at: datetime, place: Key | None) -> tuple[set[str], Key | None]:
    """The orders of which anything was received at an instant or later, among the next items of the whole table, and
    where it goes on."""
    since = clock.stored(at)
    ours = AnyItem.pk.startswith(f"{program_id}#") & ((AnyItem.received_at >= since) | (AnyItem.replaced_at >= since))
    found = AnyItem.scan(ours, page_size=SCANNED, last_evaluated_key=place, attributes_to_get=["pk"])
    page = next(found.page_iter)
    return {ids_of(item["pk"]["S"])[1] for item in page["Items"]}, page.get("LastEvaluatedKey")


def _order(program_id: str, order_id: str, item: AnyItem, received_at: datetime) -> Order:
    version = None if item.plan_version is None else int(item.plan_version)
    attribution = read_attribution(item.attribution)
    replaced_at = _read(item.replaced_at)
    return Order(program_id, order_id, unpacked(item.content), received_at, attribution, version, replaced_at)


def _refund(refund_id: str, fact: Any, received_at: Any) -> Refund:
    lines = tuple(RefundLine(line_id, quantity, amount) for line_id, quantity, amount in fact["lines"])
    return Refund(refund_id, clock.read(fact["at"]), lines, received_at)


def _packed(content: Content) -> list[Any]:
    """Positions instead of names: a third of the bytes."""
    return [
        content.customer_id,
        content.currency,
        _stored(content.placed_at),
        _stored(content.paid_at),
        _stored(content.completed_at),
        [[li.line_id, li.sku, li.quantity, li.paid_minor, li.list_minor, li.category] for li in content.lines],
        content.referral_code,
        list(content.coupon_codes),
        content.visitor_id,
        content.channel,
        content.version,
        dict(content.metadata),
    ]


def unpacked(packed: Any) -> Content:
    """The content back. Positions beyond those known are left alone, so that older code reads newer items."""
    customer, currency, placed, paid, completed, lines, code, coupons, visitor, channel, version, metadata = packed[:12]
    return Content(
        customer,
        currency,
        _read(placed),
        _read(paid),
        _read(completed),
        tuple(Line(*line[:6]) for line in lines),
        code,
        tuple(coupons),
        visitor,
        channel,
        version,
        metadata,
    )


def packed_attribution(attribution: Attribution) -> list[Any]:
    """An attribution as JSON."""
    tried = [[step.evidence, step.result] for step in attribution.tried]
    return [attribution.credited, attribution.distributor_id, attribution.reason, tried]


def read_attribution(packed: Any) -> Attribution:
    """The attribution back."""
    credited, distributor_id, reason, tried = packed[:4]
    return Attribution(credited, distributor_id, Reason(reason), tuple(Tried(*step) for step in tried))


def _stored(at: Any) -> str | None:
    return None if at is None else clock.stored(at)


def _read(text: str | None) -> Any:
    return None if text is None else clock.read(text)
