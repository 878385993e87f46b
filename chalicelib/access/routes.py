"""Keys, the audit log, and what a key is."""

from typing import Any, Literal

from msgspec import UNSET, UnsetType

from chalicelib.access import service
from chalicelib.access.door import Call, Reply, Routes
from chalicelib.access.model import Key, Scope
from chalicelib.shared import http, pages
from chalicelib.shared.errors import Code, FieldError, Invalid

routes = Routes(__name__)


class MeAnswer(http.Answer):
    """What the key or session in use is."""

    actor: str
    scope: Scope
    program_id: str | None
    distributor_id: str | None


class KeyBody(http.Body):
    """A key to be made. Only platform keys are of no program."""

    actor: http.Text
    scope: Literal["platform", "operator", "auditor", "storefront"]
    program_id: http.ExternalId | None = None


class KeyAnswer(http.Answer):
    """A key; in lists and repeats without its secret."""

    key_id: str
    actor: str
    scope: Scope
    program_id: str | None
    created_at: http.Shown
    secret: str | UnsetType = UNSET


class AuditAnswer(http.Answer):
    """One row of the audit log."""

    at: http.Shown
    actor: str
    action: str
    subject: str
    reason: str | None
    detail: dict[str, Any]


@routes.get("/v1/me", "S O A D P", answer=MeAnswer)
def show_me(call: Call) -> MeAnswer:
    """What this key is."""
    caller = call.caller
    if caller.scope is Scope.DISTRIBUTOR:
        return MeAnswer(
            actor=caller.actor, scope=caller.scope, program_id=caller.program_id, distributor_id=caller.distributor_id
        )
    return MeAnswer(actor=caller.actor, scope=caller.scope, program_id=caller.program_id, distributor_id=None)


@routes.post("/v1/keys", "P", body=KeyBody, answer=KeyAnswer, status=201)
def create_key(call: Call, body: KeyBody) -> Reply:
    """Make a key. Its secret is shown this once."""
    scope = Scope(body.scope)
    if (scope is Scope.PLATFORM) != (body.program_id is None):
        wrong = FieldError("/program_id", "missing", "Every key but a platform key is of a program.")
        raise Invalid(Code.INVALID_REQUEST, wrong.message, [wrong])
    key, secret = service.create_key(call.caller, body.actor, scope, body.program_id, call.idempotency_key)
    return Reply(201 if secret else 200, _key_answer(key, secret or UNSET))


@routes.get("/v1/keys", "P", query=http.ListQuery, answer=http.Listed[KeyAnswer])
def list_keys(call: Call, query: http.ListQuery) -> http.Listed[KeyAnswer]:
    """The keys that work, newest first."""
    keys, place = service.list_keys(query.limit, pages.place(query.cursor, "keys"))
    return http.Listed(data=[_key_answer(key) for key in keys], next_cursor=pages.cursor(place, "keys"))


@routes.delete("/v1/keys/{key_id}", "P", status=204)
def revoke_key(call: Call, key_id: str) -> None:
    """Stop a key, everywhere within a minute."""
    service.revoke_key(call.caller, key_id)


@routes.get("/v1/audit", "O A", query=http.ListQuery, answer=http.Listed[AuditAnswer])
def list_audit(call: Call, query: http.ListQuery) -> http.Listed[AuditAnswer]:
    """What people did in this program, newest first."""
    bound = ("audit", call.program_id)
    rows, place = service.list_audit(call.program_id, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(
        data=[
            AuditAnswer(at=r.at, actor=r.actor, action=r.action, subject=r.subject, reason=r.reason, detail=r.detail)
            for r in rows
        ],
        next_cursor=pages.cursor(place, *bound),
    )


def _key_answer(key: Key, secret: str | UnsetType = UNSET) -> KeyAnswer:
    return KeyAnswer(
        key_id=key.key_id,
        actor=key.actor,
        scope=key.scope,
        program_id=key.program_id,
        created_at=key.created_at,
        secret=secret,
    )
