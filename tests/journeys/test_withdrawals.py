"""What may become of a withdrawal, through a channel that does what its method says; what is refused; who may what."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from infra.stage import Stage
from infra.tick import tick_now
from tests.journeys.client import NOW, Cloud, Shop, done, pick, until
from tests.journeys.hands import Tables, logged
from tests.journeys.plans import plan
from tests.journeys.till import AFTER_TEN, CARD, MORNING, SLA, Distributor, Till, paying
from tests.support import Answer

Rich = dict[str, tuple[Distributor, str]]
"""Somebody with money and a method, by name."""

SENT = ["requested", "approved", "queued", "submitting"]


# What a channel may answer


def test_each_way_that_a_channel_may_answer(cloud: Cloud) -> None:
    """Withdrawals of 10 yuan, one by each behaviour; they are promised within two hours."""
    till = Till(cloud, paying(fee_bp=100, channels={"pretend": {"sla_hours": 2, "peak_sla_hours": 2}}))
    mei, *_ = till.fund(10_000, "mei")
    till.shop.move_clock(MORNING)
    behaviours = ("accept", "delay", "lose_request", "lose_answer", "fail", "return")
    methods = {behaviour: till.method(mei, "pretend", behaviour=behaviour) for behaviour in behaviours}
    asked = {behaviour: till.asked(mei, 1_000, method) for behaviour, method in methods.items()}
    asked["fail twice"] = till.asked(mei, 1_000, methods["fail"])
    assert till.stands(mei) == (0, 3_000, 7_000, 0)

    # Right after the release: who gave no answer may have paid.
    till.shop.move_clock("2026-03-05T10:00:30+08:00")
    assert {behaviour: till.way(one) for behaviour, one in asked.items()} == {
        "accept": [*SENT, "processing", "paid"],
        "delay": [*SENT, "processing"],
        "lose_request": [*SENT, "unknown"],
        "lose_answer": [*SENT, "unknown"],
        "fail": [*SENT, "processing", "failed"],
        "fail twice": [*SENT, "processing", "failed"],
        "return": [*SENT, "processing", "paid"],
    }
    assert late(till) == {asked[each] for each in ("delay", "lose_request", "lose_answer")}
    assert till.stands(mei) == (0, 5_000, 3_000, 2_000)
    notices_wake_the_query(till, asked["lose_answer"])

    # A minute later what is unknown is asked about, and what never arrived is told again under the same reference.
    for failed in ("fail", "fail twice"):
        assert done(till.do("retry", asked[failed]))["status"] == "queued"
    assert done(till.do("cancel", asked["fail"]))["status"] == "cancelled"
    till.shop.move_clock(AFTER_TEN)
    assert till.way(asked["lose_request"]) == [*SENT, "unknown", "processing", "paid"]
    assert len(till.shown(asked["lose_request"])["attempts"]) == 1
    assert till.stands(mei) == (0, 4_000, 2_000, 4_000)
    assert late(till) == {asked["delay"], asked["fail twice"]}

    # A day later.
    till.shop.move_clock("2026-03-06T10:05:00+08:00")
    assert till.way(asked["delay"]) == [*SENT, "processing", "paid"]
    assert till.way(asked["return"]) == [*SENT, "processing", "paid", "returned"]
    again = till.shown(asked["fail twice"])
    assert [step["status"] for step in again["history"]][5:] == ["failed", "queued", *SENT[3:], "processing", "failed"]
    assert len({attempt["reference"] for attempt in again["attempts"]}) == 2
    assert (again["fee_minor"], again["tax_minor"], again["net_minor"]) == (10, 0, 990)
    assert till.do("cancel", asked["accept"]).code == till.do("retry", asked["accept"]).code == "wrong_status"
    assert till.stands(mei) == (0, 6_000, 0, 4_000)
    totals = till.reconciled()["totals_minor"]
    assert (totals["paid_out"], totals["fee"]) == (3_960, 40)
    assert till.balances()


def late(till: Till) -> set[str]:
    return {row["withdrawal_id"] for row in till.shop.all("/v1/withdrawals?late=true")}


def notices_wake_the_query(till: Till, withdrawal_id: str) -> None:
    """What isn't signed, or wasn't just now, is refused; what is has the channel asked, wherever the clock stands."""
    asked = till.shown(withdrawal_id)
    path = "/v1/payouts/notices/pretend"
    body = json.dumps({"program_id": till.shop.program_id, "reference": asked["attempts"][0]["reference"]}).encode()
    secret = done(till.api.get(f"{path}/secret", key=till.keys.operator))["secret"]

    def told(said: bytes = body, with_secret: str = secret, age_seconds: int = 0) -> Answer:
        timestamp = str(int(time.time()) - age_seconds)
        signature = hmac.new(with_secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
        return till.api.post(path, said, x_timestamp=timestamp, x_signature=signature)

    for bad in (told(with_secret="another"), told(age_seconds=301), told(age_seconds=-400), told(body + b" ")):
        assert (bad.status, bad.code) == (401, "unauthorized")
    assert till.api.post(path, body).status == 401
    assert till.status(withdrawal_id) == "unknown"
    assert told().status == 202
    until(lambda: till.status(withdrawal_id), lambda status: status == "paid")
    assert till.shown(withdrawal_id)["paid_at"] == "2026-03-05T02:00:30Z"
    assert "notice_secret.show" in {row["action"] for row in till.shop.all("/v1/audit")}


# The kill switch


def test_the_kill_switch_stops_requests_and_what_is_approved(cloud: Cloud) -> None:
    till = Till(cloud, paying())
    mei, *_ = till.fund(5_000, "mei")
    method = till.method(mei, "pretend", behaviour="accept")
    till.shop.move_clock(MORNING)
    asked = till.asked(mei, 1_000, method)
    till.switch(on=True)
    assert till.ask(mei, 1_000, method).code == "withdrawals_stopped"
    till.shop.move_clock(AFTER_TEN)
    assert (till.status(asked), till.stands(mei)) == ("approved", (0, 4_000, 1_000, 0))
    till.switch(on=False)
    till.shop.move_clock("2026-03-05T10:10:00+08:00")
    assert (till.status(asked), till.stands(mei)) == ("paid", (0, 4_000, 0, 1_000))
    assert till.balances()


def test_the_tick_tells_of_what_is_late_in_a_live_program(cloud: Cloud, make_shop: Callable[..., Shop]) -> None:
    """Nobody in a live program can have earned anything yet, so a withdrawal is carried over by hand."""
    till, live, tables = Till(cloud, paying()), make_shop(plan(), mode="live", now=None), Tables(cloud)
    mei, *_ = till.fund(5_000, "mei")
    method = till.method(mei, "pretend", behaviour="accept")
    till.shop.move_clock(MORNING)
    till.asked(mei, 1_000, method)
    (item,) = tables.items("withdrawals", till.shop.program_id)
    carried = {"pk": {"S": live.program_id}, "due_in": {"S": f"{live.program_id}#manual"}}
    tables.put("withdrawals", item | carried)

    def told() -> list[dict[str, Any]]:
        tick_now(Stage(cloud.stage.stage, cloud.stage.endpoint))
        return [line for line in logged(cloud, "tick") if line.get("WithdrawalsLate")]

    (line,) = until(told, bool)[:1]
    assert (line["program_id"], line["WithdrawalsLate"]) == (live.program_id, 1)


# What is refused, and what people decide, where no clock moves


@pytest.fixture(scope="module")
def till(cloud: Cloud) -> Till:
    """A shop where 10 to 500 yuan may be withdrawn, twice a day, at a fee of 10, to methods of an hour's age.

    More than 100 is looked at before.
    """
    limits = {"min_minor": 1_000, "max_minor": 50_000, "per_day": 2, "review_above_minor": 10_000}
    return Till(cloud, paying(fee_minor=1_000, method_age_hours=1, **limits))


@pytest.fixture(scope="module")
def rich(till: Till) -> Rich:
    """For each test somebody with 500 yuan."""
    names = ("mei", "li", "wu", "han", "zhou", "tang")
    sellers = till.fund(50_000, *names)
    methods = [till.method(each, "pretend", behaviour="accept") for each in sellers]
    till.shop.move_clock(MORNING)
    return dict(zip(names, zip(sellers, methods, strict=True), strict=True))


def said(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


def test_what_cannot_be_asked_for_is_refused_with_its_code(till: Till, rich: Rich) -> None:
    (mei, method), (_, others) = rich["mei"], rich["li"]
    assert said(till.ask(mei, 2_000, method, idempotency_key="")) == (400, "idempotency_key_needed")
    assert said(till.ask({"distributor_id": "dst_nobody"}, 2_000, method)) == (422, "unknown_distributor")
    for unknown in ("pmt_none", others):
        assert said(till.ask(mei, 2_000, unknown)) == (422, "unknown_method")
    for amount in (999, 1_000, 50_001):
        answer = till.ask(mei, amount, method)
        assert said(answer) == (422, "amount_out_of_range"), amount
        assert answer.errors == {("/amount_minor", "amount_out_of_range")}
    new = till.method(mei, "pretend", behaviour="delay")
    assert said(till.ask(mei, 2_000, new)) == (409, "method_too_new")
    poor = till.shop.distributor("poor")
    till.shop.stands(poor, "suspend")
    assert said(till.ask(poor, 2_000, method)) == (409, "distributor_not_approved")
    assert till.stands(mei) == (0, 50_000, 0, 0), "nothing of it was held"


def test_a_channel_that_pays_nothing_yet_is_refused(cloud: Cloud) -> None:
    till = Till(cloud, paying())
    mei = till.shop.distributor("mei")
    methods = till.method(mei, "wechat", openid="o-123456"), till.method(mei, "bank", **CARD)
    assert said(till.ask(mei, 1_000, methods[0])) == (422, "channel_not_available")
    assert said(till.ask(mei, 1_000, methods[1])) == (409, "insufficient_balance")
    till.shop.publish(paying(channels={"pretend": SLA}), NOW)
    assert said(till.ask(mei, 1_000, methods[1])) == (422, "unknown_channel")


def test_a_key_asks_once_and_a_day_has_its_limit(till: Till, rich: Rich) -> None:
    """What is cancelled or rejected doesn't count."""
    mei, method = rich["wu"]
    first = till.ask(mei, 2_000, method, idempotency_key="once")
    again = till.ask(mei, 2_000, method, idempotency_key="once")
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    assert said(till.ask(mei, 2_001, method, idempotency_key="once")) == (409, "exists_with_different_content")
    second = till.asked(mei, 20_000, method)
    assert said(till.ask(mei, 2_000, method)) == (409, "too_many_withdrawals")
    done(till.do("cancel", second))
    done(till.do("reject", till.asked(mei, 20_000, method), key=till.keys.second, reason="unlikely"))
    till.asked(mei, 3_000, method)
    assert said(till.ask(mei, 2_000, method)) == (409, "too_many_withdrawals")
    assert till.stands(mei) == (0, 45_000, 5_000, 0)


