"""One deploy for all journeys."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from infra.local_cloud import deployed
from tests.journeys.client import Cloud, Http, Shop
from tests.journeys.plans import plan

HERE = Path(__file__).parent
LAST = {"test_description.py", "test_permissions.py"}
"""Those that look back at all journeys."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The journeys stay where they were among the tests; those that look back come after the others."""
    places = [i for i, item in enumerate(items) if item.path.parent == HERE]
    journeys = sorted((items[i] for i in places), key=lambda item: item.path.name in LAST)
    for place, journey in zip(places, journeys, strict=True):
        items[place] = journey


@pytest.fixture(scope="session")
def all_ran(request: pytest.FixtureRequest) -> None:
    """For those that look back: they need all journeys."""
    asked_for = {item.path for item in request.session.items}
    if not asked_for.issuperset(HERE.glob("test_*.py")):
        pytest.skip("this looks back at all journeys, and not all were asked for")


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    """A cloud on this machine, with the app deployed to it by `chalice deploy`."""
    with deployed() as stage:
        yield Cloud(stage, Http(stage.url))


@pytest.fixture(autouse=True)
def permitted(cloud: Cloud) -> None:
    """Don't wait for what a function isn't allowed to do."""
    assert cloud.refused() == set(), "a policy lacks something; infra/policies.py"


@pytest.fixture
def make_shop(cloud: Cloud) -> Callable[..., Shop]:
    """Make a shop with a program of its own: `make_shop(plan(200, ()), currency="USD")`."""
    return partial(Shop, cloud)


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    """A shop with 8 %, 2 % and 1 %."""
    made: Any = make_shop(plan())
    assert isinstance(made, Shop)
    return made
