"""Clicks, referrals, and whose customer somebody is."""

from typing import Annotated

from msgspec import Meta
from pydantic import StringConstraints

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.programs import service as programs
from chalicelib.referrals import service
from chalicelib.referrals.model import Referral, Result, Visit, Why
from chalicelib.shared import http, pages
from chalicelib.shared.errors import Code, FieldError, Invalid

routes = Routes(__name__)

Url = Annotated[str, StringConstraints(min_length=1, max_length=2_048)]


class ClickBody(http.Body):
    """That a visitor followed a distributor's link."""

    code: http.Text
    visitor_id: http.ExternalId
    url: Url | None = None
    channel: http.Text | None = None
    at: http.Time


class ClickAnswer(http.Answer):
    """A click, and whose link it was."""

    click_id: str
    distributor_id: str


class ReferralBody(http.Body):
    """By whom a customer came: exactly one of `code` and `distributor_id`."""

    customer_id: http.ExternalId
    code: http.Text | None = None
    distributor_id: http.ExternalId | None = None
    source: http.Text
    at: http.Time


class ReferralAnswer(http.Answer):
    """What the referral did and why, and whose customer it is now."""

    result: Result
    why: Why
    customer_id: str
    distributor_id: str | None


class BindingAnswer(http.Answer):
    """That a customer was a distributor's from `since` on. `source` `order`: the order `cause` made it."""

    distributor_id: str
    since: http.Shown
    source: str
    cause: str


class HistoryAnswer(http.Answer):
    """Whose customer it is now (null: nobody's), and the newest 100 of its bindings, newest first."""

    customer_id: str
    distributor_id: str | None
    since: http.Shown | None
    expires_at: Annotated[http.Shown | None, Meta(description="The last instant of the binding; null: it has none.")]
    history: list[BindingAnswer]


class CustomerAnswer(http.Answer):
    """A distributor's customer."""

    customer_id: str
    bound_at: http.Shown
    expires_at: http.Shown | None


@routes.post("/v1/clicks", "S", body=ClickBody, answer=ClickAnswer, status=201)
def record_click(call: Call, body: ClickBody) -> Reply:
    """Tell that a visitor followed a distributor's link."""
    visit = Visit(body.code, body.visitor_id, body.at, body.url, body.channel)
    program = programs.get(call.program_id)
    click, new = service.record_click(call.caller, program, visit, call.idempotency_key)
    answer = ClickAnswer(click_id=click.click_id, distributor_id=click.distributor_id)
    return Reply(201 if new else 200, answer)


@routes.post("/v1/referrals", "S O", body=ReferralBody, answer=ReferralAnswer, status=201)
def refer(call: Call, body: ReferralBody) -> Reply:
    """Tell by whom a customer came; the plan decides what that does."""
    if (body.code is None) == (body.distributor_id is None):
        wrong = FieldError("/code", "exactly_one", "Give code or distributor_id, and not both.")
        raise Invalid(Code.INVALID_REQUEST, wrong.message, [wrong])
    told = Referral(body.customer_id, body.code, body.distributor_id, body.source, body.at)
    outcome = service.bind(call.caller, programs.get(call.program_id), told, call.idempotency_key)
    answer = ReferralAnswer(
        result=outcome.result,
        why=outcome.why,
        customer_id=outcome.customer_id,
        distributor_id=outcome.distributor_id,
    )
    return Reply(201 if outcome.result in (Result.BOUND, Result.TAKEN) else 200, answer)


@routes.get("/v1/referrals/{customer_id}", "S O A", answer=HistoryAnswer)
def show_customer(call: Call, customer_id: str) -> HistoryAnswer:
    """Whose customer it is, and was."""
    history = service.history(programs.get(call.program_id), customer_id)
    current = history.current
    return HistoryAnswer(
        customer_id=customer_id,
        distributor_id=current.binding.distributor_id if current else None,
        since=current.binding.since if current else None,
        expires_at=current.lives_until if current else None,
        history=[
            BindingAnswer(distributor_id=b.distributor_id, since=b.since, source=b.source, cause=b.cause)
            for b in history.bindings
        ],
    )


@routes.get(
    "/v1/distributors/{distributor_id}/customers",
    "O A D",
    query=http.ListQuery,
    answer=http.Listed[CustomerAnswer],
)
def list_customers(call: Call, distributor_id: str, query: http.ListQuery) -> http.Listed[CustomerAnswer]:
    """The customers who are a distributor's now, newest first."""
    call.own(distributor_id)
    bound = ("customers", call.program_id, distributor_id)
    customers, place = service.customers_of(
        programs.get(call.program_id), distributor_id, query.limit, pages.place(query.cursor, *bound)
    )
    return http.Listed(
        data=[
            CustomerAnswer(customer_id=c.customer_id, bound_at=c.bound_at, expires_at=c.expires_at) for c in customers
        ],
        next_cursor=pages.cursor(place, *bound),
    )
