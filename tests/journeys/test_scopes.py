"""Every scope against every route, as tests/house/test_scopes.py tells them, and keys that are none."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.house.test_scopes import SCOPES, SIGNED
from tests.journeys.client import Cloud, Shop, done, pick, until
from tests.journeys.plans import plan
from tests.support import Answer

REVOKED_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Callers:
    """A secret of each scope, by api.md's letter."""

    cloud: Cloud
    keys: dict[str, str]

    def ask(self, route: str, key: str | None) -> Answer:
        """Ask a route about nothing that exists, with a body that is none of its own."""
        method, _, path = route.partition(" ")
        body = None if method in ("GET", "DELETE") else {"nothing": "of this route's"}
        return self.cloud.api.send(method, re.sub(r"{\w+}", "nothing", path), body, key)


@pytest.fixture(scope="module")
def callers(cloud: Cloud) -> Callers:
    shop = Shop(cloud, plan())
    seller = shop.distributor("seller")
    opened = done(shop.api.post(f"/v1/distributors/{pick(seller)}/sessions", {}, key=shop.keys.operator), 201)
    keys = {"S": shop.keys.storefront, "O": shop.keys.operator, "A": shop.keys.auditor}
    return Callers(cloud, keys | {"D": opened["token"], "P": cloud.platform_key})


@dataclass(frozen=True)
class Revoked:
    """A key that worked, and when it was revoked."""

    secret: str
    at: float


@pytest.fixture(scope="module", autouse=True)
def revoked(cloud: Cloud) -> Revoked:
    """Made before this module's other tests, so that its time runs out while they do."""
    body = {"actor": "gone", "scope": "platform"}
    key = done(cloud.api.post("/v1/keys", body, key=cloud.platform_key), 201)
    for _ in range(5):
        done(cloud.api.get("/v1/me", key=key["secret"]))
    done(cloud.api.delete(f"/v1/keys/{key['key_id']}", key=cloud.platform_key), 204)
    return Revoked(key["secret"], time.monotonic())


def asked(callers: Callers, letter: str) -> Iterator[tuple[str, Answer, bool]]:
    """Each route, what it answered, and whether this scope may use it."""
    with ThreadPoolExecutor(2) as threads:
        routes = [route for route, scopes in SCOPES.items() if scopes]
        answers = threads.map(lambda route: callers.ask(route, callers.keys[letter]), routes)
        for route, answer in zip(routes, answers, strict=True):
            yield route, answer, letter in SCOPES[route].split()


@pytest.mark.parametrize("letter", ["S", "O", "A", "D", "P"])
def test_a_scope_enters_its_routes_and_no_other(callers: Callers, letter: str) -> None:
    for route, answer, may in asked(callers, letter):
        if may:
            assert answer.status not in (401, 403) and answer.status < 500, (route, answer.text)
        else:
            assert (answer.status, answer.code) == (403, "forbidden"), (route, answer.text)


def test_without_a_key_only_the_open_routes_answer(callers: Callers) -> None:
    for route, scopes in SCOPES.items():
        answer = callers.ask(route, None)
        # A notice is signed instead; this one is none.
        assert answer.status == (401 if scopes else 422 if SIGNED in route else 200), (route, answer.text)
        if scopes:
            assert answer.code == "unauthorized"
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def wrong_keys(callers: Callers) -> dict[str, str]:
    """Headers that look like keys."""
    right = callers.keys["S"]
    return {
        "another secret": f"Bearer {right[:-4]}AAAA",
        "another key's name": f"Bearer {callers.keys['O'].rpartition('_')[0]}_{right.split('_', 2)[2]}",
        "half a key": f"Bearer {right[:30]}",
        "another kind": f"Basic {right}",
        "nothing": "Bearer ",
        "an unknown key": "Bearer trb_01ARZ3NDEKTSV4RRFFQ69G5FAV_secret",
        "an unknown session": "Bearer trs_01ARZ3NDEKTSV4RRFFQ69G5FAV_secret",
        "a mark in the key table": "Bearer @first_x",
    }


def test_a_wrong_key_is_no_key(callers: Callers) -> None:
    for kind, header in wrong_keys(callers).items():
        answer = callers.cloud.api.get("/v1/me", authorization=header)
        assert (answer.status, answer.code) == (401, "unauthorized"), kind


def test_each_key_knows_what_it_is(callers: Callers) -> None:
    said = {letter: callers.ask("GET /v1/me", key).json for letter, key in callers.keys.items()}
    assert {letter: each["scope"] for letter, each in said.items()} == {
        "S": "storefront",
        "O": "operator",
        "A": "auditor",
        "D": "distributor",
        "P": "platform",
    }
    assert said["O"]["actor"] == "wang"
    assert said["P"]["program_id"] is None
    assert said["D"]["distributor_id"].startswith("dst_")


def test_a_key_needs_its_program(cloud: Cloud, make_shop: Callable[..., Shop]) -> None:
    for body in ({"actor": "x", "scope": "operator"}, {"actor": "x", "scope": "platform", "program_id": "shop-1"}):
        assert cloud.api.post("/v1/keys", body, key=cloud.platform_key).status == 422
    body = {"actor": "x", "scope": "operator", "program_id": "nowhere"}
    assert cloud.api.post("/v1/keys", body, key=cloud.platform_key).code == "unknown_program"


def test_a_revoked_key_stops_within_a_minute(cloud: Cloud, revoked: Revoked) -> None:
    left = revoked.at + REVOKED_WITHIN_SECONDS - time.monotonic()
    until(lambda: cloud.api.get("/v1/me", key=revoked.secret).status, lambda status: status == 401, left)
