"""What the stage tells its functions: the only place that reads the environment, and only when first asked."""

import os
from functools import cache

from chalicelib.shared.value import Value

PLACEHOLDER_STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/placeholder/stream/2026-01-01T00:00:00.000"
"""Stands in where no stage is rendered (tests, linting, packaging): a decorator needs an ARN at import."""

PLACEHOLDER_QUEUE = "arn:aws:sqs:us-east-1:000000000000:placeholder"


class Settings(Value):
    """One stage's names. Rendered into each function's environment by the deploy."""

    stage: str
    table_prefix: str
    region: str

    def table(self, room: str) -> str:
        """The name of a room's table in this stage."""
        return f"{self.table_prefix}{room}"


@cache
def settings() -> Settings:
    """The stage this process serves, read once."""
    stage = os.environ.get("TRIBUTARY_STAGE", "dev")
    return Settings(
        stage=stage,
        table_prefix=os.environ.get("TRIBUTARY_TABLE_PREFIX", f"tributary-{stage}-"),
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    )


def orders_stream_arn() -> str:
    """The orders table's stream, or a placeholder where no stage is rendered."""
    return os.environ.get("TRIBUTARY_ORDERS_STREAM_ARN", PLACEHOLDER_STREAM)


def entries_stream_arn() -> str:
    """The entries table's stream, or a placeholder where no stage is rendered."""
    return os.environ.get("TRIBUTARY_ENTRIES_STREAM_ARN", PLACEHOLDER_STREAM)


def jobs_queue_arn() -> str:
    """The jobs queue, or a placeholder where no stage is rendered."""
    return os.environ.get("TRIBUTARY_JOBS_QUEUE_ARN", PLACEHOLDER_QUEUE)


def jobs_queue_url() -> str:
    """Where jobs are sent to. `KeyError` where no stage is rendered."""
    return os.environ["TRIBUTARY_JOBS_QUEUE_URL"]


def bucket() -> str:
    """The stage's bucket, where batch files of payouts are kept. `KeyError` where no stage is rendered."""
    return os.environ["TRIBUTARY_BUCKET"]


def payout_key() -> str:
    """The KMS key that account data is encrypted with. `KeyError` where no stage is rendered."""
    return os.environ["TRIBUTARY_PAYOUT_KEY"]


def log_level() -> str:
    """The level of the function's log lines, `INFO` unless the stage says otherwise."""
    return os.environ.get("TRIBUTARY_LOG_LEVEL", "INFO")
