"""While the stream stands still, a test program's clock waits for orders, and the worker decides what else was told."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.programs.document import presets
from infra.stage import Stage
from tests.journeys.client import Cloud, Shop, pick, until


@pytest.fixture
def stopped(cloud: Cloud) -> Iterator[Callable[[], None]]:
    """Stops the function that decides orders from being given any; it gets them when the test is over."""
    stage = Stage(cloud.stage.stage, cloud.stage.endpoint)
    functions = stage.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=stage.function("decide_orders"))[
        "EventSourceMappings"
    ]

    def give(orders: bool) -> None:
        wanted = "Enabled" if orders else "Disabled"
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=orders)
        until(lambda: functions.get_event_source_mapping(UUID=mapping["UUID"])["State"], lambda state: state == wanted)

    yield lambda: give(orders=False)
    give(orders=True)


def test_what_was_told_counts_before_the_clock_moves(
    make_shop: Callable[..., Shop], stopped: Callable[[], None]
) -> None:
    shop = make_shop(presets()["rocket-snail-7"].model_dump(mode="json"))
    mei, lin = shop.distributor("mei"), shop.distributor("lin")
    for order_id in ("A", "B"):
        shop.order(order_id, 500_000, code=mei["code"])
        shop.explained(order_id)
    shop.move_clock("2026-03-04T12:00:00+08:00")
    stopped()
    shop.attribute("A", lin)
    shop.refund("B", "r", ("1", 300_000, 0))
    shop.move_clock("2026-03-05T12:00:00+08:00")
    assert changes(shop) == {(pick(mei), "2026-03-05", 2), (pick(lin), "2026-03-05", 4)}
    (standing,) = shop.all(f"/v1/distributors/{pick(lin)}/levels")
    assert (standing["day"], standing["rank"], standing["volume"]) == ("2026-03-05", 4, 500_000)
    assert shop.explained("A")["distributor_id"] == pick(lin)
    undecided = shop.api.post("/v1/orders", {**late_order(mei)}, key=shop.keys.storefront)
    assert undecided.status == 201, undecided.text
    refused = shop.api.post("/v1/test/clock", {"now": "2026-03-06T12:00:00+08:00"}, key=shop.keys.operator)
    assert (refused.status, refused.code) == (409, "orders_undecided")


def late_order(seller: dict[str, Any]) -> dict[str, Any]:
    return {
        "order_id": "C",
        "customer_id": "c",
        "currency": "CNY",
        "paid_at": "2026-03-05T11:00:00+08:00",
        "lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": 100}],
        "referral_code": seller["code"],
    }


def changes(shop: Shop) -> set[tuple[str, str, int]]:
    return {(row["distributor_id"], row["day"], row["to_rank"]) for row in shop.all("/v1/levels/changes")}
