"""Accounts over HTTP: balances, statements, adjustments."""

from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.accounts import service
from chalicelib.accounts.model import Adjustment, AdjustmentFilter, AdjustmentKind, AdjustmentStatus
from chalicelib.accounts.service import StatementPlace
from chalicelib.distributors import service as distributors
from chalicelib.ledger.model import Entry, Kind
from chalicelib.ledger.service import Settled
from chalicelib.programs import service as programs
from chalicelib.shared import clock, http, money, pages
from chalicelib.shared.errors import Code, FieldError, Invalid, pointer

routes = Routes(__name__)


def _not_zero(amount_minor: int) -> int:
    if not amount_minor:
        raise ValueError("an adjustment of 0 changes nothing")
    return amount_minor


class AdjustmentBody(http.Body):
    """Whose account, by how much (negative: taken), and why."""

    distributor_id: http.ExternalId
    amount_minor: Annotated[int, Field(ge=-money.MINOR_MAX, le=money.MINOR_MAX), AfterValidator(_not_zero)]
    reason: http.Reason


class ApprovalBody(http.Body):
    """Nothing is asked."""


class WriteOffBody(http.Body):
    """Why the debt is given up."""

    reason: http.Reason


class AdjustmentsQuery(http.ListQuery):
    """Which adjustments."""

    status: AdjustmentStatus | None = None
    distributor_id: http.ExternalId | None = None


class StatementExportQuery(http.ExportQuery):
    """Whose statement; a distributor may leave it out."""

    distributor_id: http.ExternalId | None = None


class BalanceAnswer(http.Answer):
    """Where a distributor's money stands. `held` is asked for and on its way, `paid` is gross of fee and tax."""

    currency: str
    pending_minor: int
    available_minor: int
    held_minor: int
    paid_minor: int
    as_of: http.Shown


class StatementLineAnswer(http.Answer):
    """One entry: what moved from where to where, when, and why. It is about an order, a withdrawal or an adjustment."""

    entry_id: str
    at: http.Shown
    kind: Kind
    cause: str
    order_id: str | None
    tier: int | None
    withdrawal_id: str | None
    adjustment_id: str | None
    debit_account: str
    credit_account: str
    amount_minor: int
    currency: str


class AdjustmentAnswer(http.Answer):
    """An adjustment. Once approved it is settled on the day that begins at `available_at`."""

    adjustment_id: str
    distributor_id: str
    kind: AdjustmentKind
    amount_minor: int
    currency: str
    reason: str
    status: AdjustmentStatus
    requested_by: str
    requested_at: http.Shown
    approved_by: str | None
    approved_at: http.Shown | None
    available_at: http.Shown | None


@routes.get("/v1/distributors/{distributor_id}/balance", "O A D", answer=BalanceAnswer)
def show_balance(call: Call, distributor_id: str) -> BalanceAnswer:
    """Where its money stands: pending, available, held, paid."""
    call.own(distributor_id)
    program = programs.get(call.program_id)
    stands = service.balance(program, distributors.get(program.program_id, distributor_id))
    return BalanceAnswer(
        currency=program.currency,
        pending_minor=stands.pending_minor,
        available_minor=stands.available_minor,
        held_minor=stands.held_minor,
        paid_minor=stands.paid_minor,
        as_of=program.now(),
    )


@routes.get(
    "/v1/distributors/{distributor_id}/statement",
    "O A D",
    query=http.ListQuery,
    answer=http.Listed[StatementLineAnswer],
)
def show_statement(call: Call, distributor_id: str, query: http.ListQuery) -> http.Listed[StatementLineAnswer]:
    """Its ledger entries, newest first; they sum to its balance."""
    call.own(distributor_id)
    program = programs.get(call.program_id)
    bound = ("statement", program.program_id, distributor_id)
    distributor = distributors.get(program.program_id, distributor_id)
    entries, further = service.statement(program, distributor, query.limit, _place(pages.place(query.cursor, *bound)))
    return http.Listed(data=[_line(entry) for entry in entries], next_cursor=pages.cursor(_packed(further), *bound))


