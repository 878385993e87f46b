"""What Chalice doesn't check and its test client hides: how the app is put together, and that each function starts."""

import ast
import json
import subprocess
import sys

import pytest
from chalice.cli.factory import CLIFactory
from chalice.deploy.validate import validate_configuration

from app import app
from infra.render import FUNCTIONS
from tests.house.source import ROOT, modules

CONFIG = json.loads((ROOT / ".chalice/config.json").read_text())
HANDLERS = {source.name: source.handler_string for source in app.event_sources} | {
    function.name: function.handler_string for function in app.pure_lambda_functions
}
"""Function -> the handler that Lambda imports, without app.py."""


def test_app_only_registers() -> None:
    tree = modules()["app.py"]
    assert all(isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.Expr) for node in tree.body)
    calls = [node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    assert {ast.unparse(call.func) for call in calls} == {"app.register_blueprint"}
    assert (tree.body[-1].end_lineno or 0) <= 50


def test_every_blueprint_of_a_room_is_registered() -> None:
    made = {
        name.removesuffix(".py").replace("/", ".") for name in modules() if name.endswith(("/routes.py", "/events.py"))
    }
    imported = {node.module for node in modules()["app.py"].body if isinstance(node, ast.ImportFrom)}
    assert made == {module for module in imported if module and module.startswith("chalicelib.")}


@pytest.mark.parametrize("function", ["api_handler", *sorted(HANDLERS)])
def test_handler_starts_in_a_fresh_process_with_its_module_alone(function: str) -> None:
    module, _, attribute = HANDLERS.get(function, "app.app").rpartition(".")
    program = (
        f"import importlib, sys\n"
        f"assert callable(getattr(importlib.import_module({module!r}), {attribute!r}))\n"
        f"print(*sys.modules)\n"
    )
    bare = {"PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=bare, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        pytest.fail(ran.stderr, pytrace=False)
    if function != "api_handler":
        loaded = ran.stdout.split()
        heavy = {name for name in loaded if name.startswith("chalicelib.") and name.endswith((".routes", ".door"))}
        heavy |= {"pydantic", "boto3"}.intersection(loaded)
        heavy |= {"botocore"}.intersection(loaded) if function == "watch_entries" else set()
        assert heavy == set(), "what isn't a request carries no HTTP: it would only start later"


@pytest.mark.parametrize("stage", sorted(CONFIG.get("stages", {})))
def test_every_configured_function_exists(stage: str) -> None:
    assert set(CONFIG["stages"][stage]["lambda_functions"]) == {"api_handler", *HANDLERS}
    assert CONFIG["autogen_policy"] is False, "Chalice's own policies see app.py only and would grant nothing"


def test_the_deploy_sizes_exactly_the_functions_there_are() -> None:
    assert set(FUNCTIONS) == {"api_handler", *HANDLERS}


def test_functions_are_only_configured_in_stages() -> None:
    assert "lambda_functions" not in CONFIG, "Chalice ignores half of what stands there"
    assert "environment_variables" not in CONFIG


@pytest.mark.parametrize("stage", sorted(CONFIG.get("stages", {})))
def test_chalice_finds_the_configuration_valid(stage: str) -> None:
    validate_configuration(CLIFactory(str(ROOT)).create_config_obj(stage))


def test_browsers_are_answered_on_every_route() -> None:
    without = [path for path, views in app.routes.items() for view in views.values() if view.cors is None]
    assert without == [], "app.api.cors is set after a blueprint was registered"
