"""Whose customer it is, and whose order: clicks, bindings, attribution.

Attribution happens in the request that tells of the order, and its answer is stored with the order.
"""

from datetime import datetime

from chalicelib.access.model import Caller
from chalicelib.programs.model import Plan, Program
from chalicelib.referrals.model import Attribution, Click, Customer, History, OrderEvidence, Outcome
from chalicelib.shared.tables import Key as Place


def attribute(program: Program, plan: Plan, order: OrderEvidence) -> Attribution:
    """Whose order it is, by the evidence as of `paid_at`, in the plan's precedence. `plan`: in force at `paid_at`.

    Judges evidence only: what the order itself says (not paid, paused, other currency) is the caller's to judge.
    """
    raise NotImplementedError


def note_order(program: Program, plan: Plan, order: OrderEvidence, attribution: Attribution) -> None:
    """Let a credited order bind its customer, or let the customer's binding live on.

    Called before the order's fact is put; a repeat writes nothing new. Raises Conflict `changed_meanwhile`.
    """
    raise NotImplementedError


def bind(
    caller: Caller,
    program: Program,
    customer_id: str,
    distributor_id: str,
    source: str,
    at: datetime,
    cause: str | None = None,
) -> Outcome:
    """Tell that a distributor referred a customer at `at`. `cause`: the Idempotency-Key."""
    raise NotImplementedError


def record_click(
    caller: Caller, program: Program, code: str, visitor_id: str, at: datetime, cause: str | None = None
) -> tuple[Click, bool]:
    """Tell that a visitor followed a link, and whether that is new."""
    raise NotImplementedError


def history(program: Program, customer_id: str) -> History:
    """Whose customer it is on the program's clock, and its newest 100 bindings."""
    raise NotImplementedError


def customers_of(
    program: Program, distributor_id: str, limit: int, place: Place | None
) -> tuple[list[Customer], Place | None]:
    """The customers who are a distributor's now, newest first, and where the list goes on."""
    raise NotImplementedError
