"""What is damaged is found by holding everything against everything, and nothing is settled until it is mended.

What the stream has lost is decided on the way.
"""

from collections.abc import Callable

import pytest

from tests.journeys.client import Cloud, Shop, pick
from tests.journeys.hands import Tables, command
from tests.journeys.till import MORNING, Till, paying


def test_a_changed_entry_is_found_and_stops_settlement_until_it_is_put_right(
    cloud: Cloud, capfd: pytest.CaptureFixture[str]
) -> None:
    till, tables = Till(cloud, paying()), Tables(cloud)
    shop = till.shop
    assert till.api.get("/v1/reports/reconciliation", key=till.keys.auditor).code == "not_found", "there was none"
    mei, li = shop.distributor("mei"), *till.fund(5_000, "li")
    shop.order("A", 10_000, code=mei["code"])
    assert shop.targets("A") == [800]
    shop.move_clock("2026-03-04T20:00:00+08:00")
    assert till.balances()

    account = f"{shop.program_id}#{pick(mei)}#CNY#0"
    (entry,) = tables.items("entries", account)
    tables.put("entries", entry | {"amount": {"N": "801"}})
    found = till.reconciled()
    assert (found["ok"], found["healed"], found["finished_at"] is not None) == (False, 0, True)
    assert {(one["wanted_minor"], one["found_minor"]) for one in found["differences"]} == {(800, 801)}
    assert command(cloud, "verify", shop.program_id) == 1
    assert "8.00 CNY  8.01 CNY\n" in capfd.readouterr().out
    shop.move_clock(MORNING)
    assert list(shop.all("/v1/jobs?job=settlement")) == []
    assert till.stands(li) == (0, 0, 0, 0)

    tables.put("entries", entry)
    assert till.balances()
    assert command(cloud, "verify", shop.program_id) == 0
    assert capfd.readouterr().out.endswith("\nNothing differs.\n")
    shop.move_clock("2026-03-05T02:31:00+08:00")
    (settlement,) = shop.all("/v1/jobs?job=settlement")
    assert settlement["counts"]["added_minor"] == 5_000
    assert (till.stands(li), till.stands(mei)) == ((0, 5_000, 0, 0), (800, 0, 0, 0))


def test_what_the_stream_has_lost_of_a_new_order_and_of_an_old_one_is_decided_the_next_morning(
    cloud: Cloud, make_shop: Callable[..., Shop]
) -> None:
    shop, tables = make_shop(paying(), now="2026-03-01T10:00:00+08:00"), Tables(cloud)
    mei = shop.distributor("mei")
    shop.sells("old", 10_000, "2026-03-01T10:00:00+08:00", mei)
    shop.move_clock("2026-03-05T10:00:00+08:00")
    shop.sells("new", 10_000, "2026-03-05T10:00:00+08:00", mei)
    shop.move_clock("2026-03-05T11:00:00+08:00")
    for order_id in ("old", "new"):
        shop.refund(order_id, "r", ("1", 2_500, 0))
        assert shop.targets(order_id) == [600]
    shop.move_clock("2026-03-05T12:00:00+08:00")

    for order_id in ("old", "new"):
        tables.lose("decisions", tables.items("decisions", f"{shop.program_id}#{order_id}")[1])
    for entry in tables.items("entries", f"{shop.program_id}#{pick(mei)}#CNY#0"):
        if "#0002#" in entry["sk"]["S"]:
            tables.lose("entries", entry)
    assert [shop.get(f"/v1/orders/{one}/explanation")["decided"] for one in ("old", "new")] == [False, False]
    shop.move_clock("2026-03-06T05:10:00+08:00")
    found = shop.get("/v1/reports/reconciliation")
    assert (found["ok"], found["healed"], found["since"]) == (True, 2, "2026-03-02")
    assert [shop.targets(order_id) for order_id in ("old", "new")] == [[600], [600]]
