"""Distributors: applications, approval, sponsors, invitations, sessions."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from pydantic import AfterValidator, Field, model_validator

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.access.model import Scope
from chalicelib.distributors import service
from chalicelib.distributors.model import Action, Application, Distributor, Invitation, Status, Wanted
from chalicelib.programs import service as programs
from chalicelib.shared import http, pages

routes = Routes(__name__)


def _small(evidence: http.Metadata) -> http.Metadata:
    if len(json.dumps(evidence).encode()) > http.METADATA_MAX:
        raise ValueError(f"may have {http.METADATA_MAX} bytes as JSON")
    return evidence


class ContactBody(http.Body):
    """How to reach a distributor. Personal: in no log."""

    phone: http.Text | None = None
    email: http.Text | None = None
    wechat: http.Text | None = None


class ApplicationBody(http.Body):
    """Who wants to take part, and how. `track` left out: the invitation's, else `default`."""

    user_id: http.ExternalId
    name: http.Text
    track: http.Text | None = None
    sponsor_code: http.Text | None = None
    invitation: http.Text | None = None
    contact: ContactBody = Field(default_factory=ContactBody)
    evidence: Annotated[http.Metadata, AfterValidator(_small)] = Field(default_factory=dict)


class ProfileBody(http.Body):
    """What changes; `contact` as a whole."""

    name: http.Text | None = None
    contact: ContactBody | None = None


class ReasonBody(http.Body):
    """Why, for the audit log."""

    reason: http.Reason


class SponsorBody(http.Body):
    """The new sponsor by code or id; null: none from now on."""

    sponsor_code: http.Text | None = None
    sponsor_id: http.ExternalId | None = None
    reason: http.Reason

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self.model_fields_set & {"sponsor_code", "sponsor_id"}) != 1:
            raise ValueError("give sponsor_code or sponsor_id, and only one of them")
        return self


class SessionBody(http.Body):
    """Nothing."""


class InvitationBody(http.Body):
    """To which track, under whom, and until when."""

    track: http.Text
    sponsor_id: http.ExternalId | None = None
    expires_at: http.Time


class DistributorsQuery(http.ListQuery):
    """Which distributors; `q` is looked for in name, user id and code."""

    status: Status | None = None
    track: http.Text | None = None
    q: http.Text | None = None


class DistributorAnswer(http.Answer):
    """A distributor. `contact` and `evidence` are left out of lists and for storefronts."""

    distributor_id: str
    user_id: str
    name: str
    track: str
    status: Status
    code: str
    sponsor_id: str | None
    joined_at: http.Shown | None
    created_at: http.Shown
    contact: Mapping[str, str] | UnsetType = UNSET
    evidence: Mapping[str, Any] | UnsetType = UNSET


class DownlineAnswer(http.Answer):
    """One whom a distributor sponsors."""

    distributor_id: str
    name: str
    status: Status
    joined_at: http.Shown | None


class SessionAnswer(http.Answer):
    """A token for one distributor's own things."""

    token: str
    expires_at: http.Shown


class InvitationAnswer(http.Answer):
    """An invitation; `invitation` is its text, shown this once and null in repeats."""

    invitation: str | None
    track: str
    sponsor_id: str | None
    expires_at: http.Shown
    used_at: http.Shown | None


@routes.post("/v1/distributors", "S O", body=ApplicationBody, answer=DistributorAnswer, status=201)
def apply(call: Call, body: ApplicationBody) -> Reply:
    """Apply to take part. The track's entry mode says whether that is approved at once."""
    application = Application(
        user_id=body.user_id,
        name=body.name,
        track=body.track,
        sponsor_code=body.sponsor_code,
        invitation=body.invitation,
        contact=_contact(body.contact),
        evidence=body.evidence,
    )
    distributor, new = service.apply(call.caller, programs.get(call.program_id), application)
    return Reply(201 if new else 200, shown(call, distributor))


