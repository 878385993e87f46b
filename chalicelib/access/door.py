"""The door that every HTTP request comes through: who may enter, what is read, what is answered.

A room's routes.py makes one `Routes` and decorates its views. A view takes a `Call`, its path's ids, and its `body`
and `query` where it declares them; it calls one service function and shapes the answer.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import unquote

from botocore.exceptions import ClientError, HTTPClientError
from chalice.app import Blueprint, Request, Response
from msgspec import field
from pynamodb.exceptions import PynamoDBException

from chalicelib.access import service
from chalicelib.access.model import Caller, Scope
from chalicelib.shared import http, ids, log, pages
from chalicelib.shared.errors import Code, DomainError, Forbidden, Invalid, Malformed, NotFound
from chalicelib.shared.tables import code_of
from chalicelib.shared.value import Value

LETTERS: Final = {
    "P": Scope.PLATFORM,
    "O": Scope.OPERATOR,
    "A": Scope.AUDITOR,
    "S": Scope.STOREFRONT,
    "D": Scope.DISTRIBUTOR,
}
"""api.md's letters for scopes."""

_LASTING: Final = frozenset({"ValidationException", "AccessDeniedException", "ResourceNotFoundException"})
"""What the store refuses however often it is asked: our fault, not the moment's."""
_THROTTLED: Final = frozenset({"ThrottlingException", "RequestThrottled", "SlowDown", "TooManyRequestsException"})
"""How KMS, SQS and S3 ask us to slow down."""
_ID: Final = re.compile(ids.EXTERNAL_ID)
_IDEMPOTENCY_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


class Call(Value):
    """One request, let in."""

    caller: Caller
    request_id: str
    idempotency_key: str | None

    @property
    def needed_key(self) -> str:
        """The Idempotency-Key of a write that moves money. Raises Malformed `idempotency_key_needed`."""
        if self.idempotency_key is None:
            raise Malformed(Code.IDEMPOTENCY_KEY_NEEDED, "Send an Idempotency-Key: a repeat could move money twice.")
        return self.idempotency_key

    @property
    def program_id(self) -> str:
        """The caller's program. Raises Forbidden for the platform's keys, which are of none."""
        if self.caller.program_id is None:
            raise Forbidden(Code.FORBIDDEN, "This needs a key of a program.")
        return self.caller.program_id

    def own(self, distributor_id: str) -> None:
        """Keep a distributor to its own things. Raises NotFound."""
        if self.caller.distributor_id not in (None, distributor_id):
            raise NotFound(Code.NOT_FOUND, f"There is no distributor {distributor_id}.")


class Reply(Value):
    """An answer whose status isn't the plain 200, or whose body isn't JSON."""

    status: int
    body: http.Answer | str | bytes | None
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def table(cls, text: str, next_cursor: str | None) -> "Reply":
        """A table as CSV; where it goes on is told in the header `X-Next-Cursor`, left out at the end."""
        return cls(200, text, http.CSV, {} if next_cursor is None else {http.NEXT_CURSOR: next_cursor})


class Route(Value):
    """What is known of a route: for the API document and for the tests that hold it to api.md."""

    method: str
    path: str
    scopes: frozenset[Scope]
    body: type[http.Body] | None
    query: type[http.Query] | None
    answer: type[http.Answer] | None
    status: int
    summary: str
    takes: tuple[str, ...] = ()
    """As what a file in the body is taken; none: the body is JSON, or there is none."""
    gives: tuple[str, ...] = ()
    """As what an answer is given that isn't JSON."""


ROUTES: Final[list[Route]] = []
"""Every route of the rooms that were imported."""

View = Callable[..., http.Answer | Reply | None]
_V = TypeVar("_V", bound=View)


class Routes:
    """A room's routes: a Chalice blueprint whose views are behind the door."""

    def __init__(self, module: str) -> None:
        self.blueprint = Blueprint(module)

    def get(self, path: str, scopes: str, **declared: Any) -> Callable[[_V], _V]:
        """A view that reads. `scopes`: api.md's letters, empty for an open route."""
        return self._route("GET", path, scopes, **declared)

    def post(self, path: str, scopes: str, **declared: Any) -> Callable[[_V], _V]:
        """A view that writes something with a name of ours, or does something."""
        return self._route("POST", path, scopes, **declared)

    def put(self, path: str, scopes: str, **declared: Any) -> Callable[[_V], _V]:
        """A view that writes something under the caller's name for it."""
        return self._route("PUT", path, scopes, **declared)

    def patch(self, path: str, scopes: str, **declared: Any) -> Callable[[_V], _V]:
        """A view that changes some fields."""
        return self._route("PATCH", path, scopes, **declared)

    def delete(self, path: str, scopes: str, **declared: Any) -> Callable[[_V], _V]:
        """A view that takes something away."""
        return self._route("DELETE", path, scopes, **declared)

    def _route(
        self,
        method: str,
        path: str,
        scopes: str,
        *,
        body: type[http.Body] | None = None,
        query: type[http.Query] | None = None,
        answer: type[http.Answer] | None = None,
        status: int = 200,
        takes: tuple[str, ...] = (),
        gives: tuple[str, ...] = (),
    ) -> Callable[[_V], _V]:
        allowed = frozenset(LETTERS[letter] for letter in scopes.split())

        def register(view: _V) -> _V:
            summary = (view.__doc__ or "").strip().partition("\n")[0]
            route = Route(method, path, allowed, body, query, answer, status, summary, takes, gives)
            ROUTES.append(route)
            # An empty list of content types: the door judges them itself, with a problem answer.
            self.blueprint.route(path, methods=[method], content_types=[], name=view.__name__)(
                lambda **path_ids: _serve(route, view, self.blueprint.current_request, path_ids)
            )
            return view

        return register


