"""An entry that somebody changes by hand is told, by the function as it is deployed."""

import json
from typing import Any

from infra.stage import Stage
from tests.journeys.client import Cloud, Shop, until


def test_an_entry_changed_by_hand_is_told_and_counted(cloud: Cloud, shop: Shop) -> None:
    stage = Stage(cloud.stage.stage, cloud.stage.endpoint)
    seller, *_ = shop.chain()
    shop.order("A", 10000, code=seller["code"])
    shop.explained("A")
    account = f"{shop.program_id}#{seller['distributor_id']}#CNY#0"
    (entry,) = of_account(stage, account)
    stage.client("dynamodb").update_item(
        TableName=f"{stage.table_prefix}entries",
        Key={"pk": entry["pk"], "sk": entry["sk"]},
        UpdateExpression="SET amount = :more",
        ExpressionAttributeValues={":more": {"N": "801"}},
    )
    seen = until(lambda: told(stage), lambda lines: any(line.get("pk") == account for line in lines))
    (line,) = (line for line in seen if shop.program_id + "#" in line.get("pk", ""))
    assert line == {"event": "entry_changed", "how": "MODIFY", "pk": account, "sk": entry["sk"]["S"]}
    assert {line["Stage"] for line in seen if line.get("EntriesChanged") == 1} == {stage.name}
    asked = {one.function for one in cloud.stage.judgements()}
    assert stage.function("decide_orders") in asked
    assert stage.function("watch_entries") not in asked


def of_account(stage: Stage, account: str) -> list[dict[str, Any]]:
    """The entries of an account, as they are stored."""
    found = stage.client("dynamodb").query(
        TableName=f"{stage.table_prefix}entries",
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": account}},
    )
    return list(found["Items"])


def told(stage: Stage) -> list[dict[str, Any]]:
    """The lines of the function that watches entries."""
    group = f"/aws/lambda/{stage.function('watch_entries')}"
    pages = stage.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    texts = [event["message"] for page in pages for event in page["events"]]
    return [json.loads(text[text.index("{") :]) for text in texts if "{" in text]
