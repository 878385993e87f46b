"""The stage's names."""

import os

ORDERS_STREAM = os.environ.get("TRIBUTARY_ORDERS_STREAM_ARN", "arn:aws:dynamodb:us-east-1:0:table/none/stream/0")


def table(room: str) -> str:
    return os.environ["TRIBUTARY_TABLE_PREFIX"] + room
