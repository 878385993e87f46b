"""The `decisions` table: an order's journal, put if absent, never changed. pk=`{program}#{order}`, sk=`{n:06}`."""

import zlib
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from pynamodb.attributes import UnicodeAttribute

from chalicelib.catalog.model import RuleMode
from chalicelib.commissions.model import Beneficiary, Cause, Decision, ProductTerms, Snapshot
from chalicelib.referrals.model import Reason
from chalicelib.shared import clock
from chalicelib.shared.tables import JsonAttribute, Table

_FIRST: Final = f"{1:06}"
UNREADABLE: Final = (zlib.error, ValueError, LookupError, TypeError)
"""What reading an item raises that isn't one of ours."""


class DecisionItem(Table):
    """One decision, whole, as compressed JSON: nearly all fit one write unit."""

    room = "decisions"

    class Meta:
        """pynamodb's."""

    at = UnicodeAttribute()
    body = JsonAttribute(attr_name="b")


def decision_item(program_id: str, order_id: str, decision: Decision) -> DecisionItem:
    """A decision as an item."""
    body = {
        "cause": decision.cause.value,
        "attribution": decision.attribution,
        "distributor_id": decision.distributor_id,
        "reason": decision.reason.value,
        "opened_by": decision.opened_by,
        "snapshot": None if decision.snapshot is None else _packed(decision.snapshot),
        "rank": decision.rank,
        "targets": decision.targets,
        "deltas": decision.deltas,
        "exact": decision.exact,
        "base_minor": decision.base_minor,
        "base_delta": decision.base_delta,
        "count": decision.count,
        "count_delta": decision.count_delta,
        "counts_on": decision.counts_on.isoformat(),
        "available_at": None if decision.available_at is None else clock.stored(decision.available_at),
        "withdrawn": decision.withdrawn,
    }
    if not decision.rank_decided:
        body["provisional"] = True
    return DecisionItem(f"{program_id}#{order_id}", f"{decision.n:06}", at=clock.stored(decision.at), body=body)


def read_journal(program_id: str, order_id: str) -> list[Decision]:
    """An order's decisions, first to last, read consistently with one query."""
    return [decision_of(item) for item in DecisionItem.query(f"{program_id}#{order_id}", consistent_read=True)]


def first_decisions(program_id: str, order_ids: Sequence[str]) -> dict[str, Decision]:
    """The first decisions of these orders, of those that have one.

    One that can't be read counts as none: whoever decides its order will find out.
    """
    try:
        found = DecisionItem.find_many((f"{program_id}#{order_id}", _FIRST) for order_id in order_ids)
        return {item.pk.partition("#")[2]: decision_of(item) for item in found}
    except UNREADABLE:
        half = len(order_ids) // 2
        parts = (order_ids[:half], order_ids[half:]) if half else ()
        return {name: first for part in parts for name, first in first_decisions(program_id, part).items()}


def first_look(program_id: str, order_id: str) -> list[Decision]:
    """The journal, unless a batch has already seen that it is empty: then another worker may have begun it since."""
    begun = DecisionItem.find(f"{program_id}#{order_id}", _FIRST, consistent=True)
    return [] if begun is None else read_journal(program_id, order_id)


def decision_of(item: DecisionItem) -> Decision:
    """The decision back."""
    body = item.body
    return Decision(
        n=int(item.sk),
        at=clock.read(item.at),
        cause=Cause(body["cause"]),
        attribution=body["attribution"],
        distributor_id=body["distributor_id"],
        reason=Reason(body["reason"]),
        opened_by=body["opened_by"],
        snapshot=None if body["snapshot"] is None else _snapshot(body["snapshot"]),
        rank=body["rank"],
        targets=tuple(body["targets"]),
        deltas=tuple(body["deltas"]),
        exact=tuple(body["exact"]),
        base_minor=body["base_minor"],
        base_delta=body["base_delta"],
        count=body["count"],
        count_delta=body["count_delta"],
        counts_on=date.fromisoformat(body["counts_on"]),
        available_at=None if body["available_at"] is None else clock.read(body["available_at"]),
        withdrawn=body["withdrawn"],
        rank_decided=not body.get("provisional", False),
    )


def _packed(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "plan": snapshot.plan_version,
        "track": snapshot.track,
        "currency": snapshot.currency,
        "paid_at": clock.stored(snapshot.paid_at),
        "chain": [[b.distributor_id, b.shard, b.reason] for b in snapshot.chain],
        "products": {sku: [t.mode, t.rate_bp, t.fixed_minor] for sku, t in snapshot.products.items()},
        "barred": sorted(snapshot.barred),
    }


def _snapshot(packed: dict[str, Any]) -> Snapshot:
    return Snapshot(
        packed["plan"],
        packed["track"],
        packed["currency"],
        clock.read(packed["paid_at"]),
        tuple(
            Beneficiary(tier, distributor_id, shard, None if reason is None else Reason(reason))
            for tier, (distributor_id, shard, reason) in enumerate(packed["chain"], start=1)
        ),
        {sku: ProductTerms(RuleMode(mode), rate, fixed) for sku, (mode, rate, fixed) in packed["products"].items()},
        frozenset(packed["barred"]),
    )
