"""What the tick makes up for, and a close that is cut into parts, on the deployed platform."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.stage import Stage
from infra.tick import tick_now
from tests.journeys.client import Cloud, Shop, pick, until
from tests.journeys.plans import rocket_snail

NOW = "2026-03-04T10:00:00+08:00"
CROWD = 500
"""As many as one part has."""


@pytest.fixture
def stage(cloud: Cloud) -> Stage:
    return Stage(cloud.stage.stage, cloud.stage.endpoint)


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    """A shop with levels, open since its clock first stood."""
    shop = make_shop(None, now=NOW)
    shop.publish(rocket_snail(), NOW)
    return shop


def tick_by_message(stage: Stage) -> None:
    """As a tick does that has run out of time: the worker goes on with it."""
    sqs = stage.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{stage.table_prefix}jobs")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"job": "tick"}))


@pytest.mark.parametrize("tick", [tick_now, tick_by_message])
def test_a_clock_whose_message_was_lost_is_moved_by_the_tick(
    shop: Shop, stage: Stage, tick: Callable[[Stage], None]
) -> None:
    mei = shop.distributor("mei")
    shop.sells("A", 500_000, NOW, mei)
    shop.explained("A")
    stage.client("dynamodb").update_item(
        TableName=f"{stage.table_prefix}programs",
        Key={"pk": {"S": shop.program_id}, "sk": {"S": "program"}},
        UpdateExpression="SET moving_to = :to",
        ExpressionAttributeValues={":to": {"S": "2026-03-05T04:00:00.000000Z"}},
    )
    assert shop.clock() == {"now": "2026-03-04T02:00:00Z", "moving_to": "2026-03-05T04:00:00Z"}
    tick(stage)
    until(shop.clock, lambda it: it == {"now": "2026-03-05T04:00:00Z", "moving_to": None})
    assert shop.changes(mei) == [("2026-03-05", 1, 4, "rocket")]
    tick(stage)
    assert len(list(shop.all("/v1/jobs?job=levels"))) == 1


def test_a_walk_over_more_than_a_part_has_is_done_in_parts(shop: Shop, stage: Stage) -> None:
    """A crowd that has applied and waits, all of it before the one who sells."""
    mei = shop.distributor("mei")
    put_crowd(stage, shop, mei)
    shop.sells("A", 500_000, NOW, mei)
    shop.move_clock("2026-03-05T03:30:00+08:00")
    assert shop.changes(mei) == [("2026-03-05", 1, 4, "rocket")]
    (closed,) = shop.all("/v1/jobs?job=levels")
    assert closed["counts"] == {"distributors": CROWD + 1, "rises": 1, "falls": 0, "hands": 0}
    (settled,) = shop.all("/v1/jobs?job=settlement")
    assert (settled["counts"]["distributors"], settled["counts"]["accrued_minor"]) == (CROWD + 1, 10_000)


def put_crowd(stage: Stage, shop: Shop, like: dict[str, Any]) -> None:
    """Put applicants by hand, like a distributor, but that nobody has approved them."""
    client, table = stage.client("dynamodb"), f"{stage.table_prefix}distributors"
    key = {"pk": {"S": f"{shop.program_id}#{pick(like)}"}, "sk": {"S": "profile"}}
    item = client.get_item(TableName=table, Key=key)["Item"]
    waiting = {name: value for name, value in item.items() if name != "joined_at"} | {"status": {"S": "pending"}}
    for first in range(0, CROWD, 25):
        names = [f"dst_{number:026}" for number in range(first, first + 25)]
        crowd = [waiting | {"pk": {"S": f"{shop.program_id}#{it}"}, "distributor_id": {"S": it}} for it in names]
        client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": one}} for one in crowd]})
