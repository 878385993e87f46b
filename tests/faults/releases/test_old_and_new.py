"""Old and new code together: items of earlier releases are read and gone on with, and what is unknown is kept."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults import ends
from tests.faults.mirror import Mirror
from tests.faults.releases.items import FOLDER, Release
from tests.faults.story import Story
from tests.faults.test_each_write import REFUND, about, nights, order, stream
from tests.faults.world import World
from tests.support import Api, Shop
from tests.support_clock import Worker
from tests.support_market import Market
from tests.support_state import image, images
from tests.support_stream import Stream

VERSIONS = sorted(path.stem for path in FOLDER.glob("*.json"))
NEWER = {"zz_newer": {"S": "what this code has never heard of"}}

Found = Callable[..., World]


@pytest.fixture
def found(api: Api, worker: Worker, stream: Stream) -> Found:
    """A world of a release's items: `found("0.1.0", more={...})`."""

    def find(version: str, more: dict[str, Any] | None = None) -> World:
        release = Release.read(version)
        release.put(more or {})
        market = Market.__new__(Market)
        market.api, market.shop, market.who = api, Shop(**release.keys), release.who
        return World.found(market, worker, stream)

    return find


def go_on(world: World) -> None:
    """An order like any other, a refund of one that was told under the old code, and the nights after that."""
    later = about("/v1/orders/A-0/refunds", **REFUND | {"refund_id": "r-9"})
    for step in (order(1, 40_000), later, stream, nights(8)):
        step(Story(world, Mirror(), 0))


def newer_version(world: World, order_id: str) -> None:
    """The order told anew, with something that may change after it was paid."""
    told = world.market.get(f"/v1/orders/{order_id}")
    kept = ("order_id", "customer_id", "currency", "placed_at", "paid_at", "lines", "referral_code", "metadata")
    body = {name: told[name] for name in kept} | {"version": told["version"] + 1, "metadata": {"told": "anew"}}
    answer = world.market.api.post("/v1/orders", body, key=world.market.shop.storefront)
    assert (answer.status, answer.json["metadata"]) == (200, body["metadata"]), answer.text


def test_there_are_items_of_a_release() -> None:
    assert VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_items_of_an_earlier_release_are_read_and_gone_on_with(found: Found, version: str) -> None:
    world = found(version)
    assert {name: list(world.answer(name)) for name in world.market.who} == Release.read(version).answers
    for name in world.market.who:
        world.check(name)
    assert world.market.get("/v1/orders/A-0/explanation")["decided"]
    assert [each["status"] for each in world.market.walk("/v1/withdrawals", limit=10)] == ["paid", "paid"]
    go_on(world)
    books = Mirror()
    books.take(images())
    ends.check(world, books)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_newer_code_has_added_is_kept_by_items_that_are_replaced(found: Found, version: str) -> None:
    world = found(version, NEWER)
    before = dict(images())
    newer_version(world, "A-0")
    go_on(world)
    replaced = [key for key, item in before.items() if image(*key) != item]
    assert {key[0] for key in replaced} >= {"accounts", "orders", "programs"}
    # What is noted in `ops` for a while is written anew each time.
    assert [key for key in before if key[0] != "ops" and (image(*key) or {}).get("zz_newer") != NEWER["zz_newer"]] == []
