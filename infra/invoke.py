"""Call a stage's function by hand, as whatever wakes it does."""

import json
from collections.abc import Mapping
from typing import Any

from infra.deploy import DeployError
from infra.stage import Stage


def invoke(stage: Stage, function: str, event: Mapping[str, Any], failed: str) -> None:
    """Invoke a function and wait for it. `DeployError` with `failed` and the function's words if it fails."""
    answer = stage.client("lambda").invoke(FunctionName=stage.function(function), Payload=json.dumps(event))
    if "FunctionError" in answer:
        raise DeployError(f"{failed}: {answer['Payload'].read().decode()}")
