"""Payout methods over HTTP: whose they are, when they can be used, and that an account is one distributor's."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.core.botocore_stubber import MockRawResponse

from chalicelib.payouts import service
from chalicelib.payouts.service import METHODS_MAX
from chalicelib.shared import clock, keys
from tests.payouts.cashier import ACCOUNT, OPERATOR, Cashier
from tests.support_faults import EVER, Crash, failing
from tests.support_laws import document
from tests.support_market import START, Market
from tests.support_race import meanwhile
from tests.support_state import rewound


def numbered(number: int) -> dict[str, str]:
    return ACCOUNT | {"account_number": f"62220202{number:08}"}


def test_a_method_shows_the_end_of_its_number_and_from_when_it_can_be_used(cashier: Cashier) -> None:
    answer = cashier.add()
    assert answer.status == 201
    told = answer.json
    assert told.pop("method_id").startswith("pmt_")
    assert told == {
        "distributor_id": cashier.id("seller"),
        "channel": "bank",
        "masked": "**** 3445",
        "created_at": clock.shown(START),
        "usable_from": clock.shown(START + timedelta(hours=24)),
    }


def test_it_is_usable_when_the_plan_in_force_says_so(make_market: Callable[..., Market]) -> None:
    cashier = Cashier(make_market(withdrawal={"method_age_hours": 24}))
    method = cashier.method()
    later = document(withdrawal={"method_age_hours": 1})
    body = {"plan": later, "effective_at": (START + timedelta(hours=2)).isoformat()}
    assert cashier.api.post("/v1/program/plans", body, cashier.shop.operator).status == 201
    assert service.usable_from(cashier.market.program, method) == START + timedelta(hours=24)
    cashier.market.move_to(minutes=120)
    assert service.usable_from(cashier.market.program, method) == START + timedelta(hours=1)


@pytest.mark.parametrize(
    "account", [ACCOUNT, ACCOUNT | {"account_number": "6222020200113445"}, ACCOUNT | {"holder_name": " 张三 "}]
)
def test_the_same_account_again_is_the_method_that_has_it(cashier: Cashier, account: dict[str, str]) -> None:
    first = cashier.add()
    again = cashier.add(account=account)
    assert (again.status, again.json) == (200, first.json)
    assert cashier.listed() == [first.json]
    assert len(cashier.audit("payout_method.add")) == 1


def test_the_same_number_with_another_name_is_refused_until_the_method_is_deleted(cashier: Cashier) -> None:
    first = cashier.add().json["method_id"]
    renamed = ACCOUNT | {"holder_name": "李四"}
    refused = cashier.add(account=renamed)
    assert (refused.status, refused.code) == (409, "exists_with_different_content")
    assert cashier.delete(first).status == 204
    assert cashier.add(account=renamed).status == 201


def test_an_account_is_one_distributors(cashier: Cashier) -> None:
    cashier.add("seller", expect=201)
    refused = cashier.add("middle", account=ACCOUNT | {"bank_name": "Another", "account_number": "6222-0202-00113445"})
    assert (refused.status, refused.code) == (409, "account_in_use")
    assert cashier.listed("middle") == []


def test_two_distributors_with_the_same_account_at_once_one_wins(cashier: Cashier) -> None:
    cashier.add("top", account=numbered(1))  # so that the program's key is there
    other: list[int] = []
    with meanwhile(1, lambda: other.append(cashier.add("middle").status), only="payouts"):
        refused = cashier.add("seller")
    assert other == [201]
    assert (refused.status, refused.code) == (409, "account_in_use")
    assert (len(cashier.listed("middle")), cashier.listed("seller")) == (1, [])


def test_one_distributor_twice_at_once_has_one_method(cashier: Cashier) -> None:
    cashier.add("top", account=numbered(1))
    other: list[Any] = []
    with meanwhile(1, lambda: other.append(cashier.add().json), only="payouts"):
        again = cashier.add()
    assert (again.status, [again.json]) == (200, other)
    assert cashier.listed() == other


def test_a_programs_first_two_methods_at_once_are_told_apart_by_one_key(cashier: Cashier) -> None:
    other: list[int] = []
    with meanwhile(1, lambda: other.append(cashier.add("middle").status), only="payouts") as wire:
        refused = cashier.add("seller")
    assert wire.acted and other == [201]
    assert (refused.status, refused.code) == (409, "account_in_use")


def test_in_another_program_the_same_account_is_another(cashier: Cashier, make_market: Callable[..., Market]) -> None:
    cashier.add(expect=201)
    assert Cashier(make_market("shop-2")).add().status == 201


def test_a_deleted_method_is_gone_and_its_account_free_and_still_readable(cashier: Cashier) -> None:
    method = cashier.method()
    assert cashier.delete(method.method_id).status == 204
    assert cashier.listed() == []
    again = cashier.delete(method.method_id)
    assert (again.status, again.code) == (404, "not_found")
    assert service.find_method("shop-1", cashier.id("seller"), method.method_id).deleted
    assert service.account_of("shop-1", method)["account_number"] == "6222020200113445"
    assert cashier.add("middle").status == 201
    assert cashier.add("seller").code == "account_in_use"


def test_who_adds_and_who_deletes_stands_in_the_audit_log(cashier: Cashier) -> None:
    method_id = cashier.add().json["method_id"]
    cashier.delete(method_id, key=cashier.market.session("seller"))
    (added,), (deleted,) = cashier.audit("payout_method.add"), cashier.audit("payout_method.delete")
    detail = {"distributor_id": cashier.id("seller"), "channel": "bank", "masked": "**** 3445"}
    assert (added["actor"], added["subject"], added["detail"]) == ("wang", method_id, detail)
    assert (deleted["actor"], deleted["subject"], deleted["detail"]) == (cashier.id("seller"), method_id, detail)


def test_a_distributor_manages_its_own_and_no_other(cashier: Cashier) -> None:
    mine, token = cashier.add("middle", account=numbered(2)).json["method_id"], cashier.market.session("seller")
    own = cashier.api.post("/v1/payout-methods", {"channel": "bank", "account": ACCOUNT}, key=token)
    assert (own.status, own.json["distributor_id"]) == (201, cashier.id("seller"))
    assert cashier.api.get("/v1/payout-methods", key=token).json["data"] == [own.json]
    others = {"distributor_id": cashier.id("middle"), "channel": "bank", "account": numbered(3)}
    assert cashier.api.post("/v1/payout-methods", others, key=token).status == 404
    assert cashier.api.get(f"/v1/payout-methods?distributor_id={cashier.id('middle')}", key=token).status == 404
    refused, absent = cashier.delete(mine, key=token), cashier.delete("pmt_nothing", key=token)
    assert (refused.status, absent.status) == (404, 404)
    assert refused.json["detail"].replace(mine, "pmt_nothing") == absent.json["detail"]
    assert cashier.delete(own.json["method_id"], key=token).status == 204
    assert len(cashier.listed("middle")) == 1


def test_operators_say_whose(cashier: Cashier) -> None:
    body = {"channel": "bank", "account": ACCOUNT}
    for answer in (
        cashier.api.post("/v1/payout-methods", body, key=cashier.shop.operator),
        cashier.api.get("/v1/payout-methods", key=cashier.shop.operator),
    ):
        assert (answer.status, answer.errors) == (422, {("/distributor_id", "missing")})
    unknown = cashier.add(distributor_id="dst_nobody")
    assert (unknown.status, unknown.errors) == (422, {("/distributor_id", "unknown_distributor")})


@pytest.mark.parametrize("mode", ["test", "live"])
def test_a_channel_that_the_plan_lacks_is_refused(make_market: Callable[..., Market], mode: str) -> None:
    cashier = Cashier(make_market(mode=mode))
    for channel, account in (("pretend", {"behaviour": "accept"}), ("gold", ACCOUNT)):
        refused = cashier.add(channel=channel, account=account)
        assert (refused.status, refused.errors) == (422, {("/channel", "unknown_channel")})


def test_methods_are_listed_newest_first_page_by_page(cashier: Cashier) -> None:
    added = [cashier.add(account=numbered(number)).json for number in range(3)]
    assert cashier.listed() == added[::-1]
    token = cashier.market.session("seller")
    cursor = cashier.api.get("/v1/payout-methods?limit=1", key=token).json["next_cursor"]
    other = cashier.api.get(f"/v1/payout-methods?cursor={cursor}", key=cashier.market.session("middle"))
    assert (other.status, other.code) == (422, "invalid_cursor")


def test_a_distributor_has_at_most_twenty(cashier: Cashier) -> None:
    for number in range(METHODS_MAX):
        cashier.add(account=numbered(number), expect=201)
    refused = cashier.add(account=numbered(99))
    assert (refused.status, refused.code) == (409, "too_many_methods")
    assert cashier.add(account=numbered(0)).status == 200
    cashier.delete(cashier.listed()[0]["method_id"])
    assert cashier.add(account=numbered(99)).status == 201


def test_nor_has_it_had_more_than_two_hundred(cashier: Cashier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "METHODS_EVER", 3)
    for _ in range(3):
        cashier.delete(cashier.add(expect=201).json["method_id"])
    refused = cashier.add()
    assert (refused.status, refused.code) == (409, "too_many_changes")


@pytest.mark.parametrize("answered", [False, True])
def test_a_crash_at_any_write_is_made_good_by_the_same_again(cashier: Cashier, answered: bool) -> None:
    for write in (1, 2):
        with rewound():
            with pytest.raises(Crash), failing({write}, answered=answered):
                cashier.add()
            assert cashier.add().status == (200 if answered and write == 2 else 201)
            assert len(cashier.listed()) == 1
    cashier.add()
    method_id = cashier.listed()[0]["method_id"]
    with pytest.raises(Crash), failing({1}, answered=answered):
        cashier.delete(method_id)
    assert cashier.delete(method_id).status == (404 if answered else 204)
    assert cashier.listed() == []


def test_a_refused_method_writes_nothing(cashier: Cashier) -> None:
    cashier.add(expect=201)
    with failing(EVER):
        assert cashier.add("middle").code == "account_in_use"
        assert cashier.add().status == 200
        assert cashier.add(account=ACCOUNT | {"account_number": "12"}).status == 422


def test_a_deletion_that_another_one_overtakes_is_refused(cashier: Cashier) -> None:
    method = cashier.method()

    def overtake() -> None:
        service.delete_method(OPERATOR, cashier.market.program, method.method_id)

    with meanwhile(1, overtake, only="payouts"):
        refused = cashier.delete(method.method_id)
    assert (refused.status, refused.code) == (409, "changed_meanwhile")
    assert len(cashier.audit("payout_method.delete")) == 1


def answered(status: int, code: str) -> Callable[..., AWSResponse]:
    """KMS answers with an error."""
    body = json.dumps({"__type": code, "message": code}).encode()
    return lambda request, **_: AWSResponse(request.url, status, {}, MockRawResponse(body))


def unanswered(request: Any, **_: Any) -> AWSResponse:
    """KMS isn't heard in time."""
    raise ReadTimeoutError(endpoint_url=request.url)


@pytest.mark.parametrize(
    ("kms", "wanted"),
    [
        (unanswered, (503, "unavailable")),
        (answered(503, "DependencyTimeoutException"), (503, "unavailable")),
        (answered(400, "ThrottlingException"), (503, "unavailable")),
        (answered(400, "DisabledException"), (500, "internal_error")),
    ],
)
def test_an_account_that_the_keys_cannot_seal_now_is_not_kept_and_may_be_told_again(
    cashier: Cashier, monkeypatch: pytest.MonkeyPatch, kms: Callable[..., AWSResponse], wanted: tuple[int, str]
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    events = keys._client().meta.events
    events.register_first("before-send.kms", kms)
    try:
        refused = cashier.add()
    finally:
        events.unregister("before-send.kms", kms)
    assert (refused.status, refused.code) == wanted
    assert (refused.headers.get("Retry-After") == "1") == (refused.status == 503)
    assert cashier.listed() == []
    assert cashier.add().status == 201
