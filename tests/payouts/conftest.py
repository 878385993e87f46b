"""A market whose plan names every channel."""

from collections.abc import Callable

import pytest

from tests.payouts.cashier import SLA, Cashier
from tests.support_market import Market


@pytest.fixture
def cashier(make_market: Callable[..., Market]) -> Cashier:
    channels = dict.fromkeys(["bank", "wechat", "alipay", "stripe", "pretend"], SLA)
    return Cashier(make_market(withdrawal={"channels": channels}))
