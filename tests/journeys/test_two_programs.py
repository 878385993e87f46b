"""Two programs on one platform: neither sees, changes or even notices the other's things."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.client import NOW, Cloud, Shop, done, pick
from tests.journeys.plans import plan


@dataclass(frozen=True)
class Neighbours:
    """A shop with something of everything, an empty one, and the ids of the first's things."""

    full: Shop
    empty: Shop
    ids: dict[str, str]


@pytest.fixture(scope="module")
def neighbours(cloud: Cloud) -> Neighbours:
    full, empty = Shop(cloud, plan()), Shop(cloud, None)
    seller = full.distributor("seller")
    full.product("special", rate_bp=1000)
    full.coupon("SPRING", pick(seller))
    full.refer("ann", seller)
    for order_id in ("A", "B"):
        full.order(order_id, 10000, customer_id="ann")
        full.explained(order_id)
    full.publish(plan(700), "2026-04-01T00:00:00+08:00")
    (commission,) = full.all("/v1/commissions?order_id=A")
    ids = {"distributor": pick(seller), "commission": commission["commission_id"]}
    return Neighbours(full, empty, ids)


ONE_OF_THE_OTHER = [
    "/v1/program/plans/1",
    "/v1/products/special",
    "/v1/coupons/SPRING",
    "/v1/distributors/{distributor}",
    "/v1/distributors/{distributor}/statement",
    "/v1/distributors/{distributor}/commissions",
    "/v1/distributors/{distributor}/orders",
    "/v1/distributors/{distributor}/customers",
    "/v1/distributors/{distributor}/downline",
    "/v1/orders/A",
    "/v1/orders/A/explanation",
    "/v1/commissions/{commission}",
]


def as_each_reader(shop: Shop, path: str) -> Iterator[int]:
    for key in (shop.keys.operator, shop.keys.auditor):
        yield shop.api.get(path, key=key).status


@pytest.mark.parametrize("path", ONE_OF_THE_OTHER)
def test_another_programs_things_are_not_there(neighbours: Neighbours, path: str) -> None:
    path = path.format(**neighbours.ids)
    assert set(as_each_reader(neighbours.full, path)) == {200}
    assert set(as_each_reader(neighbours.empty, path)) == {404}


def test_another_programs_customers_are_strangers(neighbours: Neighbours) -> None:
    stranger = neighbours.empty.get("/v1/referrals/ann")
    assert (stranger["distributor_id"], stranger["history"]) == (None, [])


LISTS = [
    "/v1/program/plans",
    "/v1/products",
    "/v1/distributors",
    "/v1/orders?paid_day=2026-03-04",
    "/v1/commissions",
    "/v1/commissions?order_id=A",
    "/v1/quarantine",
]


@pytest.mark.parametrize("path", LISTS)
def test_lists_hold_only_a_programs_own(neighbours: Neighbours, path: str) -> None:
    assert neighbours.empty.get(path)["data"] == []


@pytest.mark.parametrize(
    "path", ["/v1/program/plans", "/v1/orders?paid_day=2026-03-04", "/v1/commissions", "/v1/audit"]
)
def test_a_cursor_of_another_program_is_refused(neighbours: Neighbours, path: str) -> None:
    more = "&" if "?" in path else "?"
    cursor = neighbours.full.get(f"{path}{more}limit=1")["next_cursor"]
    assert cursor
    own = neighbours.full.api.get(f"{path}{more}limit=1&cursor={cursor}", key=neighbours.full.keys.auditor)
    assert own.status == 200
    answer = neighbours.empty.api.get(f"{path}{more}cursor={cursor}", key=neighbours.empty.keys.auditor)
    assert (answer.status, answer.code) == (422, "invalid_cursor")
    other_list = neighbours.full.api.get(f"/v1/distributors?cursor={cursor}", key=neighbours.full.keys.auditor)
    assert (other_list.status, other_list.code) == (422, "invalid_cursor")


def test_nothing_of_another_program_can_be_changed(neighbours: Neighbours) -> None:
    seller = neighbours.ids["distributor"]
    reason, keys = {"reason": "not mine"}, neighbours.empty.keys
    refused = [
        neighbours.empty.api.post(f"/v1/distributors/{seller}/suspend", reason, key=keys.operator),
        neighbours.empty.api.post(
            f"/v1/distributors/{seller}/sponsor", reason | {"sponsor_id": None}, key=keys.operator
        ),
        neighbours.empty.api.post(f"/v1/distributors/{seller}/sessions", {}, key=keys.storefront),
        neighbours.empty.api.patch(f"/v1/distributors/{seller}", {"name": "mine"}, key=keys.operator),
        neighbours.empty.api.post("/v1/orders/A/attribution", reason | {"distributor_id": None}, key=keys.operator),
        neighbours.empty.api.delete("/v1/coupons/SPRING", key=keys.operator),
        neighbours.empty.api.delete("/v1/products/special", key=keys.operator),
    ]
    assert [answer.status for answer in refused] == [404] * len(refused)
    given = neighbours.empty.api.put("/v1/coupons/OURS", {"distributor_id": seller}, key=keys.operator)
    assert (given.status, given.code) == (422, "unknown_distributor")
    assert neighbours.full.get(f"/v1/distributors/{seller}")["status"] == "approved"


def test_the_same_ids_name_different_things(cloud: Cloud, neighbours: Neighbours) -> None:
    other = Shop(cloud, plan(100, ()))
    seller = other.distributor("seller")
    assert seller["distributor_id"] != neighbours.ids["distributor"]
    other.order("A", 5000, customer_id="ann", code=seller["code"])
    assert other.targets("A") == [50]
    assert neighbours.full.targets("A") == [800]
    assert other.get("/v1/referrals/ann")["distributor_id"] == pick(seller)


def test_a_code_of_another_program_is_unknown(cloud: Cloud, neighbours: Neighbours) -> None:
    code = neighbours.full.get(f"/v1/distributors/{neighbours.ids['distributor']}")["code"]
    other = Shop(cloud, plan())
    other.order("A", 1000, code=code)
    assert other.explained("A")["reason"] == "unknown_code"
    click = {"code": code, "visitor_id": "v", "at": NOW}
    assert other.api.post("/v1/clicks", click, key=other.keys.storefront).code == "unknown_code"


def test_the_platform_sees_programs_and_keys_but_nothing_inside(cloud: Cloud, neighbours: Neighbours) -> None:
    made = {one["program_id"] for one in pages(cloud, "/v1/programs")}
    assert {neighbours.full.program_id, neighbours.empty.program_id} <= made
    keys = pages(cloud, "/v1/keys")
    mine = [key for key in keys if key["program_id"] == neighbours.full.program_id]
    assert sorted(key["actor"] for key in mine) == ["an", "store", "wang", "zhao"]
    assert not any("secret" in key for key in keys)
    assert cloud.api.get("/v1/orders/A", key=cloud.platform_key).status == 403


def pages(cloud: Cloud, path: str) -> list[dict[str, Any]]:
    """Every item of a list of the platform's."""
    found, cursor = [], ""
    while True:
        page = done(cloud.api.get(f"{path}?limit=100{cursor}", key=cloud.platform_key))
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"
