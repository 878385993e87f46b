"""Payout methods, batch files, and notices of channels."""

from typing import Annotated, Final

from pydantic import StringConstraints

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.payouts import service
from chalicelib.payouts.model import Batch, Encoding, Method
from chalicelib.payouts.service import Signature
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import http, pages
from chalicelib.shared.errors import Code, FieldError, Invalid, Malformed, pointer

routes = Routes(__name__)

_BYTES: Final = "application/octet-stream"


class MethodBody(http.Body):
    """Where to be paid. `account` is the channel's: docs/api.md; `distributor_id` is for operators to give."""

    distributor_id: http.ExternalId | None = None
    channel: http.ExternalId
    account: http.Metadata


class MethodsQuery(http.ListQuery):
    """Whose methods; a distributor sees its own."""

    distributor_id: http.ExternalId | None = None


class MethodAnswer(http.Answer):
    """A payout method. Its account is never shown; `usable_from` by the plan in force."""

    method_id: str
    distributor_id: str
    channel: str
    masked: str
    usable_from: http.Shown
    created_at: http.Shown


class PayoutBatchAnswer(http.Answer):
    """A file of payouts. `sha256` is that of the file in UTF-8."""

    batch_id: str
    channel: str
    created_at: http.Shown
    count: int
    amount_minor: int
    sha256: str


class FileQuery(http.Query):
    """In which encoding; for `gb18030` send `Accept: application/octet-stream`."""

    encoding: Encoding = Encoding.UTF_8


class NoticeBody(http.Body):
    """Of which payout there is news. What news, the channel is asked."""

    program_id: http.ExternalId
    reference: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,32}$")]


class SecretAnswer(http.Answer):
    """With what notices are signed: `X-Signature` is the HMAC-SHA256, in hex, of `{X-Timestamp}.{body}`."""

    channel: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret: what is shown of it may end in a log."""
        return f"SecretAnswer({self.channel!r})"


@routes.post("/v1/payout-methods", "D O", body=MethodBody, answer=MethodAnswer, status=201)
def add_method(call: Call, body: MethodBody) -> Reply:
    """Keep a way to pay a distributor. The same account again is the method that has it."""
    program, distributor_id = programs.get(call.program_id), _whose(call, body.distributor_id)
    method, new = service.add_method(call.caller, program, distributor_id, body.channel, body.account)
    return Reply(201 if new else 200, _method(program, method))


@routes.get("/v1/payout-methods", "D O", query=MethodsQuery, answer=http.Listed[MethodAnswer])
def list_methods(call: Call, query: MethodsQuery) -> http.Listed[MethodAnswer]:
    """A distributor's payout methods, newest first, without the deleted ones."""
    program, distributor_id = programs.get(call.program_id), _whose(call, query.distributor_id)
    bound = ("payout-methods", program.program_id, distributor_id)
    place = pages.place(query.cursor, *bound)
    found, further = service.list_methods(program.program_id, distributor_id, query.limit, place)
    return http.Listed(data=[_method(program, each) for each in found], next_cursor=pages.cursor(further, *bound))


@routes.delete("/v1/payout-methods/{method_id}", "D O", status=204)
def delete_method(call: Call, method_id: str) -> None:
    """Let a payout method be used no more; withdrawals already asked for are still paid by it."""
    service.delete_method(call.caller, programs.get(call.program_id), method_id)


@routes.get("/v1/payouts/batches", "O", query=http.ListQuery, answer=http.Listed[PayoutBatchAnswer])
def list_batches(call: Call, query: http.ListQuery) -> http.Listed[PayoutBatchAnswer]:
    """The files of payouts for banks, newest first."""
    bound = ("batches", call.program_id)
    found, place = service.list_batches(call.program_id, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(data=[_batch(each) for each in found], next_cursor=pages.cursor(place, *bound))


@routes.get("/v1/payouts/batches/{batch_id}/file", "O", query=FileQuery, gives=("text/csv", _BYTES))
def download_batch(call: Call, batch_id: str, query: FileQuery) -> Reply:
    """A batch's file as CSV, the same bytes each time; the audit log tells who has had it."""
    as_bytes = query.encoding is not Encoding.UTF_8
    if as_bytes:
        _refuse_without_accept()
    content = service.download_batch(call.caller, programs.get(call.program_id), batch_id, query.encoding)
    return Reply(200, content, _BYTES) if as_bytes else Reply(200, content.decode(), "text/csv; charset=utf-8")


@routes.get("/v1/payouts/notices/{channel}/secret", "O", answer=SecretAnswer)
def show_notice_secret(call: Call, channel: str) -> SecretAnswer:
    """The secret that a channel's provider signs its notices to this program with; the audit log tells who asked."""
    secret = service.notice_secret(call.caller, programs.get(call.program_id), channel)
    return SecretAnswer(channel=channel, secret=secret)


@routes.post("/v1/payouts/notices/{channel}", "", body=NoticeBody, status=202)
def take_notice(call: Call, channel: str, body: NoticeBody) -> Reply:
    """Be told, signed, that a payout has news: the channel is asked soon."""
    request = routes.blueprint.current_request
    timestamp, signature = (request.headers.get(name, "") for name in ("x-timestamp", "x-signature"))
    raw = request.raw_body
    signed = Signature(timestamp, signature, raw.encode() if isinstance(raw, str) else raw)
    service.take_notice(body.program_id, channel, body.reference, signed)
    return Reply(202, None)


def _whose(call: Call, distributor_id: str | None) -> str:
    """The distributor that is meant. Raises NotFound for another distributor's things, Invalid if none is named."""
    named = distributor_id or call.caller.distributor_id
    if named is None:
        wrong = FieldError(pointer("distributor_id"), "missing", "Operators say whose method it is.")
        raise Invalid(Code.INVALID_REQUEST, wrong.message, [wrong])
    call.own(named)
    return named


def _refuse_without_accept() -> None:
    """API Gateway hands out bytes to those only who ask for them first; others would get Base64."""
    accepted: str = routes.blueprint.current_request.headers.get("accept", "")
    if accepted.partition(",")[0].partition(";")[0].strip().lower() != _BYTES:
        raise Malformed(Code.MALFORMED_HEADER, f"For this encoding send Accept: {_BYTES}.")


def _method(program: Program, method: Method) -> MethodAnswer:
    return MethodAnswer(
        method_id=method.method_id,
        distributor_id=method.distributor_id,
        channel=method.channel,
        masked=method.masked,
        usable_from=service.usable_from(program, method),
        created_at=method.created_at,
    )


def _batch(batch: Batch) -> PayoutBatchAnswer:
    return PayoutBatchAnswer(
        batch_id=batch.batch_id,
        channel=batch.channel,
        created_at=batch.created_at,
        count=batch.count,
        amount_minor=batch.amount_minor,
        sha256=batch.sha256,
    )
