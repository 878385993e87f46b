"""The benchmarks measure what they say: both sides do the same, nothing that fails is timed, a passed limit is seen."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.shared.tables import connection
from tests.benchmarks import by_hand, deciding, orders, pure
from tests.benchmarks.cost import prices
from tests.benchmarks.imports import MODULES
from tests.benchmarks.shop import Refused, Shop, ask, event, make_shop
from tests.benchmarks.store import Store, Unknown
from tests.benchmarks.table import Row, Sides, printed
from tests.benchmarks.units import MOST, Bill


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[Store, Shop, list[Any]]]:
    """A shop in a store of the benchmarks' own, and its orders as API Gateway hands them over."""
    store = Store()
    with ExitStack() as answered:
        for client in (connection().client, by_hand.client):
            answered.enter_context(store.answering(client))
        shop = make_shop(12)
        store.freeze()
        yield store, shop, orders.orders_of(shop)


def test_the_handler_by_hand_does_what_the_app_does(told: tuple[Store, Shop, list[Any]]) -> None:
    from app import app

    store, _, events = told
    assert {orders.compare(store, app, by_hand.app, one) for one in events} <= {7, 8}


def test_a_handler_that_does_less_is_noticed(
    told: tuple[Store, Shop, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import app

    store, _, (first, *_) = told
    monkeypatch.setattr(by_hand, "sellable", lambda *_: None)
    with pytest.raises((orders.Different, ValueError)):
        orders.compare(store, app, by_hand.app, first)


def test_what_is_refused_is_not_measured(told: tuple[Store, Shop, list[Any]]) -> None:
    from app import app

    _, shop, _ = told
    for handler in (app, by_hand.app):
        with pytest.raises(Refused, match="^4"):
            ask(handler, event("/v1/orders", shop.orders[0] | {"currency": "?"}, shop.storefront))


def test_the_store_answers_nothing_that_it_does_not_know(told: tuple[Store, Shop, list[Any]]) -> None:
    store, *_ = told
    for operation, body in (("Scan", b"{}"), ("Query", b'{"IndexName": "by_day"}')):
        with pytest.raises(Unknown):
            store._read(operation, body)


def test_a_batch_that_decides_less_is_noticed() -> None:
    puts = [("PutItem", {"TableName": "tributary-bench-decisions"})] * deciding.BATCH
    with pytest.raises(Unknown, match="three times as many entries"):
        deciding.check(puts)


def test_the_plain_loop_comes_to_other_amounts_by_other_rules() -> None:
    lines = [("a", 1_000, 1), ("b", 99, 2)]
    assert pure.by_hand(lines, {}) == (87, 21, 10)
    assert pure.by_hand(lines, {"a": ("replace", 0, 30), "b": ("at_most", 100, 0)}) == (30, 21, 10)
    with pytest.raises(pure.Different):
        pure.compare([(87, 21, 10)], [(87, 21, 11)])


def test_a_limit_is_on_the_ratio_where_there_is_one() -> None:
    alone = Row("alone", 3.0, 2.0)
    compared = Row.of("compared", Sides(0.2, 0.4, 0.5), 1.5, "ms", 0.1)
    assert (alone.kept, compared.kept, replace(compared, ratio=1.6).kept) == (False, True, False)
    assert printed([alone, compared]).splitlines()[1:] == [
        "alone         3.00                            2  TOO MUCH",
        "compared      2.00     4.00  ms  0.500      1.5",
    ]


def test_kilobytes_beyond_an_items_first_are_no_breach() -> None:
    bill = Bill()
    for units, further in ((6, 0), (7, 1), (9, 3)):
        bill.note(units, further)
    assert (max(bill.beyond), bill.further, bill.mean) == (6, 2, 22 / 3)


def test_prices_are_told_for_what_is_measured() -> None:
    table = prices(dict.fromkeys(MOST, 4.0))
    assert "one tier, sent singly                 4.00     2.50     3.500      6.00" in table


def test_every_function_of_events_is_among_the_imports() -> None:
    from infra.paths import ROOT

    there = {f"chalicelib.{path.parent.name}.events" for path in (ROOT / "chalicelib").glob("*/events.py")}
    assert there | {"app"} == set(MODULES)
