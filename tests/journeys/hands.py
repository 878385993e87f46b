"""What no function may do: change a stage's tables by hand, and read what functions say."""

import json
from typing import Any

from infra.__main__ import main
from infra.stage import Stage
from tests.journeys.client import Cloud


class Tables:
    """The stage's tables, by hand: what no function may do to them."""

    def __init__(self, cloud: Cloud) -> None:
        self._stage = Stage(cloud.stage.stage, cloud.stage.endpoint)
        self._client = self._stage.client("dynamodb")

    def items(self, room: str, pk: str) -> list[dict[str, Any]]:
        """Everything in a partition."""
        found = self._client.query(
            TableName=self._stage.table_prefix + room,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
        )
        return list(found["Items"])

    def put(self, room: str, item: dict[str, Any]) -> None:
        """Put an item, whatever is there."""
        self._client.put_item(TableName=self._stage.table_prefix + room, Item=item)

    def lose(self, room: str, item: dict[str, Any]) -> None:
        """Take an item away."""
        key = {"pk": item["pk"], "sk": item["sk"]}
        self._client.delete_item(TableName=self._stage.table_prefix + room, Key=key)

    def touch(self, pk: str, times: int = 1) -> None:
        """Have the stream deliver an order again."""
        (item,) = (item for item in self.items("orders", pk) if item["sk"]["S"] == "order")
        for time in range(times):
            self.put("orders", item | {"touched": {"N": str(time)}})


def command(cloud: Cloud, name: str, *arguments: str) -> int:
    """`python -m infra NAME ...` on the stage; its exit code."""
    return main([name, "--stage", cloud.stage.stage, "--endpoint", cloud.stage.endpoint, *arguments])


def logged(cloud: Cloud, function: str) -> list[dict[str, Any]]:
    """The lines that a function has logged."""
    stage = Stage(cloud.stage.stage, cloud.stage.endpoint)
    group = f"/aws/lambda/{stage.function(function)}"
    pages = stage.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    texts = [event["message"] for page in pages for event in page["events"]]
    return [json.loads(text[text.index("{") :]) for text in texts if "{" in text]
