"""Commissions and explanations over HTTP; and single orders, which are shown to who earns from them."""

import re
from functools import partial
from typing import Annotated, Any

from msgspec.structs import asdict
from pydantic import Field

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.commissions import service
from chalicelib.commissions.model import Beneficiary, Commission, CommissionStatus, Decision, Share, TierTarget
from chalicelib.commissions.service import DayPlace, Explanation, Wanted
from chalicelib.distributors import service as distributors
from chalicelib.orders import service as orders
from chalicelib.orders.routes import OrderAnswer, TriedAnswer, order_answer
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.referrals.model import Reason
from chalicelib.shared import clock, http, pages
from chalicelib.shared.errors import Code, NotFound
from chalicelib.shared.money import BP

routes = Routes(__name__)

_COMMISSION_ID = re.compile(r"com_([1-3])_([0-9A-HJKMNP-TV-Z]{26})_(.+)")


class CommissionFilters(http.Query):
    """Which commissions. `from` and `to` are half-open on `paid_at`."""

    distributor_id: http.ExternalId | None = None
    order_id: http.ExternalId | None = None
    status: CommissionStatus | None = None
    since: Annotated[http.Time | None, Field(alias="from")] = None
    until: Annotated[http.Time | None, Field(alias="to")] = None

    def wanted(self) -> Wanted:
        """The filters as the service takes them."""
        return Wanted(self.status, self.since, self.until)

    def bound(self, program_id: str, mine: str | None) -> tuple[object, ...]:
        """What a cursor of such a list is bound to."""
        filters = self.model_dump(mode="json", exclude={"limit", "cursor"})
        return "commissions", program_id, mine, sorted(filters.items(), key=str)


class CommissionsQuery(CommissionFilters, http.ListQuery):
    """Which commissions, and how many at once."""


class CommissionsExportQuery(CommissionFilters, http.ExportQuery):
    """Which commissions."""


class CommissionAnswer(http.Answer):
    """One order's commission of one tier for one beneficiary, as it stands."""

    commission_id: str
    order_id: str
    tier: int
    distributor_id: str
    amount_minor: int
    currency: str
    status: CommissionStatus
    paid_at: http.Shown
    available_at: http.Shown | None


class ShareAnswer(http.Answer):
    """One line's part. `exact`: a fraction of minor units, before floor and cap."""

    line_id: str
    base_minor: int
    rule: str
    rate_bp: int
    fixed_minor: int
    exact: str


class TierAnswer(http.Answer):
    """What one of the chain gets, line by line; an upline that can't be paid is told with its reason."""

    tier: int
    distributor_id: str
    level: int | None
    target_minor: int
    lines: list[ShareAnswer]
    status: CommissionStatus
    reason: Reason | None
    available_at: http.Shown | None


class DecisionAnswer(http.Answer):
    """One decision of the order's journal."""

    n: int
    at: http.Shown
    targets: list[int]
    deltas: list[int]
    cause: str


class ExplanationAnswer(http.Answer):
    """Why the order pays what it pays, or nobody. `decided` false: the stream hasn't caught up yet."""

    order_id: str
    credited: bool
    distributor_id: str | None
    reason: Reason
    tried: list[TriedAnswer]
    plan_version: int | None
    tiers: list[TierAnswer]
    decided: bool
    decisions: list[DecisionAnswer]


class CommissionDetailAnswer(CommissionAnswer):
    """A commission with its derivation: the order's explanation."""

    derivation: ExplanationAnswer


@routes.get("/v1/orders/{order_id}", "S O A D", answer=OrderAnswer)
def show_order(call: Call, order_id: str) -> OrderAnswer:
    """One order; a distributor sees those it earns from."""
    _own_order(call, order_id)
    return order_answer(*orders.get(call.program_id, order_id))


@routes.get("/v1/orders/{order_id}/explanation", "S O A D", answer=ExplanationAnswer)
def explain_order(call: Call, order_id: str) -> ExplanationAnswer:
    """Why an order pays what it pays, or nobody."""
    _own_order(call, order_id)
    return _explanation(service.explain(programs.get(call.program_id), order_id))


