"""Accounts over HTTP: balances and statements."""

from chalicelib.access.door import Call, Routes
from chalicelib.accounts import service
from chalicelib.distributors import service as distributors
from chalicelib.ledger.model import Entry, Kind
from chalicelib.programs import service as programs
from chalicelib.shared import http, pages

routes = Routes(__name__)


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
    entries, further = service.statement(program, distributor, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(data=[_line(entry) for entry in entries], next_cursor=pages.cursor(further, *bound))


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
    )