@routes.get("/v1/exports/statement.csv", "O A D", query=StatementExportQuery, gives=("text/csv",))
def export_statement(call: Call, query: StatementExportQuery) -> Reply:
    """A statement as a table (CSV) of up to 2,000 lines; `X-Next-Cursor` is where it goes on."""
    distributor_id = query.distributor_id or call.caller.distributor_id
    if distributor_id is None:
        wrong = FieldError(pointer("distributor_id"), Code.INVALID_REQUEST, "Say whose statement.")
        raise Invalid(Code.INVALID_REQUEST, wrong.message, [wrong])
    call.own(distributor_id)
    program = programs.get(call.program_id)
    bound = ("statement", program.program_id, distributor_id)
    read = partial(service.statement, program, distributors.get(program.program_id, distributor_id))
    entries, further = pages.gathered(read, _place(pages.place(query.cursor, *bound)))
    return Reply.table(http.as_csv(StatementLineAnswer, map(_line, entries)), pages.cursor(_packed(further), *bound))


@routes.post("/v1/adjustments", "O", body=AdjustmentBody, answer=AdjustmentAnswer, status=201)
def request_adjustment(call: Call, body: AdjustmentBody) -> Reply:
    """Ask to add an amount to a distributor's account, or to take it; needs an Idempotency-Key."""
    asked = (body.distributor_id, body.amount_minor, body.reason, call.needed_key)
    made, new = service.request_adjustment(call.caller, programs.get(call.program_id), *asked)
    return Reply(201 if new else 200, _adjustment(made))


@routes.post("/v1/adjustments/{adjustment_id}/approve", "O", body=ApprovalBody, answer=AdjustmentAnswer)
def approve_adjustment(call: Call, adjustment_id: str, body: ApprovalBody) -> AdjustmentAnswer:
    """Approve what another actor has asked for; in the balance after the next settlement."""
    return _adjustment(service.approve_adjustment(call.caller, programs.get(call.program_id), adjustment_id))


@routes.get("/v1/adjustments", "O A", query=AdjustmentsQuery, answer=http.Listed[AdjustmentAnswer])
def list_adjustments(call: Call, query: AdjustmentsQuery) -> http.Listed[AdjustmentAnswer]:
    """Adjustments and write-offs, newest first."""
    bound = ("adjustments", call.program_id, query.status, query.distributor_id)
    which = AdjustmentFilter(query.status, query.distributor_id)
    place = pages.place(query.cursor, *bound)
    found, further = service.list_adjustments(call.program_id, which, query.limit, place)
    return http.Listed(data=[_adjustment(one) for one in found], next_cursor=pages.cursor(further, *bound))


@routes.post("/v1/distributors/{distributor_id}/write-off", "O", body=WriteOffBody, answer=AdjustmentAnswer, status=201)
def request_write_off(call: Call, distributor_id: str, body: WriteOffBody) -> Reply:
    """Ask to give up its debt, as it is now; needs an Idempotency-Key, and another actor's approval."""
    asked = (distributor_id, body.reason, call.needed_key)
    made, new = service.request_write_off(call.caller, programs.get(call.program_id), *asked)
    return Reply(201 if new else 200, _adjustment(made))


def _packed(place: StatementPlace | None) -> Any:
    if place is None:
        return None
    settled = place.settled and [clock.stored(place.settled.until), clock.stored(place.settled.cutoff)]
    return [settled, clock.stored(place.newest), place.places]


def _place(packed: Any) -> StatementPlace | None:
    if packed is None:
        return None
    settled, newest, places = packed
    return StatementPlace(settled and Settled(*map(clock.read, settled)), clock.read(newest), places)


def _line(entry: Entry) -> StatementLineAnswer:
    withdrawal, adjustment = entry.kind.of_withdrawal, entry.kind is Kind.ADJUST
    order = not (withdrawal or adjustment)
    return StatementLineAnswer(
        entry_id=entry.entry_id,
        at=entry.moves_at,
        kind=entry.kind,
        cause=entry.cause,
        order_id=entry.about if order else None,
        tier=entry.tier if order else None,
        withdrawal_id=entry.about if withdrawal else None,
        adjustment_id=entry.about if adjustment else None,
        debit_account=entry.debit,
        credit_account=entry.credit,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
    )


def _adjustment(one: Adjustment) -> AdjustmentAnswer:
    return AdjustmentAnswer(
        adjustment_id=one.adjustment_id,
        distributor_id=one.distributor_id,
        kind=one.kind,
        amount_minor=one.amount_minor,
        currency=one.currency,
        reason=one.reason,
        status=one.status,
        requested_by=one.requested_by,
        requested_at=one.requested_at,
        approved_by=one.approved_by,
        approved_at=one.approved_at,
        available_at=one.available_at,
    )
