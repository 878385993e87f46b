"""Each test of a room gets empty tables, held by moto in this process; a stage named "test" reads and writes them."""

import gc
import os

# Before anything of chalicelib or AWS is imported: names, and no way to a real account.
for name in [name for name in os.environ if name.startswith(("AWS_", "TRIBUTARY_"))]:
    del os.environ[name]
os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled",
    "AWS_EC2_METADATA_DISABLED": "true",
    "TRIBUTARY_STAGE": "test",
    "TRIBUTARY_BUCKET": "tributary-test-files",
    "TRIBUTARY_PAYOUT_KEY": "alias/tributary-test-payouts",
    "TRIBUTARY_JOBS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/tributary-test-jobs",
}

from collections.abc import Callable  # noqa: E402
from contextlib import ExitStack  # noqa: E402
from datetime import datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import pytest  # noqa: E402
from chalice.test import Client  # noqa: E402
from moto import mock_aws  # noqa: E402
from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.kms.models import kms_backends  # noqa: E402
from moto.s3.models import s3_backends  # noqa: E402
from moto.sqs.models import sqs_backends  # noqa: E402

from chalicelib.access import service as access  # noqa: E402
from chalicelib.access.model import Caller, Scope  # noqa: E402
from chalicelib.programs import service as programs  # noqa: E402
from chalicelib.programs.document import PlanDocument, parse, presets  # noqa: E402
from chalicelib.programs.model import Mode, NewProgram  # noqa: E402
from chalicelib.shared.settings import bucket, payout_key  # noqa: E402
from tests.benchmarks.dynamodb_local import NotHere, dynamodb_local  # noqa: E402
from tests.support import Api, Shop  # noqa: E402
from tests.support_clock import Worker  # noqa: E402
from tests.support_engine import ENGINES, LOCAL, DynamoDbLocal, engine, use  # noqa: E402
from tests.support_laws import document  # noqa: E402
from tests.support_market import Kept, Market  # noqa: E402
from tests.support_moto import make_quick  # noqa: E402

TESTS = Path(__file__).parent
WITHOUT_TABLES = {"infra", "journeys", "house", "oracle", "load"}
"""Folders whose tests make their own cloud, or need none."""

CONFORMANCE = TESTS / "conformance"
JOBS = "tributary-test-jobs"

# Each full collection walks everything that botocore and moto have loaded.
gc.set_threshold(100_000, 50, 100)
_moto = mock_aws()
_moto_is_on = False


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--engine dynamodb-local`: see tests/support_engine.py. `--seeds`, `--first`: tests/faults."""
    parser.addoption("--engine", choices=ENGINES, default=ENGINES[0], help="what holds the tables")
    parser.addoption("--seeds", type=int, default=30, help="how many stories; 30 if absent")
    parser.addoption("--first", type=int, default=0, help="the first one's seed; 0 if absent")


def pytest_configure(config: pytest.Config) -> None:
    """Start the engine that is asked for; it ends with the session."""
    if config.getoption("--engine") != LOCAL:
        make_quick()
        return
    running = ExitStack()
    try:
        use(DynamoDbLocal(running.enter_context(dynamodb_local())))
    except NotHere as missing:
        raise pytest.UsageError(str(missing)) from missing
    config.add_cleanup(running.close)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What moto can't do is no test of a session that has moto."""
    return True if collection_path.is_relative_to(CONFORMANCE) and config.getoption("--engine") != LOCAL else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Turn moto on or off before any fixture runs. Turning costs 50 ms, so it stays as it is between like tests."""
    global _moto_is_on
    wanted = _has_tables(item.path)
    if wanted and not _moto_is_on:
        _moto.start()
    elif _moto_is_on and not wanted:
        _moto.stop()
    _moto_is_on = wanted


def _has_tables(test: Path) -> bool:
    return _folder(test) not in WITHOUT_TABLES


def _folder(test: Path) -> str:
    return test.relative_to(TESTS).parts[0]


@pytest.fixture(autouse=True)
def cloud_tables(request: pytest.FixtureRequest) -> None:
    """Empty tables, an empty jobs queue, and nothing remembered from the test before."""
    if not _has_tables(request.path):
        return
    access._known.clear()
    programs.plan.cache_clear()
    engine().empty()
    queues = sqs_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    queues.queues.pop(JOBS, None)
    queues.create_queue(JOBS)
    _empty_bucket()
    _payout_key()


def _empty_bucket() -> None:
    files = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    if files.buckets.pop(bucket(), None):
        s3_backends.bucket_accounts.pop(bucket())
    files.create_bucket(bucket(), "us-east-1")


def _payout_key() -> None:
    """The key stays from test to test: what was encrypted in one is in no table of the next."""
    keys = kms_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    if not keys.alias_exists(payout_key()):
        key = keys.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", [])
        keys.create_alias(key.id, payout_key())


@pytest.fixture(scope="session")
def api() -> Api:
    """The app over its routes: `api.post("/v1/orders", {...}, key=shop.storefront)`."""
    from app import app  # here, so that tests without HTTP don't need every room

    return Api(Client(app, project_dir=str(TESTS.parent)))


@pytest.fixture
def worker() -> Worker:
    """The jobs queue and the function that works it off."""
    from app import app

    return Worker(Client(app, project_dir=str(TESTS.parent)))


@pytest.fixture
def platform_key() -> str:
    """The secret of a platform key."""
    secret = access.create_first_platform_key("root")
    assert secret
    return secret


@pytest.fixture
def make_shop() -> Callable[..., Shop]:
    """Make a program with a plan, and a key of each scope: `make_shop("shop-2", plan="teacher", country="CN")`.

    `plan` is a preset's name, a whole plan as JSON, or None; it takes effect 60 days before `now`.
    """

    def make(
        program_id: str = "shop-1",
        *,
        plan: str | dict[str, Any] | None = "three-tier",
        mode: str = "test",
        now: str | None = "2026-03-04T10:00:00+08:00",
        country: str = "US",
        currency: str = "CNY",
        timezone: str = "Asia/Shanghai",
    ) -> Shop:
        operator = Caller("wang", Scope.OPERATOR, program_id)
        first = datetime.fromisoformat(now) if now else None
        wanted = NewProgram(program_id, program_id, currency, timezone, country, Mode(mode), first)
        program, _ = programs.create(Caller("root", Scope.PLATFORM, None), wanted)
        if plan is not None:
            programs.publish(operator, program, _document(plan), program.now() - timedelta(days=60))
        return Shop(program_id, *(_key(actor, scope, program_id) for actor, scope in SHOP_KEYS))

    return make


SHOP_KEYS = [
    ("wang", Scope.OPERATOR),
    ("zhao", Scope.OPERATOR),
    ("store", Scope.STOREFRONT),
    ("an", Scope.AUDITOR),
]


@pytest.fixture
def shop(make_shop: Callable[..., Shop]) -> Shop:
    """A test program `shop-1` on the plan `three-tier`; its clock stands at 10:00 on 4 March 2026 in Shanghai."""
    return make_shop()


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


def _document(plan: str | dict[str, Any]) -> PlanDocument:
    return presets()[plan] if isinstance(plan, str) else parse(plan)


def _key(actor: str, scope: Scope, program_id: str) -> str:
    _, secret = access.create_key(Caller("root", Scope.PLATFORM, None), actor, scope, program_id, None)
    assert secret
    return secret
