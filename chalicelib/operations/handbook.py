"""The API as a page to read: its OpenAPI document, rendered. One file, no script, nothing from elsewhere."""

import base64
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import Final

from chalicelib.access.door import Route
from chalicelib.operations import openapi
from chalicelib.operations.openapi import Json

_PAGE: Final = Path(__file__).with_name("handbook.html")
_STYLE: Final = Path(__file__).with_name("handbook.css")
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@cache
def page(routes: tuple[Route, ...]) -> str:
    """The page as HTML; made once per process."""
    document = openapi.document(routes)
    style = _STYLE.read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _PAGE.read_text("utf-8").format(
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        style=style,
        version=escape(document["info"]["version"]),
        about="".join(f"<p>{_prose(part)}</p>" for part in document["info"]["description"].split("\n\n")),
        contents="".join(_contents(document)),
        groups="".join(_group(document, tag) for tag in document["tags"]),
        schemas="".join(_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items())),
    )


def _contents(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        name = escape(tag["name"])
        yield f'<li><a href="#{name}">{name.capitalize()} <span lang="zh">{escape(tag["x-zh"])}</span></a></li>'


def _group(document: Json, tag: Json) -> str:
    routes = "".join(
        _route(path, method, item[method])
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item and item[method]["tags"] == [tag["name"]]
    )
    name = escape(tag["name"])
    heading = f'<h2>{name.capitalize()} <span lang="zh">{escape(tag["x-zh"])}</span></h2>'
    return f'<section id="{name}">{heading}<p class="about">{_prose(tag["description"])}</p>{routes}</section>'


def _route(path: str, method: str, operation: Json) -> str:
    scopes = operation["x-scopes"] or ["open"]
    chips = "".join(f'<span class="scope {escape(scope)}">{escape(scope)}</span>' for scope in scopes)
    head = (
        f'<span class="method {method}">{method.upper()}</span> <code class="path">{_breakable(path)}</code>'
        f'<span class="scopes">{chips}</span><span class="says">{_prose(operation["summary"])}</span>'
    )
    inside = _parameters(operation["parameters"]) + _request(operation) + _answers(operation["responses"])
    return f'<details id="{escape(operation["operationId"])}"><summary>{head}</summary>{inside}</details>'


def _breakable(path: str) -> str:
    return escape(path).replace("/", "/<wbr>").replace("<wbr>", "", 1)


def _parameters(parameters: list[Json]) -> str:
    named = [parameter for parameter in parameters if "name" in parameter]
    rows = "".join(
        _row(p["name"], f"{_kind(p['schema'])} <em>in the {escape(p['in'])}</em>", p["schema"], p["required"])
        for p in named
    )
    table = f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""
    return table + ("<p>Takes an <code>Idempotency-Key</code>.</p>" if len(named) < len(parameters) else "")


def _request(operation: Json) -> str:
    if "requestBody" not in operation:
        return ""
    return f"<p><b>Body</b> {_bodies(operation['requestBody']['content'])}</p>"


def _bodies(content: Json) -> str:
    """What a body may be: JSON by its schema, a file by its media type."""
    return ", ".join(
        _kind(body["schema"]) if kind.endswith("json") else f"<code>{escape(kind)}</code>"
        for kind, body in content.items()
    )


def _answers(responses: Json) -> str:
    lines = []
    for status, response in responses.items():
        if status == "default":
            continue
        body = _bodies(response.get("content", {})) or "no body"
        lines.append(f"<p><b>{status}</b> {escape(response['description'])}: {body}</p>")
    return "".join(lines) + f"<p><b>otherwise</b> {_link('Problem')}</p>"


def _schema(name: str, schema: Json) -> str:
    about = f"<p>{_prose(schema['description'])}</p>" if "description" in schema else ""
    needed = schema.get("required", ())
    rows = "".join(
        _row(field, _kind(inner), inner, field in needed) for field, inner in schema.get("properties", {}).items()
    )
    body = f"<table>{rows}</table>" if rows else f"<p>{_kind(schema)}</p>"
    return f'<article id="schema-{escape(name)}"><h3><code>{escape(name)}</code></h3>{about}{body}</article>'


def _row(name: str, kind: str, schema: Json, needed: bool) -> str:
    mark = '<td class="needed">•</td>' if needed else "<td></td>"
    return f"<tr>{mark}<td><code>{escape(name)}</code></td><td>{kind}{_bounds(schema)}</td></tr>"


def _bounds(schema: Json) -> str:
    notes = []
    if "description" in schema:
        notes.append(_prose(schema["description"]))
    if "default" in schema and schema["default"] is not None:
        notes.append(f"<code>{escape(json.dumps(schema['default'], ensure_ascii=False))}</code> if left out")
    return f'<span class="note">{"; ".join(notes)}</span>' if notes else ""


def _kind(schema: Json) -> str:
    """What a value is, in a few words, with links to what has a name."""
    if "$ref" in schema:
        return _link(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"<code>{escape(json.dumps(schema['const']))}</code>"
    if "enum" in schema:
        return " or ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[several]))
    return _plain_kind(schema)


def _plain_kind(schema: Json) -> str:
    kind = schema.get("type")
    if kind == "array":
        return "list of " + (_kind(schema["items"]) if "items" in schema else "anything")
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return "object of " + _kind(schema["additionalProperties"])
    if kind is None:
        return "anything"
    return escape({"date-time": "time", "date": "day"}.get(schema.get("format", ""), str(kind))) + _range(schema)


def _range(schema: Json) -> str:
    low = schema.get("minimum", schema.get("minLength"))
    high = schema.get("maximum", schema.get("maxLength"))
    if low is None and high is None:
        return ""
    ends = f"{low:,} to {high:,}" if None not in (low, high) else f"from {low:,}" if high is None else f"up to {high:,}"
    return f" {ends}" + (" characters" if schema.get("type") == "string" else "")


def _link(name: str) -> str:
    return f'<a class="type" href="#schema-{escape(name)}">{escape(name)}</a>'


def _prose(text: str) -> str:
    """Escaped text, with what stands between backticks as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts))
