"""The handlers of the streams, of the schedule and of the queue."""

import boto3
from chalice.app import Blueprint, CloudWatchEvent, DynamoDBEvent, Rate, SQSEvent

from chalicelib.stage import ENTRIES_STREAM, JOBS_QUEUE, JOBS_QUEUE_URL, ORDERS_STREAM, table

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


@events.schedule(Rate(15, unit=Rate.MINUTES), name="tick")
def tick(_event: CloudWatchEvent) -> None:
    boto3.client("sqs").send_message(QueueUrl=JOBS_QUEUE_URL, MessageBody="due")


@events.on_sqs_message(queue_arn=JOBS_QUEUE, name="work", maximum_concurrency=20)
def work(event: SQSEvent) -> None:
    for record in event:
        print(f"seen: {record.body}")
        if record.body == "poison":
            raise ValueError(record.body)
