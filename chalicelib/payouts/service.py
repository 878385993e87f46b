"""Payout methods, the channels that pay, batch files for banks, and notices that wake us.

What is personal is encrypted with KMS and bound to its row: docs/decisions/0056.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ulid import ULID

from chalicelib.access import service as access
from chalicelib.access.model import Caller
from chalicelib.distributors import service as distributors
from chalicelib.payouts import rules
from chalicelib.payouts.channels import CHANNELS, Channel
from chalicelib.payouts.model import Batch, ContentChanged, Encoding, Method, Payout, ResultRow
from chalicelib.payouts.tables import (
    METHOD,
    BatchItem,
    ClaimItem,
    MethodItem,
    OwnerItem,
    SecretItem,
    batches_key,
    claims_key,
    methods_key,
    owners_key,
    secrets_key,
)
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import clock, files, ids, keys, queue
from chalicelib.shared.errors import Code, Conflict, FieldError, Invalid, NotFound, Unauthorized, pointer
from chalicelib.shared.tables import Key, Put, Refused, changed_meanwhile, page, transact
from chalicelib.shared.value import Value

METHODS_MAX: Final = 20
"""How many methods a distributor may have. Two that are added at the same time may pass it by one."""
METHODS_EVER: Final = 200
"""How many it may have had, deleted ones too."""
NOTICE_AGE_MAX: Final = timedelta(minutes=5)
"""By how much the time of a notice may differ from ours."""
_ATTEMPTS: Final = 3
_CSV: Final = "text/csv; charset=utf-8"
_FINGERPRINT: Final = "fingerprint"


class Signature(Value):
    """What a notice is signed with: `signature` is the HMAC-SHA256 in hex of `{timestamp}.{body}`."""

    timestamp: str
    """Seconds since 1970."""
    signature: str
    body: bytes


# Methods


def add_method(
    caller: Caller, program: Program, distributor_id: str, channel: str, account: Mapping[str, Any]
) -> tuple[Method, bool]:
    """Keep a way to pay a distributor, and say whether it is new: the same account again is the method that has it.

    Raises Invalid `unknown_distributor`, `unknown_channel`, `invalid_request`; Conflict `account_in_use`,
    `exists_with_different_content`, `too_many_methods`, `too_many_changes`, `changed_meanwhile`.
    """
    # Here, because of all functions only the one of the API reads accounts, and what they are read by starts slowly.
    from chalicelib.payouts.channels import accounts

    if distributors.find(program.program_id, distributor_id) is None:
        raise _wrong("distributor_id", Code.UNKNOWN_DISTRIBUTOR, "There is no such distributor.")
    through = _channel_in_force(program, channel)
    plain = accounts.read(channel, account)
    fingerprint = _fingerprint(program.program_id, channel, through.identity(plain, distributor_id))
    for _ in range(_ATTEMPTS):
        claim = ClaimItem.find(claims_key(program.program_id), fingerprint, consistent=True)
        if claim is not None and claim.method_id is not None:
            return _had_before(program.program_id, claim, distributor_id, plain), False
        _refuse_too_many(program.program_id, distributor_id)
        item = _new_method(program, distributor_id, through, plain, fingerprint)
        if _put_method(caller, program, item.method(), item, claim):
            return item.method(), True
    raise changed_meanwhile()


def find_method(program_id: str, distributor_id: str, method_id: str) -> Method:
    """A distributor's method, also a deleted one. Raises NotFound."""
    return _method(program_id, distributor_id, method_id).method()


def list_methods(
    program_id: str, distributor_id: str, limit: int, place: Key | None
) -> tuple[list[Method], Key | None]:
    """A distributor's methods that aren't deleted, newest first, and where the list goes on."""
    found = MethodItem.query(
        methods_key(program_id, distributor_id),
        MethodItem.sk.startswith(METHOD),
        scan_index_forward=False,
        last_evaluated_key=place,
    )
    items, further = page(found, limit, lambda item: item.deleted_at is None)
    return [item.method() for item in items], further


