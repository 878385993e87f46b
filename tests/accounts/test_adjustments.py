"""Adjustments: asked for by one person, approved by another, settled at the next midnight; and debts written off."""

from typing import Any

import pytest

from chalicelib.access.model import Caller, Scope
from chalicelib.accounts import service
from chalicelib.shared.errors import Conflict
from tests.accounts.purse import Purse
from tests.support import Answer
from tests.support_faults import Crash, failing
from tests.support_market import Market
from tests.support_race import meanwhile
from tests.support_state import kept, rewound


class Office:
    """Two operators, `wang` and `zhao`, and the seller's account."""

    def __init__(self, market: Market) -> None:
        self.market, self.api, self.shop = market, market.api, market.shop
        self.purse = Purse(market.shop.program_id, market.id("seller"))

    def ask(self, amount: Any = 500, key: str | None = "k", by: str | None = None, **says: Any) -> Answer:
        body = {"distributor_id": self.purse.distributor_id, "amount_minor": amount, "reason": "why"} | says
        return self._post("/v1/adjustments", body, key, by)

    def give_up(self, key: str | None = "w", reason: str = "it has left", by: str | None = None) -> Answer:
        path = f"/v1/distributors/{self.purse.distributor_id}/write-off"
        return self._post(path, {"reason": reason}, key, by)

    def _post(self, path: str, body: Any, key: str | None, by: str | None) -> Answer:
        headers = {} if key is None else {"idempotency_key": key}
        return self.api.post(path, body, by or self.shop.operator, **headers)

    def approve(self, asked: Answer, by: str | None = None) -> Answer:
        path = f"/v1/adjustments/{asked.json['adjustment_id']}/approve"
        return self.api.post(path, {}, by or self.shop.second)

    def audit(self) -> list[tuple[str, str]]:
        rows = self.market.get("/v1/audit")["data"]
        return [(row["actor"], row["action"]) for row in rows if row["action"].startswith("adjustment")][::-1]


@pytest.fixture
def office(market: Market) -> Office:
    return Office(market)


@pytest.fixture
def indebted(office: Office) -> Office:
    """The seller owes 300."""
    office.purse.clawback(300, 4)
    office.purse.settle(4)
    return office


def test_an_adjustment_is_asked_for_approved_and_settled(office: Office) -> None:
    asked = office.ask(500)
    mine = office.purse.distributor_id
    assert (asked.status, asked.json) == (
        201,
        {
            "adjustment_id": asked.json["adjustment_id"], "distributor_id": mine, "kind": "correction",
            "amount_minor": 500, "currency": "CNY", "reason": "why", "status": "requested", "requested_by": "wang",
            "requested_at": "2026-03-04T02:00:00Z", "approved_by": None, "approved_at": None, "available_at": None,
        },
    )  # fmt: skip
    approved = office.approve(asked)
    assert approved.status == 200
    assert approved.json == asked.json | {
        "status": "approved", "approved_by": "zhao", "approved_at": "2026-03-04T02:00:00Z",
        "available_at": "2026-03-04T16:00:00Z",
    }  # fmt: skip
    assert (office.purse.stands, office.purse.lines()) == ((0, 0, 0, 0), [])
    office.purse.settle(5)
    assert (office.purse.stands, office.purse.agrees()) == ((0, 500, 0, 0), True)
    (line,) = office.market.get(f"/v1/distributors/{mine}/statement")["data"]
    assert line == {
        "entry_id": line["entry_id"], "at": "2026-03-04T16:00:00Z", "kind": "adjust", "cause": "correction",
        "order_id": None, "tier": None, "withdrawal_id": None, "adjustment_id": asked.json["adjustment_id"],
        "debit_account": "expense", "credit_account": "available", "amount_minor": 500, "currency": "CNY",
    }  # fmt: skip
    assert office.audit() == [("wang", "adjustment.request"), ("zhao", "adjustment.approve")]


