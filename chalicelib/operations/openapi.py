"""The API as an OpenAPI 3.1 document, made from the routes and their models: it can't say what isn't so.

Source: https://spec.openapis.org/oas/v3.1.0
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from pydantic.json_schema import models_json_schema

from chalicelib.access.door import Route
from chalicelib.access.model import Scope
from chalicelib.shared.http import Problem
from chalicelib.shared.value import Value
from chalicelib.shared.version import VERSION

Json = dict[str, Any]

_REF: Final = "#/components/schemas/"
_LISTED: Final = re.compile(r"Listed[_\[](\w+?)[_\]](?=\")")
_OF_A_ROOM: Final = re.compile(r"chalicelib(?:\.|__)([a-z]+)(?:\.|__)[a-z]+(?:\.|__)(\w+)")
_PATH_ID: Final = re.compile(r"{(\w+)}")


class Group(Value):
    """Routes that are read together: those whose path begins with one of `begins`."""

    name: str
    zh: str
    about: str
    begins: tuple[str, ...]


GROUPS: Final = (
    Group(
        "programs",
        "分销计划",
        "A program is one merchant's promise; its plan, in numbered versions, says how much, to whom and when.",
        ("programs", "program", "presets"),
    ),
    Group("keys", "密钥与审计", "Who may call, and what people did.", ("me", "keys", "audit")),
    Group("catalog", "商品与优惠券", "What products pay, and whose a coupon is.", ("products", "coupons")),
    Group(
        "distributors",
        "分销员",
        "Who takes part: applications, approval, sponsors, and what each has earned.",
        ("distributors", "invitations"),
    ),
    Group("referrals", "点击与绑定", "Who brought whom: clicks and bindings.", ("clicks", "referrals")),
    Group(
        "orders",
        "订单",
        "Facts, told in any order and any number of times. The answer says at once whose order it is, and why.",
        ("orders",),
    ),
    Group(
        "levels",
        "等级",
        "Ranks rise the day after enough was sold and fall a step after missed months: changes, and what is to come.",
        ("levels",),
    ),
    Group("commissions", "佣金", "What each order pays each distributor, with its derivation.", ("commissions",)),
    Group(
        "accounts",
        "账户",
        "Corrections of balances by two people, and what there is to download.",
        ("adjustments", "exports"),
    ),
    Group(
        "withdrawals",
        "提现与打款",
        "How money leaves: payout methods, withdrawals, files for banks.",
        ("payout-methods", "withdrawals", "payouts"),
    ),
    Group(
        "operations",
        "运维",
        "Health, the clock of test programs, what was reconciled, what couldn't be processed, and this description.",
        ("health", "docs", "openapi.json", "jobs", "reports", "quarantine", "test"),
    ),
)
"""The order in which the API is told."""

_ABOUT: Final = """\
A serverless distribution platform for online shops: distributors share links and codes, the people they bring buy, \
and this API works out who earns what, explains it, and proves it.

Money is a whole number of minor units (fen, cents) in fields that end in `_minor`; rates are basis points (`rate_bp` \
200 is 2 %). Times are RFC 3339, answered in UTC. Types are strict and unknown fields are refused. Writes can be \
repeated: by their own id, or by an `Idempotency-Key`. Lists take `limit` and `cursor`. What isn't a success is a \
problem (RFC 9457) with a stable `code`."""


def group_of(route: Route) -> Group:
    """The group a route is told in. Raises LookupError for a path that no group begins with."""
    first = route.path.removeprefix("/v1").split("/")[1]
    for group in GROUPS:
        if first in group.begins:
            return group
    raise LookupError(f"no group of openapi.GROUPS begins with {first!r}")


@cache
def text(routes: tuple[Route, ...]) -> str:
    """The document as JSON text; made once per process."""
    return json.dumps(document(routes), ensure_ascii=False)


def document(routes: Sequence[Route]) -> Json:
    """The OpenAPI document of these routes."""
    names, schemas = _schemas(routes)
    queries = {query: schemas.pop(_name(names[query])) for query in {r.query for r in routes if r.query}}
    paths: dict[str, Json] = {}
    for route in sorted(routes, key=_place):
        parameters = _parameters(route, queries[route.query] if route.query else {})
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, parameters, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tributary",
            "version": VERSION,
            "summary": "Exact, explained, proven commissions. 分销系统：每一分佣金都算得清、说得明、对得上。",
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to this document: wherever the stage's API is, its routes are beside it.
        "servers": [{"url": "..", "description": "The stage that serves this document"}],
        "tags": [{"name": g.name, "description": g.about, "x-zh": g.zh} for g in GROUPS],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {"Problem": _problem_response()},
            "parameters": {"IdempotencyKey": _idempotency_key()},
            "headers": {"RequestId": {"schema": {"type": "string"}, "description": "Finds the request in the log."}},
            "securitySchemes": {"key": _security_scheme()},
        },
    }


