"""Withdrawals over HTTP, and the results that a bank's file tells."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import UNSET, UnsetType
from pydantic import Field

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.access.model import Caller, Scope
from chalicelib.payouts import service as payouts
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import http, pages
from chalicelib.shared.errors import Code, TooLarge, Unsupported
from chalicelib.withdrawals import rules, service
from chalicelib.withdrawals.model import Status, Withdrawal
from chalicelib.withdrawals.service import Wanted

routes = Routes(__name__)

_FILES: Final = ("text/csv", "application/octet-stream")
"""As what a file may be sent; one in GB18030 only as the second."""


class Resolution(StrEnum):
    """What an operator found out about a withdrawal whose channel can't be asked any more."""

    PAID = "paid"
    FAILED = "failed"


class WithdrawalBody(http.Body):
    """How much, whose, and where to."""

    distributor_id: http.ExternalId
    amount_minor: http.Minor
    method_id: http.ExternalId


class WhyBody(http.Body):
    """Why, for the history and the audit log, if there is something to say."""

    reason: http.Reason | None = None


class ReasonBody(http.Body):
    """Why, for the history and the audit log."""

    reason: http.Reason


class ResolutionBody(http.Body):
    """What became of it, and how one knows."""

    outcome: Resolution = Field(strict=False)
    reason: http.Reason


class WithdrawalsQuery(http.ListQuery):
    """Which withdrawals. `late`: those that should have arrived by now and haven't, or the others."""

    status: Status | None = None
    late: bool | None = None
    distributor_id: http.ExternalId | None = None


class AttemptAnswer(http.Answer):
    """One try to pay, under a reference of its own."""

    n: int
    reference: str
    status: Status
    at: http.Shown
    batch_id: str | None


class StepAnswer(http.Answer):
    """One change of status."""

    status: Status
    at: http.Shown
    actor: str
    reason: str | None


class WithdrawalAnswer(http.Answer):
    """A withdrawal. Fee, tax and net are null until it is released; `history` is left out for distributors."""

    withdrawal_id: str
    distributor_id: str
    amount_minor: int
    fee_minor: int | None
    tax_minor: int | None
    net_minor: int | None
    currency: str
    method_id: str
    channel: str
    masked: str
    status: Status
    requested_at: http.Shown
    requested_by: str
    approved_at: http.Shown | None
    promised_by: http.Shown | None
    late: bool
    paid_at: http.Shown | None
    reason: str | None
    attempts: list[AttemptAnswer]
    history: list[StepAnswer] | UnsetType = UNSET


class AppliedAnswer(http.Answer):
    """How many rows of a file changed something, and how many were known."""

    applied: int
    unchanged: int


@routes.post("/v1/withdrawals", "O D", body=WithdrawalBody, answer=WithdrawalAnswer, status=201)
def request_withdrawal(call: Call, body: WithdrawalBody) -> Reply:
    """Ask for a withdrawal; needs an Idempotency-Key. Up to the plan's limit it is approved at once."""
    call.own(body.distributor_id)
    asked = (body.distributor_id, body.amount_minor, body.method_id, call.needed_key)
    program = programs.get(call.program_id)
    withdrawal, new = service.request(call.caller, program, *asked)
    return Reply(201 if new else 200, _answer(call, program, withdrawal))


@routes.get("/v1/withdrawals", "O A D", query=WithdrawalsQuery, answer=http.Listed[WithdrawalAnswer])
def list_withdrawals(call: Call, query: WithdrawalsQuery) -> http.Listed[WithdrawalAnswer]:
    """Withdrawals, newest first; a distributor sees its own."""
    distributor_id = query.distributor_id or call.caller.distributor_id
    if distributor_id is not None:
        call.own(distributor_id)
    program, which = programs.get(call.program_id), Wanted(query.status, query.late)
    bound = ("withdrawals", call.program_id, distributor_id, query.status, query.late)
    place = pages.place(query.cursor, *bound)
    if distributor_id is None:
        found, further = service.list_withdrawals(program, which, query.limit, place)
    else:
        found, further = service.list_of(program, distributor_id, which, query.limit, place)
    return http.Listed(data=[_answer(call, program, each) for each in found], next_cursor=pages.cursor(further, *bound))


@routes.get("/v1/withdrawals/{withdrawal_id}", "O A D", answer=WithdrawalAnswer)
def show_withdrawal(call: Call, withdrawal_id: str) -> WithdrawalAnswer:
    """One withdrawal with its attempts; a distributor sees its own."""
    withdrawal = service.get(call.program_id, withdrawal_id)
    call.own(withdrawal.distributor_id)
    return _answer(call, programs.get(call.program_id), withdrawal)


@routes.post("/v1/withdrawals/{withdrawal_id}/approve", "O", body=WhyBody, answer=WithdrawalAnswer)
def approve_withdrawal(call: Call, withdrawal_id: str, body: WhyBody) -> WithdrawalAnswer:
    """Let one above the plan's limit go out; by another actor than the one who asked for it."""
    return _change(call, withdrawal_id, service.approve, body)