@routes.get("/v1/commissions", "O A D", query=CommissionsQuery, answer=http.Listed[CommissionAnswer])
def list_commissions(call: Call, query: CommissionsQuery) -> http.Listed[CommissionAnswer]:
    """Commissions by distributor, by order, or of the whole program, last first. A page may be short."""
    program = programs.get(call.program_id)
    mine = call.caller.distributor_id or query.distributor_id
    if query.distributor_id not in (None, mine):
        raise NotFound(Code.NOT_FOUND, f"There is no distributor {query.distributor_id}.")
    bound = query.bound(program.program_id, mine)
    rows, further = _found(program, query, mine, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(data=[_commission(row) for row in rows], next_cursor=pages.cursor(further, *bound))


@routes.get("/v1/exports/commissions.csv", "O A", query=CommissionsExportQuery, gives=("text/csv",))
def export_commissions(call: Call, query: CommissionsExportQuery) -> Reply:
    """Commissions as a table (CSV) of up to 2,000 rows; `X-Next-Cursor` is where it goes on."""
    program, mine = programs.get(call.program_id), query.distributor_id
    bound = query.bound(program.program_id, mine)
    read = partial(_found, program, query, mine)
    rows, further = pages.gathered(read, pages.place(query.cursor, *bound))
    table = http.as_csv(CommissionAnswer, map(_commission, rows))
    return Reply.table(table, pages.cursor(further, *bound))


@routes.get(
    "/v1/distributors/{distributor_id}/commissions",
    "O A D",
    query=CommissionsQuery,
    answer=http.Listed[CommissionAnswer],
)
def list_commissions_of(call: Call, distributor_id: str, query: CommissionsQuery) -> http.Listed[CommissionAnswer]:
    """One distributor's commissions, last decided first."""
    call.own(distributor_id)
    return list_commissions(call, query.model_copy(update={"distributor_id": distributor_id}))


@routes.get("/v1/commissions/{commission_id}", "O A D", answer=CommissionDetailAnswer)
def show_commission(call: Call, commission_id: str) -> CommissionDetailAnswer:
    """One commission, with the whole derivation."""
    named = _COMMISSION_ID.fullmatch(commission_id)
    if named is None:
        raise NotFound(Code.NOT_FOUND, "There is no such commission.")
    tier, distributor_id, order_id = int(named[1]), f"dst_{named[2]}", named[3]
    if call.caller.distributor_id not in (None, distributor_id):
        raise NotFound(Code.NOT_FOUND, "There is no such commission.")
    explained = service.explain(programs.get(call.program_id), order_id)
    row = service.named(explained.commissions, tier, distributor_id)
    return CommissionDetailAnswer(
        **asdict(_commission(row)),
        derivation=_explanation(explained),
    )


@routes.get("/v1/distributors/{distributor_id}/orders", "O A D", query=http.ListQuery, answer=http.Listed[OrderAnswer])
def list_orders_of(call: Call, distributor_id: str, query: http.ListQuery) -> http.Listed[OrderAnswer]:
    """The orders a distributor was credited with as their seller, last decided first. A page may be short."""
    call.own(distributor_id)
    program = programs.get(call.program_id)
    bound = ("orders-of", program.program_id, distributor_id)
    distributor = distributors.get(program.program_id, distributor_id)
    found, further = service.sold_by(program, distributor, query.limit, pages.place(query.cursor, *bound))
    answers = [order_answer(*orders.get(program.program_id, order_id)) for order_id in found]
    return http.Listed(data=answers, next_cursor=pages.cursor(further, *bound))


def _own_order(call: Call, order_id: str) -> None:
    """Keep a distributor to the orders it earns from. Raises NotFound."""
    mine = call.caller.distributor_id
    if mine is not None and mine not in service.earners(service.journal_of(call.program_id, order_id)):
        raise NotFound(Code.NOT_FOUND, f"There is no order {order_id}.")


def _found(
    program: Program, query: CommissionFilters, mine: str | None, limit: int, place: Any
) -> tuple[list[Commission], Any]:
    """A page of a list of commissions, and where it goes on."""
    if query.order_id is not None:
        return _of_order(program, query, mine, limit, place)
    if mine is None:
        return _of_program(program, query, limit, place)
    distributor = distributors.get(program.program_id, mine)
    return service.commissions_for(program, distributor, query.wanted(), limit, place)


def _of_order(
    program: Program, query: CommissionFilters, mine: str | None, limit: int, place: Any
) -> tuple[list[Commission], int | None]:
    wanted, start = query.wanted(), place or 0
    assert query.order_id is not None  # noqa: S101  (the caller has looked)
    journal = service.journal_of(program.program_id, query.order_id)
    rows = [
        row
        for row in service.commissions_of(program, query.order_id, journal)
        if wanted.takes(row) and mine in (None, row.distributor_id)
    ]
    end = start + limit
    return rows[start:end], end if end < len(rows) else None


def _of_program(program: Program, query: CommissionFilters, limit: int, place: Any) -> tuple[list[Commission], Any]:
    start = None if place is None else DayPlace(clock.day(place[0]), place[1], place[2])
    rows, further = service.commissions_in(program, query.wanted(), limit, start)
    return rows, None if further is None else [further.day.isoformat(), further.places, further.skip]


def _commission(row: Commission) -> CommissionAnswer:
    return CommissionAnswer(
        commission_id=row.commission_id,
        order_id=row.order_id,
        tier=row.tier,
        distributor_id=row.distributor_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        status=row.status,
        paid_at=row.paid_at,
        available_at=row.available_at,
    )


def _explanation(explained: Explanation) -> ExplanationAnswer:
    attribution, opener = explained.attribution, explained.opener
    return ExplanationAnswer(
        order_id=explained.order.order_id,
        credited=explained.credited,
        distributor_id=attribution.distributor_id if opener is None else opener.distributor_id,
        reason=explained.reason,
        tried=[TriedAnswer(evidence=step.evidence, result=step.result) for step in attribution.tried],
        plan_version=explained.plan_version,
        tiers=_tiers(explained),
        decided=explained.decided,
        decisions=[_decision(decision) for decision in explained.journal],
    )


def _tiers(explained: Explanation) -> list[TierAnswer]:
    if explained.snapshot is None or explained.target is None:
        return []
    rank = explained.journal[-1].rank
    standing = {(row.tier, row.distributor_id): row for row in explained.commissions}
    tiers = zip(explained.snapshot.chain, explained.target.tiers, strict=False)
    return [_tier(one, tier, standing.get((one.tier, one.distributor_id)), rank) for one, tier in tiers]


def _tier(one: Beneficiary, tier: TierTarget, standing: Commission | None, rank: int | None) -> TierAnswer:
    return TierAnswer(
        tier=one.tier,
        distributor_id=one.distributor_id,
        level=rank if one.tier == 1 else None,
        target_minor=tier.target_minor,
        lines=[_share(share) for share in tier.shares],
        status=CommissionStatus.VOID if standing is None else standing.status,
        reason=one.reason,
        available_at=None if standing is None else standing.available_at,
    )


def _share(share: Share) -> ShareAnswer:
    return ShareAnswer(
        line_id=share.line_id,
        base_minor=share.base_minor,
        rule=share.rule,
        rate_bp=share.rate_bp,
        fixed_minor=share.fixed_minor,
        exact=fraction(share.exact),
    )


def fraction(ten_thousandths: int) -> str:
    """Ten-thousandths of a minor unit as a fraction: over 100 where that is exact, as people reckon in per cent."""
    percents, rest = divmod(ten_thousandths, 100)
    return f"{ten_thousandths}/{BP}" if rest else f"{percents}/100"


def _decision(decision: Decision) -> DecisionAnswer:
    return DecisionAnswer(
        n=decision.n,
        at=decision.at,
        targets=list(decision.targets),
        deltas=list(decision.deltas),
        cause=decision.cause,
    )