def test_above_the_limit_another_person_decides(till: Till, rich: Rich) -> None:
    han, method = rich["han"]
    wanted, unwanted = (till.asked(han, amount, method) for amount in (10_001, 20_000))
    assert {till.status(one) for one in (wanted, unwanted)} == {"requested"}
    assert {row["withdrawal_id"] for row in till.shop.all("/v1/withdrawals?status=requested")} >= {wanted, unwanted}
    for action in ("approve", "reject"):
        assert said(till.do(action, wanted, reason="it is mine")) == (409, "same_actor")
    approved = done(till.do("approve", wanted, key=till.keys.second))
    assert (approved["status"], approved["promised_by"]) == ("approved", "2026-03-05T18:30:00Z")
    assert till.do("reject", unwanted, key=till.keys.second).status == 422, "for no reason"
    assert done(till.do("reject", unwanted, key=till.keys.second, reason="unlikely"))["reason"] == "unlikely"
    assert till.stands(han) == (0, 39_999, 10_001, 0)
    for action in ("approve", "reject", "retry", "resolve"):
        says = {"outcome": "paid"} if action == "resolve" else {}
        refused = till.do(action, wanted, key=till.keys.second, reason="no", **says)
        assert said(refused) == (409, "wrong_status"), action
    decided = [(row["actor"], row["action"]) for row in till.shop.all("/v1/audit") if row["subject"] == wanted]
    assert decided == [("zhao", "withdrawal.approve"), ("wang", "withdrawal.request")]


