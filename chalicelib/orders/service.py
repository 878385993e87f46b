"""Recording what storefronts tell of orders. Nothing told is ever undone: facts only add up.

Every fact has a key of its own, so telling it again meets itself: the same again is answered as before, something
else under the same name is Conflict `exists_with_different_content`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Final

from msgspec.structs import replace

from chalicelib.access import service as access
from chalicelib.access.model import Caller
from chalicelib.catalog import service as catalog
from chalicelib.distributors import service as distributors
from chalicelib.orders import rules, tables
from chalicelib.orders.model import Content, Facts, Flag, HandAttribution, Order, OrderPlace, Refund, RefundLine, Told
from chalicelib.orders.tables import FactItem, OrderItem
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode, Plan, Program
from chalicelib.referrals import service as referrals
from chalicelib.referrals.model import Attribution, OrderEvidence, Reason
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, Conflict, FieldError, Invalid, NotFound, pointer
from chalicelib.shared.tables import Key, Put, Refused, changed_meanwhile, merged_page, reading_once, transact
from chalicelib.shared.value import Value

REFUNDS_MAX: Final = 500
"""Refunds an order may have."""

HAND_ATTRIBUTIONS_MAX: Final = 100
"""Times an order may be attributed by hand."""

_TRIES: Final = 5
"""How often a write that somebody else overtook is judged again."""

_DAY_SHARDS: Final = {Mode.LIVE: 8, Mode.TEST: 1}
"""Partitions of a paid day's index: 8 carry 8,000 orders a second. Never changed for a mode: lists read them all."""


class Recorded(Value):
    """What was recorded, and whether it was new."""

    facts: Facts
    order: Order
    new: bool


class RefundRecorded(Value):
    """A refund, whether it was new, and what is odd about it."""

    refund: Refund
    flags: tuple[Flag, ...]
    new: bool


def facts_of(program_id: str, order_id: str) -> Facts:
    """All facts of an order, read consistently; `order` is None if it wasn't told yet."""
    return tables.read_facts(program_id, order_id)


def get(program_id: str, order_id: str) -> tuple[Order, Facts]:
    """An order and its facts. Raises NotFound."""
    facts = facts_of(program_id, order_id)
    if facts.order is None:
        raise NotFound(Code.NOT_FOUND, f"There is no order {order_id}.")
    return facts.order, facts


@contextmanager
def batch(program: Program, told: Sequence[Content]) -> Iterator[None]:
    """Record these orders within it: what judging them asks of distributors and products is read once, together."""
    codes = {order.referral_code for order in told if order.referral_code is not None}
    with reading_once():
        distributors.foresee(program.program_id, {order.customer_id for order in told}, codes)
        catalog.foresee(program.program_id, {line.sku for order in told for line in order.lines})
        yield


def record(program: Program, order_id: str, told: Content) -> Recorded:
    """Record an order, or a newer version of it.

    Whose it is, is judged here, once, by the first paid version; the binding that it makes is written before it.
    Raises Invalid `time_out_of_range`, Conflict `exists_with_different_content`, `no_plan_in_force`.
    """
    for _ in range(_TRIES):
        facts = facts_of(program.program_id, order_id)
        stored = facts.order
        if stored is not None and stored.content == told:
            return Recorded(facts, stored, new=False)
        _refuse_change(stored, told)
        _refuse_far_times(program, **_new_times(stored, told))
        order = _judged(program, facts, order_id, told)
        facts = _keeping_completion(program, facts, told)
        facts = _completed_by_itself(program, facts, order)
        if _put(program, order, replaces=stored):
            return Recorded(replace(facts, order=order), order, new=stored is None)
    raise changed_meanwhile()


def _new_times(stored: Order | None, told: Content) -> dict[str, datetime | None]:
    """The times that are told for the first time: those that stand may have grown old meanwhile."""
    names = ("placed_at", "paid_at", "completed_at")
    return {
        name: getattr(told, name)
        for name in names
        if stored is None or getattr(stored.content, name) != getattr(told, name)
    }


def _refuse_change(stored: Order | None, told: Content) -> None:
    if stored is None:
        return
    newer = told.version > stored.content.version
    paid = stored.content.paid_at is not None
    if not newer or (paid and rules.differs_beyond(told, stored.content, rules.CHANGEABLE_WHEN_PAID)):
        raise _different("This order was told with other content before.")


