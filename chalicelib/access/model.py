"""The nouns of access."""

from datetime import datetime
from enum import StrEnum

from chalicelib.shared.value import Value


class Scope(StrEnum):
    """What a key may do; docs/api.md lists the routes of each."""

    PLATFORM = "platform"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    STOREFRONT = "storefront"
    DISTRIBUTOR = "distributor"
    """A session, not a key: one distributor's own things."""


class Caller(Value):
    """Who is calling: one named actor of one program, or the platform's (`program_id` None)."""

    actor: str
    scope: Scope
    program_id: str | None
    distributor_id: str | None = None


class Key(Value):
    """An API key as it is listed. Its secret is shown once, when it is made, and kept only as a hash."""

    key_id: str
    actor: str
    scope: Scope
    program_id: str | None
    created_at: datetime


class Session(Value):
    """A distributor's short-lived token; shown once, kept as a hash."""

    token: str
    expires_at: datetime


class AuditEntry(Value):
    """What a person did, when, to what, and why."""

    at: datetime
    actor: str
    action: str
    subject: str
    reason: str | None
    detail: dict[str, object]
