"""The handlers of the streams."""

import boto3
from chalice.app import Blueprint, DynamoDBEvent

from chalicelib.stage import ENTRIES_STREAM, ORDERS_STREAM, table

events = Blueprint(__name__)


@events.on_dynamodb_record(ORDERS_STREAM, name="decide_orders", starting_position="TRIM_HORIZON")
def decide_orders(event: DynamoDBEvent) -> None:
    print("{}")
    for record in event:
        decision = {"pk": record.keys["pk"], "sk": {"S": "decision"}}
        boto3.client("dynamodb").put_item(TableName=table("decisions"), Item=decision)


@events.on_dynamodb_record(ENTRIES_STREAM, name="watch_entries", starting_position="TRIM_HORIZON")
def watch_entries(event: DynamoDBEvent) -> None:
    for record in event:
        print(f"seen: {record.event_name} {record.keys['pk']['S']}")
