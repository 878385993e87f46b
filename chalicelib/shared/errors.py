"""What can go wrong for a caller, as stable codes. Rooms raise these; `access.door` turns them into HTTP once.

    DomainError
    ├── Malformed      400  the body or a header can't be read
    ├── Unauthorized   401  no key, a wrong key, a revoked key
    ├── Forbidden      403  the key's scope may not do this
    ├── NotFound       404  not there, or another program's
    ├── Conflict       409  state or content stands against it
    ├── TooLarge       413  the body passes its bound
    ├── Unsupported    415  the body is not JSON
    └── Invalid        422  schema or references are wrong

Each code is described in docs/errors.md; a test holds the two together.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

from chalicelib.shared.value import Value


class Code(StrEnum):
    """Stable names of problems. Never renamed, never reused for something else."""

    MALFORMED_JSON = "malformed_json"
    MALFORMED_HEADER = "malformed_header"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_REQUEST = "invalid_request"
    INVALID_CURSOR = "invalid_cursor"
    EXISTS_WITH_DIFFERENT_CONTENT = "exists_with_different_content"
    CHANGED_MEANWHILE = "changed_meanwhile"
    TOO_MANY_CHANGES = "too_many_changes"
    UNKNOWN_PROGRAM = "unknown_program"
    NOT_A_TEST_PROGRAM = "not_a_test_program"
    INVALID_PLAN = "invalid_plan"
    EFFECTIVE_IN_THE_PAST = "effective_in_the_past"
    NO_PLAN_IN_FORCE = "no_plan_in_force"
    UNKNOWN_DISTRIBUTOR = "unknown_distributor"
    UNKNOWN_CODE = "unknown_code"
    UNKNOWN_TRACK = "unknown_track"
    UNKNOWN_LINE = "unknown_line"
    UNKNOWN_RANK = "unknown_rank"
    UNKNOWN_SPONSOR = "unknown_sponsor"
    INVITATION_NEEDED = "invitation_needed"
    INVITATION_NOT_VALID = "invitation_not_valid"
    SPONSOR_LOOP = "sponsor_loop"
    SPONSOR_CHAIN_TOO_LONG = "sponsor_chain_too_long"
    WRONG_STATUS = "wrong_status"
    DISTRIBUTOR_NOT_APPROVED = "distributor_not_approved"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    CLOCK_GOES_FORWARD = "clock_goes_forward"
    ORDERS_UNDECIDED = "orders_undecided"
    TOO_MANY_REFUNDS = "too_many_refunds"
    NOT_ATTRIBUTABLE = "not_attributable"
    IDEMPOTENCY_KEY_NEEDED = "idempotency_key_needed"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    WITHDRAWALS_STOPPED = "withdrawals_stopped"
    TOO_MANY_WITHDRAWALS = "too_many_withdrawals"
    AMOUNT_OUT_OF_RANGE = "amount_out_of_range"
    METHOD_TOO_NEW = "method_too_new"
    UNKNOWN_METHOD = "unknown_method"
    UNKNOWN_CHANNEL = "unknown_channel"
    CHANNEL_NOT_AVAILABLE = "channel_not_available"
    ACCOUNT_IN_USE = "account_in_use"
    TOO_MANY_METHODS = "too_many_methods"
    SAME_ACTOR = "same_actor"
    INVALID_RESULTS = "invalid_results"
    NO_DEBT = "no_debt"
    UNAVAILABLE = "unavailable"
    INTERNAL_ERROR = "internal_error"


def pointer(*path: str | int) -> str:
    """A JSON pointer (RFC 6901) to a place in a body."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


class FieldError(Value):
    """One thing wrong with a body: where (a JSON pointer, RFC 6901), a code, and words."""

    pointer: str
    code: str
    message: str


class DomainError(Exception):
    """Something the caller asked for can't be; `code` is stable, `detail` is for people."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, code: Code, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)


class Malformed(DomainError):
    """The request can't be read at all."""

    status = 400
    title = "The request can't be read"


class Unauthorized(DomainError):
    """No key, an unknown key, or one that was revoked or has run out."""

    status = 401
    title = "A valid key is needed"


class Forbidden(DomainError):
    """The key is good, but its scope may not do this."""

    status = 403
    title = "This key may not do this"


class NotFound(DomainError):
    """It isn't there, or it belongs to another program: nobody can tell which."""

    status = 404
    title = "Not found"


class Conflict(DomainError):
    """The request is well formed, but what is already there stands against it."""

    status = 409
    title = "This doesn't fit what is there"


class TooLarge(DomainError):
    """The body passes its bound."""

    status = 413
    title = "The body is too large"


class Unsupported(DomainError):
    """The body is of a type we don't read."""

    status = 415
    title = "The body must be JSON"


class Invalid(DomainError):
    """The body is JSON, but it, or something it refers to, is wrong."""

    status = 422
    title = "The request is not valid"
