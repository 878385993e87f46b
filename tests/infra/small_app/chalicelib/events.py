"""The handler of the orders stream."""

import boto3
from chalice.app import Blueprint, DynamoDBEvent

from chalicelib.stage import ORDERS_STREAM, table

events = Blueprint(__name__)


@events.on_dynamodb_record(ORDERS_STREAM, name="decide_orders", starting_position="TRIM_HORIZON")
def decide_orders(event: DynamoDBEvent) -> None:
    print("{}")
    for record in event:
        decision = {"pk": record.keys["pk"], "sk": {"S": "decision"}}
        boto3.client("dynamodb").put_item(TableName=table("decisions"), Item=decision)