def _serve(route: Route, view: View, request: Request, path_ids: dict[str, str]) -> Response:
    request_id = str(request.context.get("requestId") or ids.new("req"))
    try:
        reply = _let_in(route, view, request, request_id, path_ids)
    except DomainError as error:
        return _problem(route, error, request_id)
    except PynamoDBException as error:
        return _problem(route, _of_the_store(error, route, request, request_id), request_id)
    except (HTTPClientError, ClientError) as error:
        return _problem(route, _unanswered(route, request_id, passes=_passes(error)), request_id)
    except Exception:
        # The edge of the process: a caller gets a problem answer and no trace; the log gets the trace, and an alarm.
        log.error("internal_error", trace=True, request_id=request_id, route=route.path)
        return _problem(route, _Internal(), request_id)
    log.info("request", route=f"{route.method} {route.path}", status=reply.status, request_id=request_id)
    response = http.respond(reply.status, reply.body, request_id, reply.kind)
    response.headers.update(reply.headers)
    return response


def _of_the_store(error: PynamoDBException, route: Route, request: Request, request_id: str) -> DomainError:
    """What a caller is told when the store fails.

    A time-out or a throttle that outlived the retries passes; every write can be repeated, so the caller may try again.
    """
    code = code_of(error)
    if code == "ValidationException" and "cursor" in (request.query_params or {}):
        return pages.another_lists()
    return _unanswered(route, request_id, passes=code not in _LASTING)


def _passes(error: HTTPClientError | ClientError) -> bool:
    """Whether keys, files or the queue may answer the next time: they didn't, or were too busy."""
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= 500 or error.response["Error"]["Code"] in _THROTTLED


def _unanswered(route: Route, request_id: str, *, passes: bool) -> DomainError:
    log.error("unavailable" if passes else "internal_error", trace=True, request_id=request_id, route=route.path)
    return _Unavailable() if passes else _Internal()


def _let_in(route: Route, view: View, request: Request, request_id: str, path_ids: dict[str, str]) -> Reply:
    caller = _caller(route, request)
    given: dict[str, Any] = {name: _path_id(route, name, text) for name, text in path_ids.items()}
    if route.body is not None:
        given["body"] = http.read_body(request, route.body)
    if route.query is not None:
        given["query"] = http.read_query(request.query_params, route.query)
    answer = view(Call(caller, request_id, _idempotency_key(request)), **given)
    if isinstance(answer, Reply):
        return answer
    return Reply(204, None) if answer is None else Reply(route.status, answer)


def _caller(route: Route, request: Request) -> Caller:
    if not route.scopes:
        return Caller("", Scope.STOREFRONT, None)
    caller = service.authenticate(request.headers.get("authorization"))
    if caller.scope not in route.scopes:
        raise Forbidden(Code.FORBIDDEN, f"A key of scope {caller.scope} may not do this.")
    return caller


def _path_id(route: Route, name: str, text: str) -> str:
    plain = unquote(text)
    if _ID.fullmatch(plain):
        return plain
    if route.method in ("GET", "DELETE"):
        raise NotFound(Code.NOT_FOUND, "There is no such thing.")
    raise Invalid(Code.INVALID_REQUEST, f"{name} in the path has 1 to 128 of A-Z a-z 0-9 . _ : - and isn't dots alone.")


def _idempotency_key(request: Request) -> str | None:
    key: str | None = request.headers.get("idempotency-key")
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise Malformed(Code.MALFORMED_HEADER, "An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return key


def _problem(route: Route, error: DomainError, request_id: str) -> Response:
    log.info(
        "request", route=f"{route.method} {route.path}", status=error.status, code=error.code, request_id=request_id
    )
    body = http.problem(error, request_id)
    response = http.respond(error.status, body, request_id, "application/problem+json")
    if error.status == 503:
        response.headers["Retry-After"] = "1"
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


class _Unavailable(DomainError):
    status = 503
    title = "Try again in a moment"

    def __init__(self) -> None:
        super().__init__(
            Code.UNAVAILABLE, "What we keep things with didn't answer in time. The same request may be sent again."
        )


class _Internal(DomainError):
    status = 500
    title = "Something went wrong on our side"

    def __init__(self) -> None:
        super().__init__(Code.INTERNAL_ERROR, "This is our fault. The request id finds it in the log.")
