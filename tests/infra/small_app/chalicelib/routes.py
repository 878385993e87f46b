"""An order in, and whether it is decided."""

import boto3
from chalice.app import Blueprint

from chalicelib.stage import table

routes = Blueprint(__name__)


@routes.route("/health")
def health() -> dict[str, str]:
    print("{}")
    return {"status": "ok", "release": "first"}


@routes.route("/v1/orders/{order_id}", methods=["PUT"])
def put(order_id: str) -> dict[str, str]:
    boto3.client("dynamodb").put_item(TableName=table("orders"), Item={"pk": {"S": order_id}, "sk": {"S": "order"}})
    return {"order_id": order_id}


@routes.route("/v1/orders/{order_id}")
def get(order_id: str) -> dict[str, bool]:
    found = boto3.client("dynamodb").query(
        TableName=table("decisions"),
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": order_id}},
    )
    return {"decided": found["Count"] > 0}


@routes.route("/v1/leaving", cors=True)
def leaving() -> dict[str, bool]:
    return {"here": True}