def delete_method(caller: Caller, program: Program, method_id: str) -> None:
    """Let a method be used no more. What was asked for by it is still paid; its account may be given again.

    Raises NotFound (also for another distributor's), Conflict `changed_meanwhile`.
    """
    owner = OwnerItem.find(owners_key(program.program_id), method_id, consistent=True)
    if owner is None or caller.distributor_id not in (None, owner.distributor_id):
        raise _no_method(method_id)
    item = _method(program.program_id, owner.distributor_id, method_id)
    if item.deleted_at is not None:
        raise _no_method(method_id)
    item.deleted_at = clock.stored(program.now())
    claim = ClaimItem.find(claims_key(program.program_id), item.fingerprint, consistent=True)
    if claim is None or claim.method_id != method_id:
        raise changed_meanwhile()
    claim.distributor_id = claim.method_id = None
    row = _audit(caller, program, "payout_method.delete", item.method())
    try:
        transact(Put(item, item.next_revision()), Put(claim, claim.next_revision()), row)
    except Refused:
        raise changed_meanwhile() from None


def usable_from(program: Program, method: Method) -> datetime:
    """From when withdrawals may use a method: as old as the plan in force wants it. Raises `no_plan_in_force`."""
    terms = programs.plan_at(program, program.now()).plan.withdrawal
    return method.created_at + clock.hours(terms.method_age_hours)


def account_of(program_id: str, method: Method) -> dict[str, str]:
    """Where a method pays to, also a deleted one: for channels only. Raises NotFound, `keys.Unreadable`."""
    return _opened(_method(program_id, method.distributor_id, method.method_id))


def channel_of(name: str) -> Channel:
    """The channel of a method. Raises KeyError for a name that no method has."""
    return CHANNELS[name]


def pays_by_file(name: str) -> bool:
    """Whether a channel's payouts go out as a file, and only a file tells what became of them."""
    return bool(CHANNELS[name].file_columns)


def _channel_in_force(program: Program, name: str) -> Channel:
    known = programs.plan_at(program, program.now()).plan.withdrawal.channels
    if name not in known:
        raise _wrong("channel", Code.UNKNOWN_CHANNEL, f"The plan in force has no channel {name}.")
    return CHANNELS[name]


def _had_before(program_id: str, claim: ClaimItem, distributor_id: str, account: Mapping[str, str]) -> Method:
    if claim.distributor_id != distributor_id:
        raise Conflict(Code.ACCOUNT_IN_USE, "Another distributor is paid to this account.")
    item = _method(program_id, distributor_id, str(claim.method_id))
    if _opened(item) != account:
        raise Conflict(
            Code.EXISTS_WITH_DIFFERENT_CONTENT,
            f"{claim.method_id} has this account with other details. Delete it first.",
        )
    return item.method()


def _refuse_too_many(program_id: str, distributor_id: str) -> None:
    had = list(MethodItem.query(methods_key(program_id, distributor_id), MethodItem.sk.startswith(METHOD)))
    if len(had) >= METHODS_EVER:
        raise Conflict(Code.TOO_MANY_CHANGES, f"This distributor has had {METHODS_EVER} methods, and no more are kept.")
    if sum(item.deleted_at is None for item in had) >= METHODS_MAX:
        raise Conflict(Code.TOO_MANY_METHODS, f"A distributor has at most {METHODS_MAX} methods; delete one first.")


def _new_method(
    program: Program, distributor_id: str, channel: Channel, account: Mapping[str, str], fingerprint: str
) -> MethodItem:
    method_id = ids.new("pmt")
    plain = json.dumps(account, ensure_ascii=False, sort_keys=True).encode()
    return MethodItem(
        methods_key(program.program_id, distributor_id),
        f"{METHOD}{method_id}",
        channel=channel.name,
        masked=channel.masked(account),
        account=keys.encrypt(plain, _of(program.program_id, distributor_id, method_id)),
        fingerprint=fingerprint,
        created_at=clock.stored(program.now()),
    )