def _judged(program: Program, facts: Facts, order_id: str, told: Content) -> Order:
    """The order as it will be kept: judged now if this is its first paid version, else as it was judged."""
    stored = facts.order
    if stored is not None and stored.content.paid_at is not None:
        return replace(stored, content=told, replaced_at=program.now())
    if told.paid_at is None:
        return Order(program.program_id, order_id, told, program.now(), _nobody(Reason.NOT_PAID))
    in_force = programs.plan_at(program, told.paid_at)
    attribution = _attribute(program, in_force.plan, facts, order_id, told, told.paid_at)
    return Order(program.program_id, order_id, told, program.now(), attribution, in_force.version)


def _keeping_completion(program: Program, facts: Facts, told: Content) -> Facts:
    """The facts once the stored version's completion is one of its own, which a newer version would otherwise undo."""
    done = None if facts.order is None else facts.order.content.completed_at
    if facts.order is None or done is None or (told.completed_at is not None and told.completed_at <= done):
        return facts
    completion = Told(done, facts.order.received_at)
    _told(program, tables.completion_item(facts.program_id, facts.order_id, completion)).put_new()
    return replace(facts, completions=(*facts.completions, completion))


def complete_by_itself(program: Program, order_id: str) -> bool:
    """Record that an order is completed because nobody said so in the days that its plan gives. False: it isn't so."""
    facts = facts_of(program.program_id, order_id)
    return facts.order is not None and _completed_by_itself(program, facts, facts.order) is not facts


def _completed_by_itself(program: Program, facts: Facts, order: Order) -> Facts:
    """The facts with the order's own completion, if it is time; told late, an order may complete itself at once."""
    paid_at, version = order.content.paid_at, order.plan_version
    if paid_at is None or version is None or order.content.completed_at is not None:
        return facts
    at = rules.completes_itself_at(programs.plan(program.program_id, version), paid_at)
    if at > program.now() or not rules.can_complete(order.content, facts):
        return facts
    completion = Told(at, program.now())
    _told(program, tables.completion_item(program.program_id, order.order_id, completion)).put_new()
    return replace(facts, completions=(*facts.completions, completion))


def _attribute(
    program: Program, plan: Plan, facts: Facts, order_id: str, told: Content, paid_at: datetime
) -> Attribution:
    against = rules.own_reason(program, told, facts)
    if against is not None:
        return _nobody(against)
    evidence = OrderEvidence(
        order_id, told.customer_id, told.referral_code, told.coupon_codes, told.visitor_id, paid_at
    )
    attribution = referrals.attribute(program, plan, evidence)
    if attribution.distributor_id is None:
        return attribution
    if not _sellable(program, attribution.distributor_id, told, paid_at):
        return Attribution(False, None, Reason.PRODUCT_NOT_ELIGIBLE, attribution.tried)
    referrals.note_order(program, plan, evidence, attribution)
    return attribution


def _sellable(program: Program, distributor_id: str, told: Content, paid_at: datetime) -> bool:
    """Whether any line that was paid for counts for this distributor."""
    paid_skus = {line.sku for line in told.lines if line.paid_minor}
    product_rules = catalog.rules_at(program.program_id, paid_skus, paid_at)
    if any(sku not in product_rules for sku in paid_skus):
        return True
    track = distributors.get(program.program_id, distributor_id).track
    return any(rule.sellable_by(track) for rule in product_rules.values())


def _put(program: Program, order: Order, replaces: Order | None) -> bool:
    paid_at = order.content.paid_at
    day = None if paid_at is None else _day_key(program, program.local_day(paid_at), order.order_id)
    item = tables.order_item(order, day)
    if replaces is None:
        return item.put_new()
    stored = tables.stored_order(program.program_id, order.order_id)
    if stored is not None:
        item.keep_unknown_of(stored)
    return item.put_if(OrderItem.version == replaces.content.version)


def complete(program: Program, order_id: str, completed_at: datetime) -> datetime:
    """Record that an order is completed, before or after the order itself; the earliest wins.

    Raises Invalid `time_out_of_range`.
    """
    known = facts_of(program.program_id, order_id).completed_at
    if known != completed_at:
        _refuse_far_times(program, completed_at=completed_at)
    if known is not None and known <= completed_at:
        return known
    _told(program, tables.completion_item(program.program_id, order_id, Told(completed_at, program.now()))).put_new()
    return completed_at


