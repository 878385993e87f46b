"""The API's description of itself: complete, consistent, and a page that needs nothing from elsewhere."""

import base64
import hashlib
import re
from collections.abc import Iterator
from enum import StrEnum
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import create_model

from chalicelib.access.door import ROUTES
from chalicelib.operations import openapi
from chalicelib.shared import http
from chalicelib.shared.version import VERSION
from tests.support import Api

VOID = {"meta", "wbr", "br", "hr", "link", "img", "input"}


@pytest.fixture
def document(api: Api) -> Any:
    return api.get("/v1/openapi.json").json


@pytest.fixture
def page(api: Api) -> str:
    answer = api.get("/docs")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    return answer.text


def _inside(value: Any) -> Iterator[Any]:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inside(inner)


def test_it_is_openapi_3_1_of_this_release(document: Any) -> None:
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", VERSION)


def test_it_tells_every_route_once_with_scopes_and_what_it_does(document: Any) -> None:
    told = {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert set(told) == {(route.method, route.path) for route in ROUTES}
    for route in ROUTES:
        operation = told[route.method, route.path]
        assert set(operation["x-scopes"]) == {scope.value for scope in route.scopes}
        assert operation["security"] == ([{"key": []}] if route.scopes else [])
        assert str(route.status) in operation["responses"]
        assert ("requestBody" in operation) == (route.body is not None or route.takes != ())
        assert operation["summary"]


def test_every_reference_leads_to_something_that_is_told(document: Any) -> None:
    references = {value["$ref"] for value in _inside(document) if isinstance(value, dict) and "$ref" in value}
    for reference in references:
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    used = {reference.rpartition("/")[2] for reference in references if "/schemas/" in reference}
    assert set(document["components"]["schemas"]) == used


def test_every_id_in_a_path_is_a_parameter_and_operations_have_names_of_their_own(document: Any) -> None:
    names = []
    for path, item in document["paths"].items():
        for operation in item.values():
            names.append(operation["operationId"])
            inside = {p["name"] for p in operation["parameters"] if p.get("in") == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path))
    assert len(names) == len(set(names))


def test_requests_refuse_unknown_fields_and_answers_are_named_plainly(document: Any) -> None:
    schemas = document["components"]["schemas"]
    bodies = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for item in document["paths"].values()
        for operation in item.values()
        if "application/json" in operation.get("requestBody", {"content": ()})["content"]
    ]
    assert [name for name in bodies if schemas[name].get("additionalProperties") is not False] == []
    assert [name for name in schemas if not re.fullmatch(r"[A-Za-z]\w*[A-Za-z0-9]", name)] == []


def test_one_name_never_means_two_things() -> None:
    read, given = (StrEnum("Colour", {word: word}) for word in ("red", "blue"))
    body = create_model("Told", __base__=http.Body, colour=(read, ...))
    answer = msgspec.defstruct("Given", [("colour", given)], bases=(http.Answer,), frozen=True)
    with pytest.raises(ValueError, match="one name: Colour"):
        openapi.document([replace(ROUTES[0], body=body, answer=answer)])


def test_files_are_told_by_their_media_types(document: Any, page: str) -> None:
    batches = "/v1/payouts/batches/{batch_id}"
    given = document["paths"][f"{batches}/file"]["get"]["responses"]["200"]["content"]
    taken = document["paths"][f"{batches}/results"]["post"]["requestBody"]["content"]
    assert set(given) == set(taken) == {"text/csv", "application/octet-stream"}
    assert "<b>Body</b> <code>text/csv</code>" in page
    noticed = document["paths"]["/v1/payouts/notices/{channel}"]["post"]["responses"]["202"]
    assert "content" not in noticed


def test_the_page_is_well_formed_and_links_within_itself(page: str) -> None:
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert {link for link in reader.links if not link.startswith("#")} == {"v1/openapi.json"}
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        assert "style" not in given
        assert not any(name.startswith("on") for name in given)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given["href"] or ""] if "href" in given else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_allows_itself_nothing_but_its_own_style(page: str) -> None:
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert style is not None
    assert policy is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert policy.group(1).startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "<script" not in page
    assert "url(" not in style.group(1)


def test_the_page_speaks_both_languages_and_shows_every_route(page: str) -> None:
    assert "分销系统接口" in page
    assert "佣金" in page
    plain = re.sub(r"<wbr>", "", page)
    assert [route.path for route in ROUTES if f'class="path">{route.path}</code>' not in plain] == []