def _place(route: Route) -> tuple[int, str, str]:
    return GROUPS.index(group_of(route)), route.path, route.method


def _name(ref: Json) -> str:
    return str(ref["$ref"]).removeprefix(_REF)


_Named = Mapping[Any, Json]
"""A reference to the schema of each type."""


def _schemas(routes: Sequence[Route]) -> tuple[_Named, Json]:
    """What is read is told by pydantic, what is answered by msgspec. Both tell enums; pydantic in our order.

    Raises ValueError if one name would mean two things.
    """
    read = list(dict.fromkeys(model for route in routes for model in (route.body, route.query) if model is not None))
    given = list(dict.fromkeys([Problem, *(route.answer for route in routes if route.answer is not None)]))
    bodies, taken = models_json_schema([(model, "validation") for model in read], ref_template=_REF + "{model}")
    answers, told = msgspec.json.schema_components(given, ref_template=_REF + "{name}")
    names = {model: bodies[model, "validation"] for model in read} | dict(zip(given, answers, strict=True))
    asked, shown = _plainly(taken["$defs"]), _plainly(told)
    if mixed := [name for name in asked.keys() & shown if _choices(asked[name]) != _choices(shown[name])]:
        raise ValueError(f"Two things have one name: {', '.join(mixed)}")
    return {kind: _plainly(ref) for kind, ref in names.items()}, shown | asked


def _plainly(schema: Any) -> Any:
    """With names as people give them: `KeyAnswerList` for `Listed[KeyAnswer]`, `WithdrawalsStatus` for a room's own."""
    text = _LISTED.sub(r"\1List", json.dumps(schema))
    return json.loads(_OF_A_ROOM.sub(lambda named: named[1].title() + named[2], text))


def _choices(schema: Json) -> list[str] | None:
    return sorted(schema["enum"]) if "enum" in schema else None


def _operation(route: Route, parameters: list[Json], names: _Named) -> Json:
    operation: Json = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path.removeprefix('/v1')}").strip("_"),
        "tags": [group_of(route).name],
        "summary": route.summary,
        "description": _who(route),
        "security": [{"key": []}] if route.scopes else [],
        "x-scopes": [scope.value for scope in Scope if scope in route.scopes],
        "parameters": parameters,
        "responses": _responses(route, names),
    }
    if route.body is not None:
        schema = names[route.body]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif route.takes:
        operation["requestBody"] = {"required": True, "content": _files(route.takes)}
    return operation


def _files(kinds: Iterable[str]) -> Json:
    return {kind: {"schema": {"type": "string"}} for kind in kinds}


def _who(route: Route) -> str:
    if not route.scopes:
        return "Open: needs no key."
    return "Needs a key of scope " + " or ".join(scope.value for scope in Scope if scope in route.scopes) + "."


def _parameters(route: Route, query: Json) -> list[Json]:
    path_id = {"type": "string", "pattern": r"^[A-Za-z0-9._:-]{1,128}$"}
    needed = query.get("required", ())
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": path_id} for name in _PATH_ID.findall(route.path)
    ]
    for name, field in query.get("properties", {}).items():
        parameters.append({"name": name, "in": "query", "required": name in needed, "schema": field})
    if route.method == "POST" and route.scopes:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return parameters


def _responses(route: Route, names: _Named) -> Json:
    statuses = {201: "New", 200: "Known before"} if route.status == 201 else {route.status: "Done"}
    return {
        **{str(status): _success(route, names, words) for status, words in statuses.items()},
        "default": {"$ref": "#/components/responses/Problem"},
    }


def _success(route: Route, names: _Named, words: str) -> Json:
    response: Json = {"description": words, "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}}
    if route.answer is not None:
        response["content"] = {"application/json": {"schema": names[route.answer]}}
    elif route.gives:
        response["content"] = _files(route.gives)
    elif route.status not in (202, 204):
        response["content"] = {"application/json": {"schema": {"type": "object"}}}
    return response


def _problem_response() -> Json:
    schema = {"$ref": _REF + "Problem"}
    words = "Not done, and why: 400, 401, 403, 404, 409, 413, 415, 422, 429 or 5xx. Build on `code`."
    return {"description": words, "content": {"application/problem+json": {"schema": schema}}}


def _idempotency_key() -> Json:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Names this write where its body has no id of its own, so that a repeat does nothing more.",
        "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
    }


def _security_scheme() -> Json:
    words = "A key of one program, one actor and one scope, or a distributor's session: `Authorization: Bearer <key>`."
    return {"type": "http", "scheme": "bearer", "description": words}