def test_a_distributor_asks_for_its_own_and_sees_no_other(till: Till, rich: Rich) -> None:
    (zhou, method), (tang, others) = rich["zhou"], rich["tang"]
    own, other = till.session(zhou), till.session(tang)
    mine = done(till.ask(zhou, 10_001, method, key=own), 201)
    assert (mine["status"], "history" in mine) == ("requested", False)
    theirs = done(till.ask(tang, 2_000, others, key=other), 201)
    assert till.ask(tang, 2_000, others, key=own).status == 404
    for path in (f"/v1/withdrawals/{theirs['withdrawal_id']}", f"/v1/withdrawals?distributor_id={pick(tang)}"):
        assert till.api.get(path, key=own).status == 404
    assert till.do("cancel", theirs["withdrawal_id"], key=own).status == 404
    assert said(till.do("approve", mine["withdrawal_id"], key=own)) == (403, "forbidden")
    assert [each["withdrawal_id"] for each in till.api.get("/v1/withdrawals", key=own).json["data"]] == [
        mine["withdrawal_id"]
    ]
    done(till.do("approve", mine["withdrawal_id"]))
    assert done(till.do("cancel", mine["withdrawal_id"], key=own))["status"] == "cancelled"
    assert said(till.do("cancel", mine["withdrawal_id"], key=own)) == (409, "wrong_status")
    assert till.stands(zhou) == (0, 50_000, 0, 0)


