"""The API's description of itself, as the deployed platform serves it, against what it answered in the journeys."""

import re
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.journeys.client import Cloud
from tests.support import Answer

Find = Callable[[str], str | None]


@pytest.fixture(scope="module")
def document(cloud: Cloud) -> dict[str, Any]:
    answer = cloud.api.get("/v1/openapi.json")
    assert answer.headers["Content-Type"] == "application/json"
    return dict(answer.json)


def test_the_page_is_html_and_names_every_route(cloud: Cloud, document: dict[str, Any]) -> None:
    page = cloud.api.get("/docs")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    for path in document["paths"]:
        assert path in page.text.replace("<wbr>", "")


def test_the_document_is_openapi_and_each_schema_a_json_schema(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"info", "paths", "components"} <= document.keys()
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [(path, operation) for path, item in document["paths"].items() for operation in item.values()]
    assert len({operation["operationId"] for _, operation in operations}) == len(operations)
    for path, operation in operations:
        named = {parameter["name"] for parameter in operation["parameters"] if parameter.get("in") == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


def test_every_answer_was_as_the_document_says(cloud: Cloud, document: dict[str, Any], all_ran: None) -> None:
    told = closed(document)
    template = templates(told)
    wrong, succeeded = [], set()
    for (method, path, status), answers in list(cloud.api.heard.items()):
        place = template(path)
        operation = told["paths"].get(place, {}).get(method.lower())
        if operation is None:
            assert status == 404, "API Gateway answers what isn't a route"
            continue
        if status < 300:
            succeeded.add((method, place))
        response = response_of(told, operation, status)
        differ = (what for answer in answers for what in differences(told, response, answer))
        wrong += [f"{method} {path} {status} {what}" for what in differ]
    assert sorted(set(wrong)) == []
    every = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert every - succeeded == set(), "no journey had a success here"


def response_of(document: dict[str, Any], operation: dict[str, Any], status: int) -> dict[str, Any] | None:
    """What the document says of an operation's answer of this status; None: nothing."""
    if status < 300:
        found: dict[str, Any] | None = operation["responses"].get(str(status))
        return found
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    return dict(document["components"]["responses"]["Problem"])


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with every object's fields told in full, so that a field that it doesn't tell is noticed."""
    told = deepcopy(document)
    for schema in told["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
    return told


def templates(document: dict[str, Any]) -> Find:
    """Which of the document's paths a path is; one without ids goes before one with."""
    patterns = [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in document["paths"]]
    by_ids = sorted(patterns, key=lambda pattern: pattern[1].count("{"))
    return lambda path: next((place for pattern, place in by_ids if pattern.fullmatch(path)), None)


def differences(document: dict[str, Any], response: dict[str, Any] | None, answer: Answer) -> list[str]:
    """In what an answer isn't what its response says."""
    if response is None:
        return ["isn't told of"]
    content = response.get("content", {})
    if not content:
        return ["has a body"] if answer.text else []
    kind = answer.headers["Content-Type"].partition(";")[0]
    if kind not in content:
        return [f"is {kind}"]
    if not kind.endswith("json"):
        return []
    schema = content[kind]["schema"] | {"components": document["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer.json)]
