"""The edge: how bodies are read, how answers and problems are written. Types here are the contract of docs/api.md."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from chalice.app import Request, Response
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import to_json

from chalicelib.shared import money
from chalicelib.shared.errors import Code, DomainError, FieldError, Invalid, Malformed, TooLarge, Unsupported, pointer
from chalicelib.shared.value import Value

BODY_MAX: Final = 1_000_000
"""Bytes a body may have."""

METADATA_MAX: Final = 4_096
"""Bytes a metadata object may have, as JSON."""

CSV: Final = "text/csv; charset=utf-8"
NEXT_CURSOR: Final = "X-Next-Cursor"
"""The header in which a table tells where it goes on."""

LIMIT_MAX: Final = 100
LIMIT_DEFAULT: Final = 50

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_YEARS: Final = (1970, 9000)
"""What every time zone and every clock here can reckon with."""
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")


def _not_dots_alone(text: str) -> str:
    if not text.strip("."):
        raise ValueError("dots alone are no id")
    return text


def _time(value: object) -> object:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("a time is RFC 3339 with an offset, such as 2026-11-21T10:00:00+08:00")
    # RFC 3339 lets t and z be small, Python doesn't.
    whole, _, rest = value.upper().partition(".")
    digits = re.match(r"\d*", rest)
    fraction = digits.group() if digits else ""
    # Python reads microseconds; finer fractions are cut.
    at = datetime.fromisoformat(whole + ("." + fraction[:6].ljust(6, "0") + rest[len(fraction) :] if rest else ""))
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise ValueError(f"a time lies between {_YEARS[0]} and {_YEARS[1]}")
    return at.astimezone(UTC)


def _day(value: object) -> object:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("a day is written 2026-03-04")
    return date.fromisoformat(value)


ExternalId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:-]{1,128}$"), AfterValidator(_not_dots_alone)]
"""An id of the caller's making."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Minor = Annotated[int, Field(ge=0, le=money.MINOR_MAX)]
"""An amount in minor units."""
Bp = Annotated[int, Field(ge=0, le=money.BP)]
"""A rate in basis points."""
Time = Annotated[datetime, BeforeValidator(_time), WithJsonSchema({"type": "string", "format": "date-time"})]
"""An instant, told with its offset."""
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
"""A program-local day."""
Shown = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant in an answer, which is in UTC as all of ours are: RFC 3339 with Z, a fraction only if there is one."""


class Body(BaseModel):
    """A request's body: strict types, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Query(BaseModel):
    """A request's query string: no unknown parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class ListQuery(Query):
    """What every list takes."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: str | None = Field(default=None, max_length=4_000)


class ExportQuery(Query):
    """What every export takes: where it goes on, as the header `X-Next-Cursor` told."""

    cursor: str | None = Field(default=None, max_length=4_000)


class Answer(Value):
    """An answer's body. Answers may grow fields; they never lose or rename one. A field that is UNSET is left out."""


_A = TypeVar("_A", bound=Answer)


class Listed(Answer, Generic[_A]):
    """A page of a list; `next_cursor` null: the last one."""

    data: list[_A]
    next_cursor: str | None = None


class Problem(Answer):
    """What went wrong (RFC 9457). `code` is stable; `detail` is for people."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldError] = []


def _finite(metadata: dict[str, Any]) -> dict[str, Any]:
    """NaN and the infinities pass pydantic's parser. They are no JSON, and NaN never equals what was told before."""
    json.dumps(metadata, allow_nan=False)
    return metadata


Metadata = Annotated[
    dict[Annotated[str, StringConstraints(min_length=1, max_length=128)], JsonValue], AfterValidator(_finite)
]
"""What a caller keeps with a thing, as it is."""

_B = TypeVar("_B", bound=Body)
_Q = TypeVar("_Q", bound=Query)


def read_body(request: Request, model: type[_B]) -> _B:
    """The body as `model`. Raises Unsupported, TooLarge, Malformed, Invalid."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Unsupported(Code.UNSUPPORTED_MEDIA_TYPE, f"Send application/json, not {kind[:100]}.")
    raw = request.raw_body
    if len(raw) > BODY_MAX:
        raise TooLarge(Code.BODY_TOO_LARGE, f"A body may have {BODY_MAX:,} bytes; this one has {len(raw):,}.")
    try:
        return model.model_validate_json(raw)
    except ValidationError as wrong:
        raise _invalid(wrong) from None


def read_query(params: Mapping[str, str] | None, model: type[_Q]) -> _Q:
    """The query string as `model`. Raises Invalid."""
    try:
        return model.model_validate(dict(params or {}))
    except ValidationError as wrong:
        raise _invalid(wrong) from None


def validated(value: JsonValue, model: type[_B]) -> _B:
    """JSON that is part of a body as `model`. Raises Invalid."""
    try:
        return model.model_validate(value)
    except ValidationError as wrong:
        raise _invalid(wrong) from None


def json_bytes(value: object) -> bytes:
    """A JSON value as compact UTF-8."""
    return to_json(value)


def _invalid(wrong: ValidationError) -> DomainError:
    errors = wrong.errors(include_url=False, include_context=False, include_input=False)
    if errors[0]["type"] == "json_invalid":
        return Malformed(Code.MALFORMED_JSON, f"The body is not JSON: {errors[0]['msg']}.")
    fields = [FieldError(pointer(*error["loc"]), error["type"], error["msg"]) for error in errors[:100]]
    return Invalid(Code.INVALID_REQUEST, "The request is not valid; see errors.", fields)


def problem(error: DomainError, request_id: str) -> Problem:
    """A domain error as the body of a problem answer."""
    return Problem(
        type=f"urn:tributary:problem:{error.code}",
        title=error.title,
        status=error.status,
        code=error.code,
        detail=error.detail,
        request_id=request_id,
        errors=list(error.errors),
    )


def as_csv(kind: type[Answer], rows: Iterable[Answer]) -> str:
    """Answers as a table (RFC 4180), a column for each field; what is null is empty."""
    columns = kind.__struct_fields__
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(msgspec.to_builtins(tuple(getattr(row, name) for name in columns)) for row in rows)
    return text.getvalue()


def respond(
    status: int, body: Answer | str | bytes | None, request_id: str, kind: str = "application/json"
) -> Response:
    """The answer as Chalice takes it."""
    text = msgspec.json.encode(body).decode() if isinstance(body, Answer) else body or ""
    headers: dict[str, Any] = {"Content-Type": kind, "X-Request-Id": request_id, "Cache-Control": "no-store"}
    return Response(text, status_code=status, headers=headers)
