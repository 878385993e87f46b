"""A shop whose seller has 1,000 yuan, and may withdraw at once by every channel there is."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support_market import Market
from tests.withdrawals.teller import CHANNELS, Teller


@pytest.fixture
def make_teller(make_market: Callable[..., Market]) -> Callable[..., Teller]:
    """Make a teller; arguments are a plan's terms of withdrawals."""

    def make(given: int = 100_000, **terms: Any) -> Teller:
        withdrawal = {"channels": CHANNELS, "method_age_hours": 0, "per_day": 100} | terms
        teller = Teller(make_market(withdrawal=withdrawal))
        if given:
            teller.give(given)
        return teller

    return make


@pytest.fixture
def teller(make_teller: Callable[..., Teller]) -> Teller:
    """No fee; 1,000 yuan and less is approved at once; released daily."""
    return make_teller()
