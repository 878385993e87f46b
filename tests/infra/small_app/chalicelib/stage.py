"""The stage's names."""

import os

NO_STREAM = "arn:aws:dynamodb:us-east-1:0:table/none/stream/0"
ORDERS_STREAM = os.environ.get("TRIBUTARY_ORDERS_STREAM_ARN", NO_STREAM)
ENTRIES_STREAM = os.environ.get("TRIBUTARY_ENTRIES_STREAM_ARN", NO_STREAM)
JOBS_QUEUE = os.environ.get("TRIBUTARY_JOBS_QUEUE_ARN", "arn:aws:sqs:us-east-1:0:none")
JOBS_QUEUE_URL = os.environ.get("TRIBUTARY_JOBS_QUEUE_URL")


def table(room: str) -> str:
    return os.environ["TRIBUTARY_TABLE_PREFIX"] + room
