"""Refunds in any number, order and split end where one refund of the same total does; and they may come first."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.journeys.client import Shop
from tests.journeys.plans import plan

PAID = {"1": 6000, "2": 4000, "3": 1}
UNITS = {"1": 3, "2": 1, "3": 1}
BACK = {"1": 2555, "2": 3999}
UNITS_BACK = {"1": 2, "2": 0}


@pytest.fixture(scope="module")
def refunded(cloud: Any) -> Shop:
    """A shop with three tiers under a cap that bites, and fixed amounts."""
    shop = Shop(cloud, plan(800, (200, 100), cap_bp=1000))
    shop.product("fix", mode="at_least", rate_bp=0, fixed_minor=400)
    return shop


def parts(rng: random.Random, total: int, pieces: int) -> list[int]:
    """A total cut at random into so many pieces, some perhaps 0."""
    cuts = sorted(rng.randint(0, total) for _ in range(pieces - 1))
    return [end - start for start, end in zip([0, *cuts], [*cuts, total], strict=True)]


def splits(rng: random.Random, back: dict[str, int], units: dict[str, int]) -> list[list[tuple[str, int, int]]]:
    """The refunds' lines, in an order of their own."""
    pieces = rng.randint(1, 5)
    amounts = {line_id: parts(rng, total, pieces) for line_id, total in back.items()}
    counts = {line_id: parts(rng, total, pieces) for line_id, total in units.items()}
    refunds = [[(line_id, amounts[line_id][i], counts[line_id][i]) for line_id in back] for i in range(pieces)]
    rng.shuffle(refunds)
    return refunds


def tell(shop: Shop, order_id: str, code: str) -> None:
    shop.order(order_id, ("fix", PAID["1"], UNITS["1"]), PAID["2"], PAID["3"], code=code)


@pytest.fixture(scope="module")
def code(refunded: Shop) -> str:
    return str(refunded.chain()[0]["code"])


@pytest.fixture(scope="module")
def after_one_refund(refunded: Shop, code: str) -> list[int]:
    tell(refunded, "one", code)
    refunded.refund("one", "r", *((line_id, BACK[line_id], UNITS_BACK[line_id]) for line_id in BACK))
    return refunded.targets("one")


@pytest.mark.parametrize("seed", range(6))
def test_a_random_split_ends_where_one_refund_does(
    refunded: Shop, code: str, after_one_refund: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    order_id = f"split-{seed}"
    refunds = splits(rng, BACK, UNITS_BACK)
    place = rng.randint(0, len(refunds))
    for n, lines in enumerate(refunds[:place]):
        refunded.refund(order_id, f"r{n}", *lines)
    tell(refunded, order_id, code)
    if rng.random() < 0.5:
        refunded.explained(order_id)
    for n, lines in enumerate(refunds[place:], start=place):
        refunded.refund(order_id, f"r{n}", *lines)
    assert refunded.targets(order_id) == after_one_refund, refunds


def test_a_full_refund_in_parts_told_at_once_ends_at_nothing(refunded: Shop, code: str) -> None:
    tell(refunded, "full", code)
    refunds = splits(random.Random(99), PAID, UNITS)
    with ThreadPoolExecutor(len(refunds)) as threads:
        list(threads.map(lambda n: refunded.refund("full", f"r{n}", *refunds[n]), range(len(refunds))))
    assert refunded.targets("full") == [0, 0, 0]


def test_what_comes_before_its_order_waits_for_it(shop: Shop) -> None:
    code = shop.chain()[0]["code"]
    assert shop.refund("A", "r-1", ("1", 1000, 0))["flags"] == []
    shop.complete("A")
    assert shop.api.get("/v1/orders/A", key=shop.keys.auditor).status == 404
    told = shop.order("A", 10000, code=code)
    assert (told["status"], told["attribution"]["credited"]) == ("partially_refunded", True)
    explained = shop.explained("A")
    assert [tier["target_minor"] for tier in explained["tiers"]] == [720, 180, 90]
    assert explained["tiers"][0]["available_at"] == "2026-03-11T16:00:00Z"


def test_a_refund_told_twice_counts_once(shop: Shop) -> None:
    shop.order("A", 10000, code=shop.distributor("seller")["code"])
    shop.refund("A", "r-1", ("1", 1000, 0))
    shop.refund("A", "r-1", ("1", 1000, 0), status=200)
    other = shop.refund("A", "r-1", ("1", 1001, 0), status=409)
    assert other["code"] == "exists_with_different_content"
    assert shop.targets("A") == [720]


def test_more_than_was_paid_is_kept_and_flagged_and_counts_up_to_it(shop: Shop) -> None:
    shop.order("A", 10000, 5000, code=shop.distributor("seller")["code"])
    assert shop.refund("A", "r-1", ("1", 12000, 0))["flags"] == ["over_refund"]
    assert shop.targets("A") == [400]
    assert shop.get("/v1/orders/A")["flags"] == ["over_refund"]


def test_a_refund_of_an_unknown_line_is_refused_or_flagged(shop: Shop) -> None:
    shop.order("A", 10000)
    assert shop.refund("A", "r-1", ("9", 1, 0), status=422)["code"] == "unknown_line"
    shop.refund("B", "r-1", ("9", 1, 0))
    assert shop.order("B", 10000)["flags"] == ["unknown_line"]


def test_a_cancellation_is_a_refund_of_everything(shop: Shop) -> None:
    shop.order("A", 10000, code=shop.chain()[0]["code"])
    assert shop.targets("A") == [800, 200, 100]
    shop.cancel("A")
    explained = shop.explained("A")
    assert [tier["target_minor"] for tier in explained["tiers"]] == [0, 0, 0]
    assert explained["decisions"][-1]["cause"] == "cancellation"
    assert shop.cancel("A") == {"order_id": "A", "cancelled_at": "2026-03-04T02:00:00Z"}
    assert shop.get("/v1/orders/A")["status"] == "cancelled"