def _put_method(caller: Caller, program: Program, method: Method, item: MethodItem, claim: ClaimItem | None) -> bool:
    """Put all of a new method. False: somebody else took the account meanwhile."""
    claim = claim or ClaimItem(claims_key(program.program_id), item.fingerprint)
    claim.distributor_id, claim.method_id = method.distributor_id, method.method_id
    owner = OwnerItem(owners_key(program.program_id), method.method_id, distributor_id=method.distributor_id)
    row = _audit(caller, program, "payout_method.add", method)
    try:
        transact(Put(item, item.next_revision()), Put(claim, claim.next_revision()), Put(owner), row)
    except Refused:
        return False
    return True


def _method(program_id: str, distributor_id: str, method_id: str) -> MethodItem:
    item = MethodItem.find(methods_key(program_id, distributor_id), f"{METHOD}{method_id}", consistent=True)
    if item is None:
        raise _no_method(method_id)
    return item


def _no_method(method_id: str) -> NotFound:
    return NotFound(Code.NOT_FOUND, f"There is no payout method {method_id}.")


def _opened(item: MethodItem) -> dict[str, str]:
    method = item.method()
    plain = keys.decrypt(item.account, _of(method.program_id, method.distributor_id, method.method_id))
    account: dict[str, str] = json.loads(plain)
    return account


def _of(program_id: str, distributor_id: str, method_id: str) -> keys.Of:
    return {"program": program_id, "distributor": distributor_id, "method": method_id}


def _audit(caller: Caller, program: Program, action: str, method: Method) -> Put:
    about: dict[str, object] = {
        "distributor_id": method.distributor_id,
        "channel": method.channel,
        "masked": method.masked,
    }
    return Put(access.audit_row(caller, program.now(), action, method.method_id, detail=about))


def _wrong(field: str, code: Code, message: str) -> Invalid:
    return Invalid(code, message, [FieldError(pointer(field), code, message)])


# Secrets of a program


def _fingerprint(program_id: str, channel: str, identity: str) -> str:
    """What tells an account from others and doesn't tell what it is, in hex."""
    return hmac.digest(_secret(program_id, _FINGERPRINT), ids.digest(channel, identity), "sha256").hex()


def _secret(program_id: str, use: str) -> bytes:
    """A program's secret for one use, made when it is first needed."""
    found = _kept_secret(program_id, use)
    if found is not None:
        return found
    secret, sealed = keys.new_secret(_secret_of(program_id, use))
    if SecretItem(secrets_key(program_id), use, sealed=sealed).put_new():
        return secret
    return _secret(program_id, use)  # somebody else made it at the same time


def _kept_secret(program_id: str, use: str) -> bytes | None:
    item = SecretItem.find(secrets_key(program_id), use, consistent=True)
    return None if item is None else keys.decrypt(item.sealed, _secret_of(program_id, use))


def _secret_of(program_id: str, use: str) -> keys.Of:
    return {"program": program_id, "secret": use}


# Batches


def batch_id(program_id: str, channel: str, released_at: datetime, number: int) -> str:
    """The id of the nth batch of a release: always the same, and later releases' ids sort later."""
    cause = ids.digest(program_id, channel, clock.stored(released_at), str(number))
    milliseconds = (released_at - datetime.fromtimestamp(0, released_at.tzinfo)) // timedelta(milliseconds=1)
    return f"bat_{ULID.from_bytes(milliseconds.to_bytes(6, 'big') + cause[:10])}"


