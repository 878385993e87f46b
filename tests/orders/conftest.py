"""A market on the preset of three tiers; clean of anything that a plan binds."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import Api, Shop
from tests.support_laws import document
from tests.support_market import Kept, Market

WITHOUT_BINDING = {"precedence": ["code", "coupon", "click"]}


@pytest.fixture(scope="session")
def kept_markets() -> Kept:
    """The markets that this session has made."""
    return Kept()


@pytest.fixture
def make_market(api: Api, make_shop: Callable[..., Shop], kept_markets: Kept) -> Callable[..., Market]:
    """Make a market; arguments are those of `document`, `program_id` names another one."""

    def make(program_id: str = "shop-1", mode: str = "test", now: str | None = None, **changes: Any) -> Market:
        plan = document(**({"rate_bp": 1000, "uplines": [200, 100], "attribution": WITHOUT_BINDING} | changes))
        first = {"now": now} if now else {}
        made = f"{program_id} {mode} {first} {plan}"
        return kept_markets.get(made, lambda: Market(api, make_shop(program_id, plan=plan, mode=mode, **first)))

    return make


@pytest.fixture
def market(make_market: Callable[..., Market]) -> Market:
    """10 % for the seller, 2 % and 1 % for its uplines, nobody is bound."""
    return make_market()
