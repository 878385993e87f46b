"""Have one order decided again, when the stream has given its record up or the quarantine held it."""

import json
import time

from infra.deploy import DeployError
from infra.stage import Stage


def decide_again(stage: Stage, program_id: str, order_id: str) -> None:
    """Hand the deciding function a record that names the order; the facts it reads itself.

    Harmless at any time: what is decided already stays. `DeployError` with the function's words if it fails.
    """
    record = {
        "eventID": f"again-{time.time_ns()}",
        "eventName": "MODIFY",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": "",
        "awsRegion": "",
        "dynamodb": {
            "ApproximateCreationDateTime": int(time.time()),
            "Keys": {"pk": {"S": f"{program_id}#{order_id}"}, "sk": {"S": "order"}},
            "SequenceNumber": "0",
            "SizeBytes": 0,
            "StreamViewType": "NEW_IMAGE",
        },
    }
    answer = stage.client("lambda").invoke(
        FunctionName=stage.function("decide_orders"), Payload=json.dumps({"Records": [record]})
    )
    if "FunctionError" in answer:
        raise DeployError(f"Order {order_id} could not be decided: {answer['Payload'].read().decode()}")
