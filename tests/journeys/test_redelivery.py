"""What the stream delivers again, what was lost, and what nobody can process."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.journeys.client import Cloud, Shop, done, until
from tests.journeys.hands import Tables, command
from tests.support import Answer


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


def redrive(shop: Shop, record: dict[str, Any]) -> Answer:
    path = f"/v1/quarantine/{quote(record['quarantine_id'])}/redrive"
    return shop.api.post(path, {}, key=shop.keys.operator)


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

    # Somebody puts it right, and an operator has it tried again: it is decided as it was.
    tables.put("entries", entry)
    tables.lose("decisions", decision)
    assert done(redrive(shop, record))["done"]
    assert quarantined(shop) == []
    assert tables.items("decisions", f"{shop.program_id}#A") == [decision]
    assert shop.targets("A") == [800]
    assert redrive(shop, record).status == 404


def test_a_record_that_nobody_can_process_is_put_aside_and_blocks_nobody(
    cloud: Cloud, shop: Shop, tables: Tables, capfd: pytest.CaptureFixture[str]
) -> None:
    code = shop.distributor("seller")["code"]
    broken = {"f": {"B": b"not what we wrote"}, "r": {"S": "2026-03-04T02:00:00.000000Z"}}
    poison = {"pk": {"S": f"{shop.program_id}#poison"}, "sk": {"S": "cancel"}} | broken
    shop.order("poison", 10000, code=code)
    assert shop.targets("poison") == [800]
    tables.put("orders", poison)
    shop.order("A", 10000, code=code)
    assert shop.targets("A") == [800]
    (record,) = until(lambda: quarantined(shop), bool)
    assert (record["source"], record["key"]) == ("orders", "poison")
    assert record["record"]["dynamodb"]["Keys"]["pk"] == {"S": f"{shop.program_id}#poison"}
    assert not done(redrive(shop, record))["done"]
    assert len(quarantined(shop)) == 1

    capfd.readouterr()
    assert command(cloud, "redrive", shop.program_id, "--quarantined") == 1
    assert "  orders:poison  stays  error: " in capfd.readouterr().out
    tables.lose("orders", poison)
    assert command(cloud, "redrive", shop.program_id, "A", "poison", "--actor", "ada") == 0
    said = capfd.readouterr().out
    assert "  orders:A       done\n  orders:poison  done\n" in said
    assert quarantined(shop) == []
    subjects = [row["subject"] for row in shop.all("/v1/audit") if row["actor"] == "ada"]
    assert subjects == ["orders:poison", "orders:A"]
    assert command(cloud, "verify", shop.program_id) == 0
