"""What Chalice reads about a stage: its part of `.chalice/config.json`, and a policy file per function.

Names, numbers and ARNs; no secret. The first and only secret of a stage is made by its own access room.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.policies import POLICIES, Arns, TemplateArns, policy
from infra.stage import Stage

FUNCTIONS: Mapping[str, Mapping[str, int]] = {
    # API Gateway gives up after 29 seconds. Processor comes with memory, and cold starts are all processor.
    "api_handler": {"lambda_memory_size": 1024, "lambda_timeout": 29},
    # A batch is up to 100 orders, each a handful of reads and writes.
    "decide_orders": {"lambda_memory_size": 1024, "lambda_timeout": 120},
}


def environment(stage: Stage, orders_stream_arn: str | None) -> dict[str, str]:
    """What every function of the stage is told."""
    told = {
        "TRIBUTARY_STAGE": stage.name,
        "TRIBUTARY_TABLE_PREFIX": stage.table_prefix,
        "TRIBUTARY_LOG_LEVEL": "INFO",
    }
    return told | ({"TRIBUTARY_ORDERS_STREAM_ARN": orders_stream_arn} if orders_stream_arn else {})


def render(project: Path, stage: Stage, told: Mapping[str, str], arns: Arns) -> bool:
    """Write the stage into a project's `.chalice`; True if that changed anything there."""
    return _render(project, stage, told, arns, f"policy-{stage.name}-{{function}}.json")


def render_placeholders(project: Path) -> bool:
    """Write the committed stage `dev`, which packages and lints from a fresh clone; True if it was out of date."""
    stage = Stage("dev")
    return _render(project, stage, environment(stage, None), TemplateArns(stage.name), "policy-{function}.json")


def _render(project: Path, stage: Stage, told: Mapping[str, str], arns: Arns, policy_file: str) -> bool:
    home = project / ".chalice"
    config = json.loads((home / "config.json").read_text())
    config.setdefault("stages", {})[stage.name] = {
        "api_gateway_stage": stage.name,
        "environment_variables": dict(told),
        "lambda_functions": {
            function: {**size, "iam_policy_file": policy_file.format(function=function)}
            for function, size in FUNCTIONS.items()
        },
    }
    changed = [_write(home / "config.json", config)]
    for function in POLICIES:
        changed.append(_write(home / policy_file.format(function=function), policy(function, arns)))
    return any(changed)


def _write(path: Path, content: Mapping[str, Any]) -> bool:
    text = json.dumps(content, indent=2) + "\n"
    if path.exists() and path.read_text() == text:
        return False
    path.write_text(text)
    return True
