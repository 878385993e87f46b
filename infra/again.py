"""Have one order decided again, when the stream has given its record up or the quarantine held it."""

import time

from infra.invoke import invoke
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
    invoke(stage, "decide_orders", {"Records": [record]}, f"Order {order_id} could not be decided")
