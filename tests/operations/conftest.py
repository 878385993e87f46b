"""Programs of which something falls due: sellers on levels, real time that is moved, a close that has much to do."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.programs.document import presets
from tests.levels.seller import Seller
from tests.operations.due import Due, RealTime
from tests.operations.till import Till
from tests.support import Api, Shop
from tests.support_clock import Worker
from tests.support_engine import Held
from tests.support_market import Market
from tests.support_state import held, put_back
from tests.withdrawals.teller import CHANNELS


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> RealTime:
    """Real time: 10:00 on 1 March 2026 in Shanghai, until it is moved."""
    return RealTime(monkeypatch)


@pytest.fixture
def make_seller(api: Api, make_shop: Callable[..., Shop], worker: Worker) -> Callable[..., Seller]:
    """Make a program with one distributor; arguments are those of `make_shop`."""

    def make(program_id: str = "shop-1", **shop: Any) -> Seller:
        return Seller(api, make_shop(program_id, **({"plan": "rocket-snail-7"} | shop)), worker)

    return make


@pytest.fixture
def make_live(real: RealTime, make_seller: Callable[..., Seller]) -> Callable[..., Seller]:
    """Make a live program, by `real` time."""

    def make(program_id: str = "shop-1", **shop: Any) -> Seller:
        return make_seller(program_id, mode="live", now=None, **shop)

    return make


@pytest.fixture
def due(made: list[tuple[Due, Held]], make_seller: Callable[..., Seller], worker: Worker) -> Due:
    """A close that has everything to do; nothing of it is done."""
    if not made:
        plan = presets()["rocket-snail-7"].model_dump(mode="json")
        plan["tracks"]["default"]["demotion"]["misses"] = 1
        made.append((Due(make_seller(plan=plan, now="2026-01-30T10:00:00+08:00"), worker), held()))
    ((due, tables),) = made
    put_back(tables)
    return due


@pytest.fixture(scope="session")
def made() -> list[tuple[Due, Held]]:
    """What `due` has made for this session, and the tables that hold it: making it again would take seconds."""
    return []


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK repeats a lost request at once."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.fixture
def make_till(make_market: Callable[..., Market], worker: Worker) -> Callable[..., Till]:
    def make(**plan: Any) -> Till:
        withdrawal = {"channels": CHANNELS, "method_age_hours": 0, "per_day": 100, "review_above_minor": 10**9}
        return Till(make_market(withdrawal=withdrawal, **plan), worker)

    return make


@pytest.fixture
def till(make_till: Callable[..., Till]) -> Till:
    """10 % for the seller; a hold of 7 days from completion, or from 15 days after payment."""
    return make_till()
