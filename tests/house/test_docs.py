"""What the documents list and what the code has are the same."""

import ast
import re
from pathlib import Path

import pytest

from app import app
from chalicelib.access.door import LETTERS, ROUTES
from chalicelib.shared import errors
from chalicelib.shared.errors import Code, DomainError
from chalicelib.shared.version import VERSION
from tests.house.source import ROOMS, ROOT, nodes

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
STATUSES = {
    name: kind.status for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, DomainError)
} | {"_Unavailable": 503, "_Internal": 500}


def test_every_route_is_in_the_api_document_with_its_scopes() -> None:
    letters = {scope: letter for letter, scope in LETTERS.items()}
    found = {f"{r.method} {r.path}": {letters[scope] for scope in r.scopes} or {"open"} for r in ROUTES}
    rows = re.findall(r"^\| `([A-Z]+ /\S*)` \| ([A-Za-z ]+) \|", (DOCS / "api.md").read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a route is listed twice"
    assert {route: set(scopes.split()) for route, scopes in rows} == found


def test_every_route_says_what_it_does() -> None:
    assert [route.path for route in ROUTES if len(route.summary) < 10 or not route.summary.endswith(".")] == []


def _problems() -> list[tuple[str, int]]:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", (DOCS / "errors.md").read_text(), re.MULTILINE)
    return [(code, int(status)) for code, status in rows]


def test_every_problem_is_documented_in_order() -> None:
    codes = [code for code, _ in _problems()]
    assert codes == sorted(codes)
    assert set(codes) == {code.value for code in Code}


def test_problems_have_the_status_they_are_documented_with() -> None:
    documented = dict(_problems())
    wrong = {
        f"{where}: {code} is raised with {status}, documented with {documented.get(code)}"
        for where, code, status in _raised()
        if documented.get(code) != status
    }
    assert wrong == set()


def _raised() -> list[tuple[str, str, int]]:
    """(module, code, status) of every `Kind(Code.X, ...)` in the source."""
    return [
        (name, Code[node.args[0].attr].value, STATUSES[node.func.id])
        for name, node in nodes()
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in STATUSES
        and node.args
        and isinstance(node.args[0], ast.Attribute)
        and ast.unparse(node.args[0].value) == "Code"
    ]


def test_every_code_is_used() -> None:
    used = {node.attr for _, node in nodes() if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Code"}
    assert {code.name for code in Code} - used == set()


def test_every_function_room_and_setting_is_in_the_map_of_the_house() -> None:
    house = (DOCS / "house.md").read_text()
    settings = {
        node.value
        for name, node in nodes()
        if name == "chalicelib/shared/settings.py" and isinstance(node, ast.Constant) and isinstance(node.value, str)
        if re.fullmatch(r"(TRIBUTARY|AWS)_[A-Z_]+", node.value)
    }
    functions = {source.name for source in [*app.event_sources, *app.pure_lambda_functions]}
    wanted = {"api_handler", *functions, *ROOMS, *settings}
    assert {thing for thing in wanted if f"`{thing}`" not in house} == set()


def test_the_glossary_has_each_word_once_in_order_with_its_chinese() -> None:
    sections = (DOCS / "glossary.md").read_text().split("\n## ")[1:]
    seen: set[str] = set()
    for section in sections:
        rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE)[1:]
        words = [word for word, _, _ in rows]
        assert words == sorted(words, key=str.lower)
        assert all(re.search(r"[\u4e00-\u9fff]", chinese) for _, chinese, _ in rows)
        assert not seen & set(words)
        seen |= set(words)


def test_decisions_are_numbered_and_dated() -> None:
    notes = sorted((DOCS / "decisions").glob("*.md"))
    numbers = [note.name[:4] for note in notes]
    assert len(set(numbers)) == len(numbers)
    dated = re.compile(r"^\d{4}-\d\d-\d\d · (accepted|overruled by \d{4})$", re.MULTILINE)
    parts = ("Context", "Decision", "Alternatives", "Consequences")
    assert [note.name for note in notes if not dated.search(note.read_text())] == []
    lacking = {note.name: [part for part in parts if f"**{part}.**" not in note.read_text()] for note in notes}
    assert {name: parts for name, parts in lacking.items() if parts} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_changelog_knows_the_release() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", text, re.MULTILINE)
    assert not released or released[0] <= VERSION


def test_each_test_folder_mirrors_a_room_or_says_why_not() -> None:
    others = {"house", "infra", "journeys", "oracle", "faults", "benchmarks", "conformance", "load"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert folders <= {*ROOMS, *others}