def test_an_adjustment_may_take_even_more_than_there_is(office: Office) -> None:
    office.purse.earn(100, 5)
    office.approve(office.ask(-250))
    office.purse.settle(5)
    assert (office.purse.stands, office.purse.agrees()) == ((0, -150, 0, 0), True)


def test_it_needs_an_idempotency_key(office: Office) -> None:
    for refused in (office.ask(key=None), office.give_up(key=None)):
        assert (refused.status, refused.code) == (400, "idempotency_key_needed")


def test_the_same_key_asks_once(office: Office) -> None:
    first = office.ask(500)
    again = office.ask(500)
    assert (again.status, again.json) == (200, first.json)
    assert (office.ask(501).status, office.ask(501).code) == (409, "exists_with_different_content")
    assert office.ask(500, reason="another").code == "exists_with_different_content"
    assert office.ask(500, by=office.shop.second).status == 201, "another actor's key is another key"
    assert office.ask(500, key="k-2").status == 201
    assert len(office.market.get("/v1/adjustments")["data"]) == 3


@pytest.mark.parametrize("amount", [0, 1.0, "5", True, None, 10**18, -(10**18)])
def test_an_amount_is_a_whole_number_and_not_zero(office: Office, amount: Any) -> None:
    refused = office.ask(amount)
    assert (refused.status, {pointer for pointer, _ in refused.errors}) == (422, {"/amount_minor"})


def test_it_is_about_a_distributor_of_the_program(office: Office) -> None:
    refused = office.ask(distributor_id="dst_nobody")
    assert (refused.status, refused.errors) == (422, {("/distributor_id", "unknown_distributor")})
    path = "/v1/distributors/dst_nobody/write-off"
    assert office.api.post(path, {"reason": "x"}, office.shop.operator, idempotency_key="k").status == 404


def test_whoever_asked_for_it_cannot_approve_it(office: Office) -> None:
    asked = office.ask()
    refused = office.approve(asked, office.shop.operator)
    assert (refused.status, refused.code) == (409, "same_actor")
    assert office.market.get("/v1/adjustments")["data"] == [asked.json]


def test_approved_again_nothing_more_happens(office: Office) -> None:
    asked = office.ask()
    first = office.approve(asked)
    assert office.approve(asked).json == first.json
    assert (office.approve(asked, office.shop.operator).status, len(office.purse.entries)) == (409, 1)
    assert office.audit() == [("wang", "adjustment.request"), ("zhao", "adjustment.approve")]


def test_nothing_is_there_to_approve(office: Office) -> None:
    assert office.api.post("/v1/adjustments/adj_1/approve", {}, office.shop.second).status == 404


def test_adjustments_are_listed_by_status_and_distributor_newest_first(office: Office) -> None:
    made = [office.ask(amount, key=f"k-{amount}").json["adjustment_id"] for amount in (1, 2, 3)]
    other = office.ask(4, key="k-4", distributor_id=office.market.id("top")).json["adjustment_id"]
    office.api.post(f"/v1/adjustments/{made[1]}/approve", {}, office.shop.second)

    def listed(query: str = "?") -> list[str]:
        return [row["adjustment_id"] for row in office.market.walk(f"/v1/adjustments{query}", office.shop.auditor)]

    assert listed() == [other, *made[::-1]]
    assert listed("?status=approved") == [made[1]]
    assert listed(f"?status=requested&distributor_id={office.purse.distributor_id}") == [made[2], made[0]]


# Debts


def test_exactly_the_debt_is_written_off(indebted: Office) -> None:
    asked = indebted.give_up()
    assert (asked.status, asked.json["kind"], asked.json["amount_minor"]) == (201, "write_off", 300)
    assert indebted.give_up().json == asked.json
    assert indebted.approve(asked, indebted.shop.operator).code == "same_actor"
    assert indebted.approve(asked).status == 200
    indebted.purse.settle(5)
    assert (indebted.purse.stands, indebted.purse.agrees()) == ((0, 0, 0, 0), True)