def cancel(program: Program, order_id: str, cancelled_at: datetime) -> datetime:
    """Record that an order is cancelled, before or after the order itself; the first cancellation told is returned.

    Raises Invalid `time_out_of_range`.
    """
    known = facts_of(program.program_id, order_id).cancellation
    if known is None or known.at != cancelled_at:
        _refuse_far_times(program, cancelled_at=cancelled_at)
    if known is None:
        told = Told(cancelled_at, program.now())
        if _told(program, tables.cancellation_item(program.program_id, order_id, told)).put_new():
            return cancelled_at
        known = facts_of(program.program_id, order_id).cancellation
    return known.at if known is not None else cancelled_at


def refund(
    program: Program, order_id: str, refund_id: str, refunded_at: datetime, lines: Sequence[RefundLine]
) -> RefundRecorded:
    """Record a refund, before or after its order; more than was paid is kept, flagged, and counts up to what was paid.

    Raises Invalid `time_out_of_range`, `unknown_line`; Conflict `exists_with_different_content`, `too_many_refunds`.
    """
    facts = facts_of(program.program_id, order_id)
    told = Refund(refund_id, refunded_at, tuple(lines), program.now())
    known = _refund_of(facts, refund_id)
    if known is None:
        _refuse_refund(program, facts, told)
        if _told(program, tables.refund_item(program.program_id, order_id, told)).put_new():
            return RefundRecorded(told, _flags(replace(facts, refunds=(*facts.refunds, told)), told), new=True)
        facts = facts_of(program.program_id, order_id)
        known = _refund_of(facts, refund_id) or told
    if (known.refunded_at, sorted(known.lines, key=str)) != (refunded_at, sorted(lines, key=str)):
        raise _different("This refund was told with other content before.")
    return RefundRecorded(known, _flags(facts, known), new=False)


def _refund_of(facts: Facts, refund_id: str) -> Refund | None:
    return next((refund for refund in facts.refunds if refund.refund_id == refund_id), None)


def _refuse_refund(program: Program, facts: Facts, told: Refund) -> None:
    _refuse_far_times(program, refunded_at=told.refunded_at)
    if len(facts.refunds) >= REFUNDS_MAX:
        raise Conflict(Code.TOO_MANY_REFUNDS, f"An order may have {REFUNDS_MAX} refunds.")
    if facts.order is None:
        return
    known = {line.line_id for line in facts.order.content.lines}
    wrong = [
        FieldError(pointer("lines", i, "line_id"), Code.UNKNOWN_LINE, f"The order has no line {line.line_id}.")
        for i, line in enumerate(told.lines)
        if line.line_id not in known
    ]
    if wrong:
        raise Invalid(Code.UNKNOWN_LINE, "The refund names lines that the order lacks.", wrong)


def _flags(facts: Facts, refund: Refund) -> tuple[Flag, ...]:
    """The order's flags that this refund has to do with."""
    if facts.order is None:
        return ()
    paid = {line.line_id: line.paid_minor for line in facts.order.content.lines}
    back = facts.refunded
    mine = [line.line_id for line in refund.lines]
    over = any(back[line_id][0] > paid.get(line_id, back[line_id][0]) for line_id in mine)
    unknown = any(line_id not in paid for line_id in mine)
    return (Flag.OVER_REFUND,) * over + (Flag.UNKNOWN_LINE,) * unknown


def attribute_by_hand(
    caller: Caller, program: Program, order_id: str, distributor_id: str | None, reason: str
) -> Attribution:
    """Say by hand whose a paid order is, None: nobody's. What was booked is taken back and booked anew by the stream.

    Raises NotFound; Conflict `not_attributable` (unpaid, another currency), `distributor_not_approved`,
    `too_many_changes`; Invalid `unknown_distributor`.
    """
    order, facts = get(program.program_id, order_id)
    if order.content.paid_at is None:
        raise Conflict(Code.NOT_ATTRIBUTABLE, "An order that isn't paid is nobody's yet.")
    if distributor_id is not None:
        if order.content.currency != program.currency:
            raise Conflict(Code.NOT_ATTRIBUTABLE, f"The program pays in {program.currency} only.")
        _refuse_earner(program, distributor_id, order.content.paid_at)
    hands = facts.hand_attributions
    if hands and (hands[-1].distributor_id, hands[-1].reason) == (distributor_id, reason):
        return by_hand(distributor_id)
    if len(hands) >= HAND_ATTRIBUTIONS_MAX:
        raise Conflict(Code.TOO_MANY_CHANGES, f"An order may be attributed by hand {HAND_ATTRIBUTIONS_MAX} times.")
    hand = HandAttribution(len(hands) + 1, distributor_id, reason, caller.actor, program.now())
    row = access.audit_row(
        caller, hand.received_at, "order.attribute", order_id, reason=reason, detail={"distributor_id": distributor_id}
    )
    try:
        transact(Put(_told(program, tables.hand_attribution_item(program.program_id, order_id, hand))), Put(row))
    except Refused:
        raise changed_meanwhile() from None
    return by_hand(distributor_id)


