"""Keys, sessions and the audit log.

A secret has 256 random bits, so a plain SHA-256 of it can't be reversed and is fast enough for every request.
"""

import hashlib
import hmac
import secrets
import time
from datetime import datetime, timedelta
from typing import Final

from chalicelib.access.model import AuditEntry, Caller, Key, Scope, Session
from chalicelib.access.tables import AuditItem, KeyItem, MarkItem, SessionItem
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, Conflict, Invalid, NotFound, Unauthorized
from chalicelib.shared.tables import Check, Put, Refused, changed_meanwhile, page, transact
from chalicelib.shared.tables import Key as Place
from chalicelib.shared.value import Value

SESSION_LIFE: Final = timedelta(minutes=15)
_CACHE_SECONDS: Final = 30
"""A revoked key works no longer than this in a function that has seen it; api.md allows a minute."""
_CACHE_MAX: Final = 1_000
_PLATFORM: Final = "@platform"
_FIRST: Final = "@first"


class _Known(Value):
    secret_hash: str
    caller: Caller
    expires_at: int | None
    read_at: float


_known: dict[str, _Known] = {}


def authenticate(authorization: str | None) -> Caller:
    """Who sends `Authorization: Bearer trb_<id>_<secret>`. Raises Unauthorized."""
    kind, _, token = (authorization or "").partition(" ")
    prefix, _, rest = token.strip().partition("_")
    name, _, secret = rest.partition("_")
    if kind.lower() != "bearer" or prefix not in ("trb", "trs") or not name or not secret:
        raise _unauthorized()
    known = _look_up(f"{prefix}_{name}")
    if known is None or not hmac.compare_digest(known.secret_hash, _hash(secret)):
        raise _unauthorized()
    if known.expires_at is not None and known.expires_at <= time.time():
        raise _unauthorized()
    return known.caller


def _look_up(name: str) -> _Known | None:
    known = _known.get(name)
    if known is not None and time.monotonic() - known.read_at < _CACHE_SECONDS:
        return known
    if len(_known) >= _CACHE_MAX:
        _known.clear()
    _known.pop(name, None)
    read = _read_session(name) if name.startswith("trs_") else _read_key(name)
    if read is not None:
        _known[name] = read
    return read


def _read_key(name: str) -> _Known | None:
    item = KeyItem.find("key", name)
    if item is None or item.revoked:
        return None
    caller = Caller(item.actor, Scope(item.scope), item.program_id)
    return _Known(item.secret_hash, caller, None, time.monotonic())


def _read_session(name: str) -> _Known | None:
    item = SessionItem.find("session", name)
    if item is None:
        return None
    caller = Caller(item.distributor_id, Scope.DISTRIBUTOR, item.program_id, item.distributor_id)
    return _Known(item.secret_hash, caller, int(item.expires_at), time.monotonic())


def create_key(
    caller: Caller, actor: str, scope: Scope, program_id: str | None, cause: str | None
) -> tuple[Key, str | None]:
    """Make a key; the secret is returned this once, None when `cause` (an Idempotency-Key) has made it before.

    Raises Invalid `unknown_program`, Conflict `exists_with_different_content` (from the repeat's comparison).
    """
    key_id = _key_id(caller, cause)
    item, secret = _key_item(key_id, actor, scope, program_id)
    row = audit_row(caller, clock.now(), "key.create", key_id, program_id=program_id, detail=_about(item))
    exists = [Check(MarkItem, "program", program_id, MarkItem.pk.exists())] if program_id else []
    try:
        transact(*exists, Put(item), Put(row))
    except Refused as refused:
        before = KeyItem.find("key", key_id, consistent=True)
        if before is not None:
            return _same_key(before, item), None
        if exists and 0 in refused.which:
            raise Invalid(Code.UNKNOWN_PROGRAM, f"There is no program {program_id}.") from None
        raise changed_meanwhile() from None
    return _key(item), secret


def _same_key(before: KeyItem, wanted: KeyItem) -> Key:
    if (before.actor, before.scope, before.program_id) != (wanted.actor, wanted.scope, wanted.program_id):
        raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, "This Idempotency-Key has made another key before.")
    return _key(before)