def test_another_programs_money_is_not_there(till: Till, rich: Rich, shop: Shop) -> None:
    mei, method = rich["mei"]
    asked, adjustment = till.asked(mei, 20_000, method), done(till.adjust(mei, 5), 201)["adjustment_id"]
    stranger = shop.keys.operator
    for path in (
        f"/v1/distributors/{pick(mei)}/balance",
        f"/v1/exports/statement.csv?distributor_id={pick(mei)}",
        f"/v1/withdrawals/{asked}",
        f"/v1/withdrawals?distributor_id={pick(mei)}",
    ):
        assert till.api.get(path, key=till.keys.operator).status == 200
        assert till.api.get(path, key=stranger).status == 404, path
    assert till.ask(mei, 2_000, method, key=stranger).code == "unknown_distributor"
    for action in ("approve", "cancel", "retry"):
        assert till.do(action, asked, key=stranger).status == 404, action
    assert till.api.post(f"/v1/adjustments/{adjustment}/approve", {}, key=stranger).status == 404
    assert till.api.delete(f"/v1/payout-methods/{method}", key=stranger).status == 404
    for path in ("/v1/withdrawals", "/v1/adjustments", "/v1/payouts/batches"):
        assert shop.api.get(path, key=stranger).json["data"] == [], path
    assert till.status(asked) == "requested"


def test_of_two_at_once_for_the_last_yuan_one_wins(till: Till, rich: Rich) -> None:
    li, method = rich["li"]

    def ask(key: str) -> Answer:
        return till.ask(li, 50_000, method, idempotency_key=key)

    with ThreadPoolExecutor(2) as threads:
        # First an instance of the function for each, so that they meet at the account.
        list(threads.map(lambda _: till.shop.get("/v1/program"), range(2)))
        first, second = sorted(threads.map(ask, ("one", "two")), key=lambda answer: answer.status)
    assert first.status == 201
    assert said(second) == (409, "insufficient_balance")
    assert till.stands(li) == (0, 0, 50_000, 0)
    assert till.balances()
