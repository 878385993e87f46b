"""What the stream delivers again, what was lost, and what nobody can process."""

from typing import Any

import pytest

from infra.stage import Stage
from tests.journeys.client import Cloud, Shop, until


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


@pytest.fixture
def tables(cloud: Cloud) -> Tables:
    return Tables(cloud)


def delivered(shop: Shop) -> None:
    """Wait until the stream has delivered all that was written before: one shard is read in order."""
    shop.order("last", 1)
    shop.explained("last")


def account(shop: Shop, distributor: dict[str, Any]) -> str:
    return f"{shop.program_id}#{distributor['distributor_id']}#CNY#0"


def test_an_order_delivered_again_writes_nothing(shop: Shop, tables: Tables) -> None:
    seller, *_ = shop.chain()
    shop.order("A", 10000, code=seller["code"])
    before = shop.explained("A")
    entries = tables.items("entries", account(shop, seller))
    tables.touch(f"{shop.program_id}#A", times=3)
    delivered(shop)
    assert shop.explained("A") == before
    assert tables.items("entries", account(shop, seller)) == entries


def test_lost_entries_are_put_again_by_the_next_delivery(shop: Shop, tables: Tables) -> None:
    chain = shop.chain()
    shop.order("A", 10000, code=chain[0]["code"])
    shop.explained("A")
    entries = [tables.items("entries", account(shop, one)) for one in chain]
    for (entry,) in entries[1:]:
        tables.lose("entries", entry)
    assert not shop.get("/v1/orders/A/explanation")["decided"]
    tables.touch(f"{shop.program_id}#A")
    shop.explained("A")
    assert [tables.items("entries", account(shop, one)) for one in chain] == entries


def test_a_lost_decision_is_made_again_and_meets_its_entries(shop: Shop, tables: Tables) -> None:
    seller, *_ = shop.chain()
    shop.order("A", 10000, code=seller["code"])
    before = shop.explained("A")
    entries = tables.items("entries", account(shop, seller))
    (decision,) = tables.items("decisions", f"{shop.program_id}#A")
    tables.lose("decisions", decision)
    tables.touch(f"{shop.program_id}#A")
    assert shop.explained("A") == before
    assert tables.items("entries", account(shop, seller)) == entries


def quarantined(shop: Shop) -> list[dict[str, Any]]:
    return list(shop.all("/v1/quarantine"))


def test_another_entry_under_the_same_name_is_never_overwritten(shop: Shop, tables: Tables) -> None:
    seller = shop.distributor("seller")
    shop.order("A", 10000, code=seller["code"])
    shop.explained("A")
    (entry,) = tables.items("entries", account(shop, seller))
    wrong = entry | {"amount": {"N": "801"}}
    tables.put("entries", wrong)
    (decision,) = tables.items("decisions", f"{shop.program_id}#A")
    tables.lose("decisions", decision)
    tables.touch(f"{shop.program_id}#A")
    (record,) = until(lambda: quarantined(shop), bool)
    assert (record["source"], record["key"]) == ("orders", "A")
    assert record["reason"].startswith("DivergentReplay")
    assert tables.items("entries", account(shop, seller)) == [wrong]


def test_a_record_that_nobody_can_process_is_put_aside_and_blocks_nobody(shop: Shop, tables: Tables) -> None:
    code = shop.distributor("seller")["code"]
    broken = {"B": b"not what we wrote"}
    told = {"S": "2026-03-04T02:00:00.000000Z"}
    tables.put("orders", {"pk": {"S": f"{shop.program_id}#poison"}, "sk": {"S": "order"}, "c": broken, "r": told})
    shop.order("A", 10000, code=code)
    assert shop.targets("A") == [800]
    (record,) = until(lambda: quarantined(shop), bool)
    assert (record["source"], record["key"]) == ("orders", "poison")
    assert record["record"]["dynamodb"]["Keys"]["pk"] == {"S": f"{shop.program_id}#poison"}
