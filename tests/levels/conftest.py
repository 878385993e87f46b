"""Sellers on `rocket-snail-7`."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.levels.seller import Seller
from tests.support import Api, Shop
from tests.support_clock import Worker


@pytest.fixture
def make_seller(api: Api, make_shop: Callable[..., Shop], worker: Worker) -> Callable[..., Seller]:
    """Make a shop with one distributor, on a track; the other arguments are those of `make_shop`."""

    def make(track: str = "default", **shop: Any) -> Seller:
        return Seller(api, make_shop(**({"plan": "rocket-snail-7"} | shop)), worker, track)

    return make