@routes.get("/v1/distributors", "S O A", query=DistributorsQuery, answer=http.Listed[DistributorAnswer])
def list_distributors(call: Call, query: DistributorsQuery) -> http.Listed[DistributorAnswer]:
    """The program's distributors, newest first."""
    bound = ("distributors", call.program_id, query.status, query.track, query.q)
    which = Wanted(query.status, query.track, query.q)
    found, place = service.list_distributors(call.program_id, which, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(data=[_answer(each) for each in found], next_cursor=pages.cursor(place, *bound))


@routes.get("/v1/distributors/{distributor_id}", "S O A D", answer=DistributorAnswer)
def show_distributor(call: Call, distributor_id: str) -> DistributorAnswer:
    """One distributor; a distributor sees itself."""
    call.own(distributor_id)
    return shown(call, service.get(call.program_id, distributor_id))


@routes.patch("/v1/distributors/{distributor_id}", "S O", body=ProfileBody, answer=DistributorAnswer)
def change_distributor(call: Call, distributor_id: str, body: ProfileBody) -> DistributorAnswer:
    """Change a distributor's name or contact."""
    contact = _contact(body.contact) if body.contact else None
    program = programs.get(call.program_id)
    return shown(call, service.change_profile(call.caller, program, distributor_id, body.name, contact))


@routes.post("/v1/distributors/{distributor_id}/approve", "O", body=ReasonBody, answer=DistributorAnswer)
def approve_distributor(call: Call, distributor_id: str, body: ReasonBody) -> DistributorAnswer:
    """Approve a pending distributor."""
    return _change_status(call, distributor_id, Action.APPROVE, body)


@routes.post("/v1/distributors/{distributor_id}/reject", "O", body=ReasonBody, answer=DistributorAnswer)
def reject_distributor(call: Call, distributor_id: str, body: ReasonBody) -> DistributorAnswer:
    """Reject a pending distributor, for good."""
    return _change_status(call, distributor_id, Action.REJECT, body)


@routes.post("/v1/distributors/{distributor_id}/suspend", "O", body=ReasonBody, answer=DistributorAnswer)
def suspend_distributor(call: Call, distributor_id: str, body: ReasonBody) -> DistributorAnswer:
    """Suspend an approved distributor: it earns nothing from orders paid until it is reinstated."""
    return _change_status(call, distributor_id, Action.SUSPEND, body)


@routes.post("/v1/distributors/{distributor_id}/reinstate", "O", body=ReasonBody, answer=DistributorAnswer)
def reinstate_distributor(call: Call, distributor_id: str, body: ReasonBody) -> DistributorAnswer:
    """Let a suspended distributor earn again."""
    return _change_status(call, distributor_id, Action.REINSTATE, body)


@routes.post("/v1/distributors/{distributor_id}/close", "O", body=ReasonBody, answer=DistributorAnswer)
def close_distributor(call: Call, distributor_id: str, body: ReasonBody) -> DistributorAnswer:
    """Close a distributor, for good."""
    return _change_status(call, distributor_id, Action.CLOSE, body)


@routes.post("/v1/distributors/{distributor_id}/sponsor", "O", body=SponsorBody, answer=DistributorAnswer)
def move_distributor(call: Call, distributor_id: str, body: SponsorBody) -> DistributorAnswer:
    """Give a distributor another sponsor, or none, for orders paid from now on."""
    chosen = body.sponsor_code or body.sponsor_id
    sponsor = service.sponsor(call.program_id, code=body.sponsor_code, sponsor_id=body.sponsor_id) if chosen else None
    program = programs.get(call.program_id)
    moved = service.move(call.caller, program, distributor_id, sponsor, body.reason, call.idempotency_key)
    return shown(call, moved)


@routes.get(
    "/v1/distributors/{distributor_id}/downline", "O A D", query=http.ListQuery, answer=http.Listed[DownlineAnswer]
)
def list_downline(call: Call, distributor_id: str, query: http.ListQuery) -> http.Listed[DownlineAnswer]:
    """Whom a distributor sponsors, newest first."""
    call.own(distributor_id)
    bound = ("downline", call.program_id, distributor_id)
    found, place = service.downline(call.program_id, distributor_id, query.limit, pages.place(query.cursor, *bound))
    below = [
        DownlineAnswer(distributor_id=d.distributor_id, name=d.name, status=d.status, joined_at=d.joined_at)
        for d in found
    ]
    return http.Listed(data=below, next_cursor=pages.cursor(place, *bound))


@routes.post("/v1/distributors/{distributor_id}/sessions", "S O", body=SessionBody, answer=SessionAnswer, status=201)
def open_session(call: Call, distributor_id: str, body: SessionBody) -> SessionAnswer:
    """A token with which a distributor sees its own things for 15 minutes."""
    session = service.open_session(call.program_id, distributor_id)
    return SessionAnswer(token=session.token, expires_at=session.expires_at)


@routes.post("/v1/invitations", "O", body=InvitationBody, answer=InvitationAnswer, status=201)
def invite(call: Call, body: InvitationBody) -> Reply:
    """Invite one person to a track; the text is shown this once."""
    invitation, new = service.invite(
        call.caller,
        programs.get(call.program_id),
        body.track,
        body.sponsor_id,
        body.expires_at,
        call.idempotency_key,
    )
    return Reply(201 if new else 200, _invitation(invitation))


def _change_status(call: Call, distributor_id: str, action: Action, body: ReasonBody) -> DistributorAnswer:
    program = programs.get(call.program_id)
    changed = service.change_status(call.caller, program, distributor_id, action, body.reason, call.idempotency_key)
    return shown(call, changed)


def _contact(body: ContactBody) -> dict[str, str]:
    return body.model_dump(exclude_none=True)


def shown(call: Call, distributor: Distributor) -> DistributorAnswer:
    """A distributor as an answer: what is personal or was given in evidence is not for the storefront."""
    answer = _answer(distributor)
    if call.caller.scope is Scope.STOREFRONT:
        return answer
    return replace(answer, contact=distributor.contact, evidence=distributor.evidence)


def _answer(distributor: Distributor) -> DistributorAnswer:
    return DistributorAnswer(
        distributor_id=distributor.distributor_id,
        user_id=distributor.user_id,
        name=distributor.name,
        track=distributor.track,
        status=distributor.status,
        code=distributor.code,
        sponsor_id=distributor.sponsor_id,
        joined_at=distributor.joined_at,
        created_at=distributor.created_at,
    )


def _invitation(invitation: Invitation) -> InvitationAnswer:
    return InvitationAnswer(
        invitation=invitation.text,
        track=invitation.track,
        sponsor_id=invitation.sponsor_id,
        expires_at=invitation.expires_at,
        used_at=invitation.used_at,
    )
