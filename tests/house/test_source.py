"""Habits that no tool knows, read from the source itself."""

import ast
import subprocess
import sys
import tomllib
from functools import cache

import pytest

from tests.house.source import ROOMS, ROOT, at, modules, nodes

DIVISIONS_ALLOWED: dict[str, str] = {}
"""Module -> why it may use `/` or a float. Nothing near money ever may."""

BROAD_CATCHES_ALLOWED = {"chalicelib/access/door.py", "chalicelib/shared/streams.py"}
"""The edge of a request and the edge of a record; see docs/decisions/0004."""

WRITES_FORBIDDEN = {"delete", "batch_write", "update_item", "delete_item", "batch_write_item"}
"""pynamodb's and boto3's ways to change or erase an item in place; see docs/decisions/0006."""

PYNAMODBS = {"cause_response_code", "cause_response_message"}
"""`chalicelib.shared.tables.code_of` is ours."""


def test_no_float_is_anywhere_near_money() -> None:
    found = [
        at(name, node)
        for name, node in nodes()
        if name not in DIVISIONS_ALLOWED and (_is_float(node) or _is_true_division(node))
    ]
    assert found == []


def _is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"


def _is_true_division(node: ast.AST) -> bool:
    return isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)


def test_only_settings_reads_the_environment() -> None:
    names = {"environ", "environb", "getenv"}
    found = {
        name
        for name, node in nodes()
        if (isinstance(node, ast.Attribute) and node.attr in names)
        or (isinstance(node, ast.ImportFrom) and names & {alias.name for alias in node.names})
    }
    assert found == {"chalicelib/shared/settings.py"}


def test_only_two_places_catch_broadly() -> None:
    found = {
        name
        for name, node in nodes()
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
    }
    assert found == BROAD_CATCHES_ALLOWED


def test_what_the_store_answered_is_asked_in_one_way() -> None:
    """pynamodb's own fails when the answer didn't come in time: what should be tried again would count as a bug."""
    asked = [at(name, node) for name, node in nodes() if isinstance(node, ast.Attribute) and node.attr in PYNAMODBS]
    assert asked == []


def test_no_item_is_changed_or_erased_in_place() -> None:
    found = [at(name, node) for name, node in nodes() if not name.endswith("routes.py") and _is_forbidden_write(node)]
    assert found == []


def _is_forbidden_write(node: ast.AST) -> bool:
    """`facts.update(other)` is Python's; an item's `update` takes `actions`."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    actions = any(keyword.arg == "actions" for keyword in node.keywords)
    return node.func.attr in WRITES_FORBIDDEN or (node.func.attr == "update" and actions)


def test_every_module_class_and_public_function_says_what_it_means() -> None:
    silent = [name for name, tree in modules().items() if not ast.get_docstring(tree)]
    silent += [
        f"{at(name, node)} {node.name}"
        for name, node in nodes()
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and node.name not in _nested(name)
        and not ast.get_docstring(node)
    ]
    assert silent == []


@cache
def _nested(module: str) -> set[str]:
    """Functions within functions: they say what they mean by where they stand."""
    functions = [node for node in ast.walk(modules()[module]) if isinstance(node, ast.FunctionDef)]
    return {inner.name for outer in functions for inner in ast.walk(outer) if inner is not outer and _named(inner)}


def _named(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.ClassDef)


def test_functions_are_short() -> None:
    long = [
        f"{at(name, node)} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for name, node in nodes()
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno >= 45
    ]
    assert long == []


def test_each_rooms_tables_are_private_to_it() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    protected = {module for contract in contracts for module in contract.get("protected_modules", ())}
    wanted = {f"chalicelib.{room}.tables" for room in ROOMS if (ROOT / f"chalicelib/{room}/tables.py").exists()}
    assert protected == wanted - {"chalicelib.shared.tables"}


def test_importing_any_module_makes_no_client_and_needs_no_environment() -> None:
    names = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in modules()]
    program = (
        "import importlib, botocore.session\n"
        "def refuse(*_, **__): raise AssertionError('a client was made at import')\n"
        "botocore.session.Session.create_client = refuse\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
    )
    bare = {"PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=bare, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        pytest.fail(ran.stderr, pytrace=False)