def by_hand(distributor_id: str | None) -> Attribution:
    """The attribution that an operator's word makes."""
    return Attribution(distributor_id is not None, distributor_id, Reason.MANUAL, ())


def attribution_of(order: Order, facts: Facts) -> Attribution:
    """Whose the order is now: by the last word of an operator, else as it was judged when it was paid."""
    hands = facts.hand_attributions
    return by_hand(hands[-1].distributor_id) if hands else order.attribution


def _refuse_earner(program: Program, distributor_id: str, paid_at: datetime) -> None:
    distributor = distributors.find(program.program_id, distributor_id)
    if distributor is None:
        raise Invalid(Code.UNKNOWN_DISTRIBUTOR, f"There is no distributor {distributor_id}.")
    if not distributor.approved_at(paid_at):
        detail = "The distributor was not approved when the order was paid."
        raise Conflict(Code.DISTRIBUTOR_NOT_APPROVED, detail)


def _told(program: Program, item: FactItem) -> FactItem:
    """A fact, in the list of what was told if its program has one."""
    return item.listed(_told_list(program.program_id) if program.mode is Mode.TEST else None)


def _told_list(program_id: str) -> str:
    return f"{program_id}#told"


told_since: Final = tables.told_since
"""The orders of which anything was told at an instant or later, by pages of the whole table."""


def told_to_test(program_id: str, at: datetime) -> set[str]:
    """The orders of a test program of which something other than the order itself was told at an instant or later."""
    told = OrderItem.by_day.query(_told_list(program_id), OrderItem.paid_at >= clock.stored(at))
    return {tables.ids_of(item.pk)[1] for item in told}


def paid_on(
    program: Program, day: date, limit: int, places: dict[str, Key] | None
) -> tuple[list[OrderPlace], dict[str, Key] | None]:
    """The orders paid on a local day, last paid first, and where the list goes on."""
    start = places or {}
    sources = {
        key: OrderItem.by_day.query(
            key, scan_index_forward=False, page_size=limit + 1, last_evaluated_key=start.get(key)
        )
        for key in (_shard_key(program, day, shard) for shard in range(_DAY_SHARDS[program.mode]))
    }
    found, further = merged_page(sources, _paid_order, _index_key, limit)
    orders = [OrderPlace(tables.ids_of(item.pk)[1], clock.read(str(item.paid_at)), day) for item in found]
    return orders, None if further is None else {**start, **further}


def shards_a_day(program: Program) -> int:
    """Into how many partitions a paid day's index is split: as many queries a page of a day costs."""
    return _DAY_SHARDS[program.mode]


def after(program: Program, place: OrderPlace, places: dict[str, Key]) -> dict[str, Key]:
    """Where a day's list goes on after one of its orders, given where it stood before it."""
    shard = _day_key(program, place.day, place.order_id)
    item = OrderItem(tables.order_pk(program.program_id, place.order_id), "order", day=shard)
    item.paid_at = clock.stored(place.paid_at)
    return {**places, shard: _index_key(item)}


def _paid_order(item: OrderItem) -> str:
    return f"{item.paid_at}#{item.pk}"


def _index_key(item: OrderItem) -> Key:
    return {name: {"S": str(getattr(item, name))} for name in ("day", "paid_at", "pk", "sk")}


def _day_key(program: Program, day: date, order_id: str) -> str:
    return _shard_key(program, day, ids.shard(order_id, _DAY_SHARDS[program.mode]))


def _shard_key(program: Program, day: date, shard: int) -> str:
    return f"{program.program_id}#{day.isoformat()}#{shard}"


def _refuse_far_times(program: Program, **times: datetime | None) -> None:
    now = program.now()
    far = [
        FieldError(
            pointer(name), Code.TIME_OUT_OF_RANGE, "At most 10 minutes ahead of the program's clock, 400 days back."
        )
        for name, at in times.items()
        if at is not None and not clock.within_reach(at, now)
    ]
    if far:
        raise Invalid(Code.TIME_OUT_OF_RANGE, f"The program's clock stands at {clock.shown(now)}.", far)


def _nobody(reason: Reason) -> Attribution:
    return Attribution(False, None, reason, ())


def _different(detail: str) -> Conflict:
    return Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, detail)