def write_batch(program: Program, channel: str, batch_id: str, payouts: Sequence[Payout], at: datetime) -> Batch:
    """Write the file of a channel's batch, once; the same payouts again change nothing. `at`: the program's clock.

    Raises `ContentChanged` if the batch has other payouts: nothing of it was written.
    """
    content = rules.batch_file(CHANNELS[channel].file_columns, payouts)
    name = _file_name(program.program_id, batch_id)
    if not files.put_new(name, content, _CSV) and files.read(name) != content:
        raise ContentChanged(batch_id)
    item = BatchItem(
        batches_key(program.program_id),
        batch_id,
        channel=channel,
        created_at=clock.stored(at),
        count_=len(payouts),
        amount_minor=sum(payout.amount_minor for payout in payouts),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    # After the file, so that no batch is listed whose file isn't there.
    return item.batch() if item.put_new() else read_batch(program.program_id, batch_id)


def read_batch(program_id: str, batch_id: str) -> Batch:
    """A batch. Raises NotFound."""
    item = BatchItem.find(batches_key(program_id), batch_id, consistent=True)
    if item is None:
        raise NotFound(Code.NOT_FOUND, f"There is no batch {batch_id}.")
    return item.batch()


def list_batches(program_id: str, limit: int, place: Key | None) -> tuple[list[Batch], Key | None]:
    """A program's batches, newest first, and where the list goes on."""
    found = BatchItem.query(batches_key(program_id), scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit)
    return [item.batch() for item in items], further


def download_batch(caller: Caller, program: Program, batch_id: str, encoding: Encoding) -> bytes:
    """The file of a batch, byte for byte the same each time. The audit log tells who has had it. Raises NotFound."""
    batch = read_batch(program.program_id, batch_id)
    content = rules.encoded(files.read(_file_name(program.program_id, batch_id)), encoding)
    about: dict[str, object] = {"encoding": encoding.value, "count": batch.count, "sha256": batch.sha256}
    access.audit_row(caller, program.now(), "batch.download", batch_id, detail=about).put_new()
    return content


def read_results(content: bytes) -> list[ResultRow]:
    """The rows of a bank's file of results, in its order. Raises Invalid `invalid_results`, with row pointers."""
    return rules.read_results(content)


def _file_name(program_id: str, batch_id: str) -> str:
    return f"batches/{program_id}/{batch_id}.csv"


# Notices


def notice_secret(caller: Caller, program: Program, channel: str) -> str:
    """The secret, in hex, with which a channel's provider signs notices to this program. Raises NotFound."""
    _refuse_silent(channel)
    secret = _secret(program.program_id, _notices(channel))
    access.audit_row(caller, program.now(), "notice_secret.show", channel).put_new()
    return secret.hex()


def take_notice(program_id: str, channel: str, reference: str, signed: Signature) -> None:
    """Have the worker ask the channel about a payout, soon. A notice decides nothing; the channel's answer does.

    Raises NotFound for a channel that sends none, Unauthorized for whatever isn't signed, or not lately.
    """
    _refuse_silent(channel)
    if not _lately(signed.timestamp):
        raise _not_signed()
    secret = _kept_secret(program_id, _notices(channel))
    if secret is None:
        raise _not_signed()
    expected = hmac.new(secret.hex().encode(), signed.timestamp.encode() + b"." + signed.body, "sha256").hexdigest()
    if not hmac.compare_digest(expected.encode(), signed.signature.encode()):
        raise _not_signed()
    queue.send({"job": "look", "program_id": program_id, "reference": reference})


def _refuse_silent(channel: str) -> None:
    known = CHANNELS.get(channel)
    if known is None or not known.payable or known.file_columns:
        raise NotFound(Code.NOT_FOUND, f"There are no notices of {channel}.")


def _notices(channel: str) -> str:
    return f"notices#{channel}"


def _lately(timestamp: str) -> bool:
    """Real time: this is about credentials, not about a program's day."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 11:
        return False
    return abs(int(clock.now().timestamp()) - int(timestamp)) <= NOTICE_AGE_MAX // timedelta(seconds=1)


def _not_signed() -> Unauthorized:
    return Unauthorized(Code.UNAUTHORIZED, "This isn't signed as it must be, or it was signed more than 5 minutes ago.")