def create_first_platform_key(actor: str) -> str | None:
    """The stage's first platform key, shown to whoever deploys it; None if it was made before."""
    item, secret = _key_item(_key_id(None, None), actor, Scope.PLATFORM, None)
    caller = Caller(actor, Scope.PLATFORM, None)
    row = audit_row(caller, clock.now(), "key.create", item.sk, detail=_about(item))
    try:
        transact(Put(MarkItem("key", _FIRST)), Put(item), Put(row))
    except Refused:
        return None
    return secret


def list_keys(limit: int, place: Place | None) -> tuple[list[Key], Place | None]:
    """Keys that work, newest first, and where the list goes on."""
    found = KeyItem.query("key", KeyItem.sk.startswith("trb_"), scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit, lambda item: not item.revoked)
    return [_key(item) for item in items], further


def revoke_key(caller: Caller, key_id: str) -> None:
    """Stop a key, everywhere within a minute. Raises NotFound, Conflict `changed_meanwhile`."""
    item = KeyItem.find("key", key_id, consistent=True)
    if item is None or key_id == _FIRST or item.revoked:
        raise NotFound(Code.NOT_FOUND, f"There is no key {key_id}.")
    item.revoked = True
    row = audit_row(caller, clock.now(), "key.revoke", key_id, program_id=item.program_id)
    try:
        transact(Put(item, KeyItem.revoked == False), Put(row))  # noqa: E712  (a pynamodb condition)
    except Refused:
        raise changed_meanwhile() from None
    _known.pop(key_id, None)


def open_session(program_id: str, distributor_id: str) -> Session:
    """A token for one distributor's own things, good for 15 minutes of real time."""
    name, secret = ids.new("trs"), secrets.token_urlsafe(32)
    expires_at = (clock.now() + SESSION_LIFE).replace(microsecond=0)
    item = SessionItem(
        "session",
        name,
        secret_hash=_hash(secret),
        program_id=program_id,
        distributor_id=distributor_id,
        expires_at=int(expires_at.timestamp()),
    )
    item.put_new()
    return Session(f"{name}_{secret}", expires_at)


def admit_program(program_id: str) -> Put:
    """The part of a program's making that lets keys refer to it; goes into the same transaction."""
    return Put(MarkItem("program", program_id))


def audit_row(
    caller: Caller,
    at: datetime,
    action: str,
    subject: str,
    *,
    program_id: str | None = None,
    reason: str | None = None,
    detail: dict[str, object] | None = None,
) -> AuditItem:
    """A row for the audit log, to be put in the same transaction as the change it tells of. `at`: program's clock."""
    return AuditItem(
        f"audit#{caller.program_id or program_id or _PLATFORM}",
        f"{clock.stored(at)}#{ids.new('aud')}",
        at=clock.stored(at),
        actor=caller.actor,
        action=action,
        subject=subject,
        reason=reason,
        detail=detail or {},
    )


def list_audit(program_id: str, limit: int, place: Place | None) -> tuple[list[AuditEntry], Place | None]:
    """A program's audit log, newest first, and where it goes on."""
    found = AuditItem.query(f"audit#{program_id}", scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit)
    return [
        AuditEntry(clock.read(item.at), item.actor, item.action, item.subject, item.reason, item.detail)
        for item in items
    ], further


def _key_id(caller: Caller | None, cause: str | None) -> str:
    return ids.new("trb") if cause is None or caller is None else ids.from_cause("trb", "key", caller.actor, cause)


def _key_item(key_id: str, actor: str, scope: Scope, program_id: str | None) -> tuple[KeyItem, str]:
    secret = secrets.token_urlsafe(32)
    item = KeyItem(
        "key",
        key_id,
        secret_hash=_hash(secret),
        actor=actor,
        scope=scope.value,
        program_id=program_id,
        created_at=clock.stored(clock.now()),
    )
    return item, f"{key_id}_{secret}"


def _key(item: KeyItem) -> Key:
    return Key(item.sk, item.actor, Scope(item.scope), item.program_id, clock.read(item.created_at))


def _about(item: KeyItem) -> dict[str, object]:
    return {"actor": item.actor, "scope": item.scope}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _unauthorized() -> Unauthorized:
    return Unauthorized(Code.UNAUTHORIZED, "Send a valid key: Authorization: Bearer <key>.")