@routes.post("/v1/withdrawals/{withdrawal_id}/reject", "O", body=ReasonBody, answer=WithdrawalAnswer)
def reject_withdrawal(call: Call, withdrawal_id: str, body: ReasonBody) -> WithdrawalAnswer:
    """Don't pay one above the plan's limit; its money is available again."""
    program = programs.get(call.program_id)
    rejected = service.reject(call.caller, program, withdrawal_id, body.reason, call.idempotency_key)
    return _answer(call, program, rejected)


@routes.post("/v1/withdrawals/{withdrawal_id}/cancel", "O D", body=WhyBody, answer=WithdrawalAnswer)
def cancel_withdrawal(call: Call, withdrawal_id: str, body: WhyBody) -> WithdrawalAnswer:
    """Call one off before it is sent; its money is available again."""
    return _change(call, withdrawal_id, service.cancel, body)


@routes.post("/v1/withdrawals/{withdrawal_id}/retry", "O", body=WhyBody, answer=WithdrawalAnswer)
def retry_withdrawal(call: Call, withdrawal_id: str, body: WhyBody) -> WithdrawalAnswer:
    """Try one that has failed again, with the next release; its money is held again."""
    return _change(call, withdrawal_id, service.retry, body)


@routes.post("/v1/withdrawals/{withdrawal_id}/resolve", "O", body=ResolutionBody, answer=WithdrawalAnswer)
def resolve_withdrawal(call: Call, withdrawal_id: str, body: ResolutionBody) -> WithdrawalAnswer:
    """Say what became of one in `manual`; by another actor than the one who asked for it."""
    program, paid = programs.get(call.program_id), body.outcome is Resolution.PAID
    asked = (withdrawal_id, paid, body.reason, call.idempotency_key)
    return _answer(call, program, service.resolve(call.caller, program, *asked))


@routes.post("/v1/payouts/batches/{batch_id}/results", "O", answer=AppliedAnswer, takes=_FILES)
def apply_results(call: Call, batch_id: str) -> AppliedAnswer:
    """Take a bank's file of results, `reference,result`, in UTF-8 or GB18030: all of it or nothing."""
    rows = payouts.read_results(_csv())
    applied = service.apply_results(call.caller, programs.get(call.program_id), batch_id, rows)
    return AppliedAnswer(applied=applied.applied, unchanged=applied.unchanged)


def _change(
    call: Call,
    withdrawal_id: str,
    change: Callable[[Caller, Program, str, str | None, str | None], Withdrawal],
    body: WhyBody,
) -> WithdrawalAnswer:
    program = programs.get(call.program_id)
    return _answer(call, program, change(call.caller, program, withdrawal_id, body.reason, call.idempotency_key))


def _csv() -> bytes:
    """The body as it came. API Gateway hands on bytes that are no UTF-8 only as bytes. Raises Unsupported, TooLarge."""
    request = routes.blueprint.current_request
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _FILES:
        raise Unsupported(Code.UNSUPPORTED_MEDIA_TYPE, f"Send {' or '.join(_FILES)}, not {kind[:100] or 'nothing'}.")
    raw = request.raw_body
    content = raw.encode() if isinstance(raw, str) else raw
    if len(content) > http.BODY_MAX:
        raise TooLarge(Code.BODY_TOO_LARGE, f"A file may have {http.BODY_MAX:,} bytes; this one has {len(content):,}.")
    return content


def _answer(call: Call, program: Program, withdrawal: Withdrawal) -> WithdrawalAnswer:
    split = withdrawal.split
    own = call.caller.scope is Scope.DISTRIBUTOR
    return WithdrawalAnswer(
        withdrawal_id=withdrawal.withdrawal_id,
        distributor_id=withdrawal.distributor_id,
        amount_minor=withdrawal.amount_minor,
        fee_minor=None if split is None else split.fee_minor,
        tax_minor=None if split is None else split.tax_minor,
        net_minor=None if split is None else split.net_minor,
        currency=withdrawal.currency,
        method_id=withdrawal.method_id,
        channel=withdrawal.channel,
        masked=withdrawal.masked,
        status=withdrawal.status,
        requested_at=withdrawal.requested_at,
        requested_by=withdrawal.requested_by,
        approved_at=withdrawal.approved_at,
        promised_by=withdrawal.promised_by,
        late=rules.is_late(withdrawal, program.now()),
        paid_at=withdrawal.paid_at,
        reason=withdrawal.reason,
        attempts=_attempts(withdrawal),
        history=UNSET if own else _history(withdrawal),
    )


def _attempts(withdrawal: Withdrawal) -> list[AttemptAnswer]:
    return [
        AttemptAnswer(n=each.n, reference=each.reference, status=each.status, at=each.at, batch_id=each.batch_id)
        for each in withdrawal.attempts
    ]


def _history(withdrawal: Withdrawal) -> list[StepAnswer]:
    return [
        StepAnswer(status=step.status, at=step.at, actor=step.actor, reason=step.reason) for step in withdrawal.history
    ]