def test_without_a_debt_there_is_nothing_to_write_off(office: Office) -> None:
    assert (office.give_up().status, office.give_up().code) == (409, "no_debt")
    office.purse.earn(5, 4)
    office.purse.settle(4)
    assert office.give_up().code == "no_debt"


def test_a_debt_is_written_off_once(indebted: Office) -> None:
    first, second = indebted.give_up("w-1"), indebted.give_up("w-2")
    assert indebted.approve(first).status == 200
    assert (indebted.approve(second).status, indebted.approve(second).code) == (409, "no_debt")
    assert indebted.give_up("w-3").code == "no_debt"
    indebted.purse.settle(5)
    assert indebted.approve(second).code == "no_debt"
    assert indebted.purse.stands == (0, 0, 0, 0)


def test_a_debt_that_has_shrunk_is_not_written_off_whole(indebted: Office) -> None:
    asked = indebted.give_up()
    indebted.purse.earn(1, 5)
    indebted.purse.settle(5)
    assert indebted.approve(asked).code == "no_debt"
    smaller = indebted.give_up("w-2")
    assert (smaller.json["amount_minor"], indebted.approve(smaller).status) == (299, 200)


def test_of_two_who_approve_two_write_offs_of_one_debt_at_once_one_is_refused(indebted: Office) -> None:
    asked = [indebted.give_up(key).json["adjustment_id"] for key in ("w-1", "w-2")]
    program = indebted.purse.program
    zhao = Caller("zhao", Scope.OPERATOR, program.program_id)
    with meanwhile(1, lambda: service.approve_adjustment(zhao, program, asked[1])), pytest.raises(Conflict):
        service.approve_adjustment(zhao, program, asked[0])
    indebted.purse.settle(5)
    assert (indebted.purse.stands, indebted.purse.agrees()) == ((0, 0, 0, 0), True)


# Crashes and races


@pytest.mark.parametrize("answered", [False, True])
def test_a_crash_while_asking_or_approving_ends_right_when_it_is_repeated(office: Office, answered: bool) -> None:
    program = office.purse.program
    wang, zhao = (Caller(name, Scope.OPERATOR, program.program_id) for name in ("wang", "zhao"))

    def ask() -> str:
        made, _ = service.request_adjustment(wang, program, office.purse.distributor_id, 500, "why", "k")
        return made.adjustment_id

    with failing({1}, answered=answered), pytest.raises(Crash):
        ask()
    asked = ask()
    with failing({1}, answered=answered), pytest.raises(Crash):
        service.approve_adjustment(zhao, program, asked)
    service.approve_adjustment(zhao, program, asked)
    office.purse.settle(5)
    assert (office.purse.stands, office.purse.agrees()) == ((0, 500, 0, 0), True)
    assert office.audit() == [("wang", "adjustment.request"), ("zhao", "adjustment.approve")]


def test_two_who_approve_at_once_make_one_entry(office: Office) -> None:
    asked = office.ask().json["adjustment_id"]
    program = office.purse.program
    zhao, li = (Caller(name, Scope.OPERATOR, program.program_id) for name in ("zhao", "li"))
    with meanwhile(1, lambda: service.approve_adjustment(li, program, asked)), pytest.raises(Conflict):
        service.approve_adjustment(zhao, program, asked)
    assert len(office.purse.entries) == 1


def test_asking_twice_at_once_with_one_key_makes_one_adjustment(office: Office) -> None:
    program, mine = office.purse.program, office.purse.distributor_id
    wang = Caller("wang", Scope.OPERATOR, program.program_id)
    with rewound(), meanwhile(1, lambda: service.request_adjustment(wang, program, mine, 500, "why", "k")):
        made, new = service.request_adjustment(wang, program, mine, 500, "why", "k")
        assert not new
        assert [sk for _, pk, sk in kept("accounts") if pk.endswith("#adjustments")] == [made.adjustment_id]
