"""Have what is due looked for now, rather than at the next quarter of an hour."""

import json
import time

from infra.deploy import DeployError
from infra.stage import Stage


def tick_now(stage: Stage) -> None:
    """Call the function as its schedule does. Harmless at any time: a job that was sent or done already is met again.

    `DeployError` with the function's words if it fails.
    """
    event = {
        "version": "0",
        "id": f"by-hand-{time.time_ns()}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": "",
        "resources": [],
        "detail": {},
    }
    answer = stage.client("lambda").invoke(FunctionName=stage.function("tick"), Payload=json.dumps(event))
    if "FunctionError" in answer:
        raise DeployError(f"What is due could not be looked for: {answer['Payload'].read().decode()}")
