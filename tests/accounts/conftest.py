"""A distributor's account, and a distributor whose entries are spread over shards."""

from collections.abc import Callable

import pytest

from tests.accounts.purse import Purse
from tests.support_market import Market


@pytest.fixture
def purse(market: Market) -> Purse:
    """The seller's account; the program was made on 4 March 2026."""
    return Purse(market.shop.program_id, market.id("seller"))


@pytest.fixture
def make_purse(make_market: Callable[..., Market]) -> Callable[..., Purse]:
    """The seller's account in a market of its own; arguments are the market's."""

    def make(**says: object) -> Purse:
        market = make_market(**says)
        return Purse(market.shop.program_id, market.id("seller"))

    return make


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK repeats a lost request at once."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
