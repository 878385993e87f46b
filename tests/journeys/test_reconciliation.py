"""What is damaged is found by holding everything against everything, and nothing is settled until it is mended."""

from tests.journeys.client import Cloud, pick
from tests.journeys.hands import Tables
from tests.journeys.till import MORNING, Till, paying


def test_a_lost_entry_is_found_and_stops_settlement_until_it_is_back(cloud: Cloud) -> None:
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
    tables.lose("entries", entry)
    found = till.reconciled()
    assert (found["ok"], found["finished_at"] is not None) == (False, True)
    assert {(one["wanted_minor"], one["found_minor"]) for one in found["differences"]} == {(800, 0)}
    shop.move_clock(MORNING)
    assert list(shop.all("/v1/jobs?job=settlement")) == []
    assert till.stands(li) == (0, 0, 0, 0)

    tables.put("entries", entry)
    assert till.balances()
    shop.move_clock("2026-03-05T02:31:00+08:00")
    (settlement,) = shop.all("/v1/jobs?job=settlement")
    assert settlement["counts"]["added_minor"] == 5_000
    assert (till.stands(li), till.stands(mei)) == ((0, 5_000, 0, 0), (800, 0, 0, 0))
