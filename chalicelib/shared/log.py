"""One structured line per thing worth telling, and metrics in the same stream (CloudWatch's embedded format).

Never put a secret, an account number, an identity number or a request's body into a line.
Metric format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
import time
from typing import Final

from chalicelib.shared.settings import log_level, settings

NAMESPACE: Final = "Tributary"
_logger = logging.getLogger("tributary")


def set_up() -> None:
    """Give our logger its level; Lambda has already given the root logger its handler."""
    _logger.setLevel(log_level())


def info(event: str, **facts: object) -> None:
    """Tell what happened: a stable event name and its facts."""
    _logger.info(_line(event, facts))


def error(event: str, *, trace: bool = False, **facts: object) -> None:
    """Tell what went wrong; with `trace`, where."""
    _logger.error(_line(event, facts), exc_info=trace)


def count(metric: str, number: int = 1, **facts: object) -> None:
    """Raise a metric of this stage by `number`; alarms in infra/resources.yaml watch it."""
    emf = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": NAMESPACE,
                "Dimensions": [["Stage"]],
                "Metrics": [{"Name": metric, "Unit": "Count"}],
            }
        ],
    }
    print(json.dumps({"_aws": emf, "Stage": settings().stage, metric: number, **facts}, default=str), flush=True)


def _line(event: str, facts: dict[str, object]) -> str:
    return json.dumps({"event": event, **facts}, default=str)
