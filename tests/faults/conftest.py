"""The world of the stories, made once and put back for each."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from chalice.test import Client

from chalicelib.access.model import Caller, Scope
from chalicelib.programs import service as programs
from chalicelib.programs.document import parse
from chalicelib.programs.model import Mode, NewProgram
from chalicelib.shared import ids
from tests.faults.mirror import Mirror, Terms
from tests.faults.world import CANARIES, OTHERS_SECRET, PER_DAY, Turn, World, plan
from tests.support import Api, Shop
from tests.support_clock import Worker, jump
from tests.support_market import START, Market
from tests.support_state import Held, held, images, put_back
from tests.support_stream import Stream
from tests.withdrawals.teller import WANG


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each seed that is asked for."""
    first, number = (metafunc.config.getoption(name) for name in ("--first", "--seeds"))
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(first, first + number))


@pytest.fixture(autouse=True)
def turn(monkeypatch: pytest.MonkeyPatch) -> Turn:
    """Ids in turn, and an SDK that repeats at once: a seed is the same story everywhere."""
    turn = Turn()
    monkeypatch.setattr(ids, "new", turn.new)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return turn


@pytest.fixture(scope="session")
def worlds() -> list[tuple[World, Held]]:
    """The world that this session has made, and its tables."""
    return []


@pytest.fixture
def world(
    worlds: list[tuple[World, Held]], api: Api, make_shop: Callable[..., Shop], worker: Worker, stream: Stream
) -> World:
    """A shop in which money can already be asked for; its clock stands an hour after everybody has joined."""
    if not worlds:
        worlds.append((_made(api, make_shop, worker, stream), held()))
    ((world, tables),) = worlds
    put_back(tables)
    world.forget_files()
    world.worker, world.stream = worker, stream
    return world


def _made(api: Api, make_shop: Callable[..., Shop], worker: Worker, stream: Stream) -> World:
    shop = make_shop(plan=None)
    # In force since yesterday: whatever looks at all days since there is a plan has few to look at.
    programs.publish(WANG, programs.get(shop.program_id), parse(plan()), START - timedelta(days=1))
    first = NewProgram("shop-1-other", OTHERS_SECRET, "CNY", "Asia/Shanghai", "US", Mode.TEST, START)
    programs.create(Caller("root", Scope.PLATFORM, None), first)
    made = World(Market(api, shop), worker, stream)
    jump(shop.program_id, START + timedelta(hours=1))
    return made


@pytest.fixture
def stream() -> Stream:
    """The orders table's stream."""
    from app import app

    return Stream(Client(app, project_dir="."))


@pytest.fixture
def mirror(world: World) -> Mirror:
    """The second books, which begin with what the world has."""
    made = Mirror(Terms(per_day=PER_DAY, canaries=CANARIES))
    made.take(images())
    return made
