"""The app's own source, parsed, for guards that read it."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = sorted(path.parent.name for path in (ROOT / "chalicelib").glob("*/__init__.py"))


@cache
def modules() -> dict[str, ast.Module]:
    """Path from the root -> syntax tree of app.py and everything under chalicelib."""
    paths = [ROOT / "app.py", *sorted((ROOT / "chalicelib").rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in paths}


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Every node of the source with the module it stands in."""
    for name, tree in modules().items():
        for node in ast.walk(tree):
            yield name, node


def at(name: str, node: ast.AST) -> str:
    """Where a node stands: `chalicelib/shared/money.py:12`."""
    return f"{name}:{getattr(node, 'lineno', 0)}"
