"""What Chalice reads about a stage: its part of `.chalice/config.json`, and a policy file per function.

Names, numbers and ARNs; no secret. The first and only secret of a stage is made by its own access room.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.policies import POLICIES, Arns, TemplateArns, policy
from infra.stage import Stage
from infra.stream_options import READERS

FUNCTIONS: Mapping[str, Mapping[str, int]] = {
    # API Gateway gives up after 29 seconds. Processor comes with memory, and cold starts are all processor.
    "api_handler": {"lambda_memory_size": 1024, "lambda_timeout": 29},
    # A batch is up to 100 orders, each a handful of reads and writes.
    "decide_orders": {"lambda_memory_size": 1024, "lambda_timeout": 120},
    # A line for each record.
    "watch_entries": {"lambda_memory_size": 256, "lambda_timeout": 30},
    # It only looks and sends.
    "tick": {"lambda_memory_size": 512, "lambda_timeout": 120},
    # The jobs queue hides a message six times as long, as AWS asks for.
    "work": {"lambda_memory_size": 1024, "lambda_timeout": 120},
}


def environment(stage: Stage, arns: Arns | None = None) -> dict[str, Any]:
    """What every function of the stage is told; without `arns`, only names."""
    told = {
        "TRIBUTARY_STAGE": stage.name,
        "TRIBUTARY_TABLE_PREFIX": stage.table_prefix,
        "TRIBUTARY_LOG_LEVEL": "INFO",
    }
    return told | (sources(arns) if arns else {})


def sources(arns: Arns) -> dict[str, Any]:
    """The variables by which the app knows its streams, its queue, its bucket and its key."""
    rooms = [reader.room for reader in READERS.values()]
    streams = {f"TRIBUTARY_{room.upper()}_STREAM_ARN": arns.of(f"{room}/stream") for room in rooms}
    return streams | {
        "TRIBUTARY_JOBS_QUEUE_ARN": arns.of("jobs"),
        "TRIBUTARY_JOBS_QUEUE_URL": arns.url("jobs"),
        "TRIBUTARY_BUCKET": arns.bucket(),
        "TRIBUTARY_PAYOUT_KEY": arns.of("payout-key"),
    }


def render(project: Path, stage: Stage, told: Mapping[str, Any], arns: Arns) -> bool:
    """Write the stage into a project's `.chalice`; True if that changed anything there."""
    return _render(project, stage, told, arns, f"policy-{stage.name}-{{function}}.json")


def render_placeholders(project: Path) -> bool:
    """Write the committed stage `dev`, which packages and lints from a fresh clone; True if it was out of date."""
    stage = Stage("dev")
    return _render(project, stage, environment(stage), TemplateArns(stage.name), "policy-{function}.json")


def _render(project: Path, stage: Stage, told: Mapping[str, Any], arns: Arns, policy_file: str) -> bool:
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
