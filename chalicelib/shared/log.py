"""One structured line per thing worth telling, and in the same stream what needs a person, as metrics (CloudWatch's
embedded format).

Never put a secret, an account number, an identity number or a request's body into a line.
Metric format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import logging
import time
from typing import Final, Literal

from chalicelib.shared.settings import log_level, settings

NAMESPACE: Final = "Tributary"

NEEDS_A_PERSON: Final = "NeedsAPerson"
"""The metric of all kinds together. An alarm in infra/resources.yaml watches it."""

Kind = Literal[
    "Quarantined",
    "JobsLate",
    "EntriesChanged",
    "DivergentReplay",
    "WithdrawalsLate",
    "ReconciliationRed",
    "SettlementBlocked",
]
"""What needs a person. Each has its place on the dashboard, and docs/runbook.md says what to do."""

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


def count(kind: Kind, number: int = 1, **facts: object) -> None:
    """Call a person: raise the kind's metric by `number`, and the one that an alarm watches. The line says which."""
    raised = {NEEDS_A_PERSON: number, kind: number}
    emf = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [
            {
                "Namespace": NAMESPACE,
                "Dimensions": [["Stage"]],
                "Metrics": [{"Name": metric, "Unit": "Count"} for metric in raised],
            }
        ],
    }
    line = {"_aws": emf, "Stage": settings().stage, "kind": kind, **raised, **facts}
    print(json.dumps(line, default=str), flush=True)


def _line(event: str, facts: dict[str, object]) -> str:
    return json.dumps({"event": event, **facts}, default=str)
