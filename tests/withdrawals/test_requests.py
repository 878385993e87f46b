"""Asking for a withdrawal over HTTP: who may, how much, how often, and each refusal."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from chalicelib.accounts import service as accounts
from chalicelib.programs import service as programs
from chalicelib.withdrawals.model import Status
from tests.support_clock import jump
from tests.support_faults import failing
from tests.support_market import START, Market, at
from tests.support_race import meanwhile
from tests.withdrawals.teller import TEN, WANG, Teller


def test_a_distributor_asks_and_the_money_is_held(teller: Teller) -> None:
    asked = teller.ask(40_000).json
    assert teller.stands() == (60_000, 40_000, 0, 0)
    assert asked == {
        "withdrawal_id": asked["withdrawal_id"],
        "distributor_id": teller.market.id("seller"),
        "amount_minor": 40_000,
        "fee_minor": None,
        "tax_minor": None,
        "net_minor": None,
        "currency": "CNY",
        "method_id": teller.method(),
        "channel": "pretend",
        "masked": "accept",
        "status": "approved",
        "requested_at": "2026-03-04T02:00:00Z",
        "requested_by": teller.market.id("seller"),
        "approved_at": "2026-03-04T02:00:00Z",
        "promised_by": "2026-03-05T02:00:00Z",
        "late": False,
        "paid_at": None,
        "reason": None,
        "attempts": [],
    }
    teller.check()


def test_up_to_the_limit_the_plan_approves_it_above_it_an_operator_has_to(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(review_above_minor=50_000)
    small = teller.asked(50_000)
    assert teller.shown(small)["history"][1] == {
        "status": "approved",
        "at": "2026-03-04T02:00:00Z",
        "actor": "plan",
        "reason": None,
    }
    teller.give(1)
    review = teller.asked(50_001)
    assert teller.status(review) is Status.REQUESTED
    teller.release()
    assert teller.status(review) is Status.REQUESTED
    teller.check()


# Repeats


def test_without_an_idempotency_key_nothing_is_asked_for(teller: Teller) -> None:
    body = {"distributor_id": teller.market.id("seller"), "amount_minor": 10_000, "method_id": teller.method()}
    answer = teller.api.post("/v1/withdrawals", body, key=teller.shop.operator)
    assert (answer.status, answer.code) == (400, "idempotency_key_needed")
    assert teller.stands() == (100_000, 0, 0, 0)


def test_the_same_key_again_is_the_same_withdrawal_as_it_is_now(teller: Teller) -> None:
    first = teller.ask(idempotency_key="k")
    again = teller.ask(idempotency_key="k", expect=200)
    assert again.json == first.json
    teller.go_to(TEN)
    later = teller.ask(idempotency_key="k", expect=200).json
    assert (later["withdrawal_id"], later["status"]) == (first.json["withdrawal_id"], "paid")
    teller.check()


def test_a_repeat_is_answered_whatever_has_changed_since(teller: Teller) -> None:
    asked = teller.asked(60_000, idempotency_key="k")
    teller.market.post(
        f"/v1/distributors/{teller.market.id('seller')}/suspend", {"reason": "r"}, 200, teller.shop.operator
    )
    assert teller.ask(60_000, idempotency_key="k", expect=200).json["withdrawal_id"] == asked
    assert teller.stands() == (40_000, 60_000, 0, 0)


@pytest.mark.parametrize(("amount_minor", "behaviour"), [(10_001, "accept"), (10_000, "fail")])
def test_the_same_key_for_something_else_is_a_conflict(teller: Teller, amount_minor: int, behaviour: str) -> None:
    teller.ask(idempotency_key="k")
    answer = teller.ask(amount_minor, behaviour, idempotency_key="k", expect=409)
    assert answer.code == "exists_with_different_content"


def test_a_key_is_an_actor_s_own(teller: Teller) -> None:
    first = teller.asked(idempotency_key="k")
    operators = teller.asked(idempotency_key="k", key=teller.shop.operator)
    seconds = teller.asked(idempotency_key="k", key=teller.shop.second)
    assert len({first, operators, seconds}) == 3


# Refusals


def test_more_than_is_available(teller: Teller) -> None:
    assert teller.ask(100_001, expect=409).code == "insufficient_balance"
    assert teller.ask(100_000).json["status"] == "approved"
    assert teller.ask(100, expect=409).code == "insufficient_balance"
    teller.check()


def test_invariant_19_with_a_balance_below_zero_nothing_is_withdrawn(teller: Teller) -> None:
    teller.give(-100_001)
    assert teller.balance().available_minor == -1
    assert teller.ask(100, expect=409).code == "insufficient_balance"
    teller.give(100)
    assert teller.ask(100, expect=409).code == "insufficient_balance"
    teller.give(1)
    assert teller.ask(100).status == 201
    teller.check()


@pytest.mark.parametrize(("amount", "fits"), [(999, False), (1_000, True), (20_000, True), (20_001, False)])
def test_an_amount_is_within_the_plans_limits(make_teller: Callable[..., Teller], amount: int, fits: bool) -> None:
    teller = make_teller(min_minor=1_000, max_minor=20_000)
    answer = teller.ask(amount, expect=None)
    assert answer.status == (201 if fits else 422)
    if not fits:
        assert answer.errors == {("/amount_minor", "amount_out_of_range")}


def test_an_amount_that_its_fee_would_eat_up(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(fee_minor=300)
    assert teller.ask(300, expect=422).code == "amount_out_of_range"
    assert teller.ask(301).status == 201


def test_what_is_below_zero_or_no_whole_number_is_refused_by_the_schema(teller: Teller) -> None:
    for amount in (-5, "10000", 10_000.0, True, None):
        body = {"distributor_id": teller.market.id("seller"), "amount_minor": amount, "method_id": teller.method()}
        answer = teller.api.post("/v1/withdrawals", body, key=teller.shop.operator, idempotency_key="k")
        assert (answer.status, answer.code) == (422, "invalid_request"), amount


def test_so_many_a_day_and_cancelled_ones_do_not_count(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(per_day=2, review_above_minor=5_000)
    first, _ = teller.asked(100), teller.asked(100)
    assert teller.ask(100, expect=409).code == "too_many_withdrawals"
    teller.do("cancel", first)
    review = teller.asked(5_001)
    assert teller.ask(100, expect=409).code == "too_many_withdrawals"
    teller.do("reject", review, reason="no")
    teller.asked(100)
    assert teller.ask(100, expect=409).code == "too_many_withdrawals"
    teller.check()


def test_a_day_is_the_programs_own(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(per_day=1)
    midnight = datetime.fromisoformat("2026-03-05T00:00:00+08:00")
    teller.asked(100)
    jump(teller.shop.program_id, midnight - timedelta(microseconds=1))
    assert teller.ask(100, expect=409).code == "too_many_withdrawals"
    jump(teller.shop.program_id, midnight)
    teller.asked(100)


def test_one_that_failed_and_is_tried_again_counts_on_the_day_it_was_asked_for(
    make_teller: Callable[..., Teller],
) -> None:
    teller = make_teller(per_day=1)
    failed = teller.asked(100, "fail")
    teller.release()
    assert teller.status(failed) is Status.FAILED
    teller.do("retry", failed)
    teller.asked(100)


@pytest.mark.parametrize("action", ["suspend", "close"])
def test_only_an_approved_distributor_withdraws(teller: Teller, action: str) -> None:
    path = f"/v1/distributors/{teller.market.id('seller')}/{action}"
    teller.method()
    teller.market.post(path, {"reason": "r"}, 200, teller.shop.operator)
    answer = teller.ask(key=teller.shop.operator, expect=409)
    assert answer.code == "distributor_not_approved"


def test_an_unknown_distributor(teller: Teller) -> None:
    answer = teller.ask(key=teller.shop.operator, distributor_id="dst_nobody", expect=422)
    assert answer.errors == {("/distributor_id", "unknown_distributor")}


def test_a_method_that_is_not_there_or_another_one_s_or_deleted(teller: Teller) -> None:
    others = teller.method("accept", "middle")
    for method_id in ("pmt_nothing", others):
        assert teller.ask(method_id=method_id, expect=422).errors == {("/method_id", "unknown_method")}
    own = teller.method("fail")
    assert teller.api.delete(f"/v1/payout-methods/{own}", key=teller.shop.operator).status == 204
    assert teller.ask(method_id=own, expect=422).code == "unknown_method"


def test_a_method_is_used_only_once_it_is_old_enough(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(method_age_hours=24)
    answer = teller.ask(expect=409)
    assert answer.code == "method_too_new"
    assert "2026-03-05T02:00:00Z" in answer.json["detail"]
    jump(teller.shop.program_id, START + timedelta(hours=24, seconds=-1))
    assert teller.ask(expect=409).code == "method_too_new"
    jump(teller.shop.program_id, START + timedelta(hours=24))
    assert teller.ask().status == 201


def test_a_channel_through_which_nothing_is_paid_yet(teller: Teller) -> None:
    assert teller.ask(behaviour="wechat", expect=422).code == "channel_not_available"


def test_a_channel_that_the_plan_has_no_more(teller: Teller) -> None:
    teller.method()
    plan = programs.plan_version(teller.shop.program_id, 1).document
    withdrawal = plan["withdrawal"]
    assert isinstance(withdrawal, dict)
    changed = {**plan, "withdrawal": {**withdrawal, "channels": {"bank": {"sla_hours": 24, "peak_sla_hours": 48}}}}
    body = {"plan": changed, "effective_at": at(minutes=1)}
    teller.market.post("/v1/program/plans", body, 201, teller.shop.operator)
    before = teller.asked(100)
    jump(teller.shop.program_id, START + timedelta(minutes=1))
    assert teller.ask(100, expect=422).code == "unknown_channel"
    teller.release()
    assert teller.status(before) is Status.PAID  # it goes by the plan under which it was asked for


def test_the_kill_switch(teller: Teller) -> None:
    program = teller.program
    programs.change(WANG, program, kill_switch=True)
    assert teller.ask(expect=409).code == "withdrawals_stopped"
    programs.change(WANG, program, kill_switch=False)
    assert teller.ask().status == 201


def test_the_kill_switch_turned_on_while_one_asks(teller: Teller) -> None:
    teller.method()
    session = teller.market.session("seller")
    program = teller.program
    with meanwhile(1, lambda: programs.change(WANG, program, kill_switch=True), only="withdrawals"):
        assert teller.ask(key=session, expect=409).code == "withdrawals_stopped"
    assert teller.stands() == (100_000, 0, 0, 0)


def test_a_paused_program_withdraws_all_the_same(teller: Teller) -> None:
    programs.change(WANG, teller.program, paused=True)
    assert teller.ask().status == 201


# Two at once


def test_invariant_32_two_concurrent_requests_for_the_last_yuan_one_wins(teller: Teller) -> None:
    teller.method()
    session = teller.market.session("seller")
    won: list[str] = []
    with meanwhile(1, lambda: won.append(teller.asked(100_000, key=session)), only="withdrawals"):
        assert teller.ask(100_000, key=session, expect=409).code == "insufficient_balance"
    assert len(won) == 1
    assert teller.stands() == (0, 100_000, 0, 0)
    assert len(list(teller.all())) == 1
    teller.check()


def test_invariant_31_the_daily_cap_holds_when_two_ask_at_once(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(per_day=1)
    teller.method()
    session = teller.market.session("seller")
    with meanwhile(1, lambda: teller.asked(100, key=session), only="withdrawals"):
        assert teller.ask(100, key=session, expect=409).code == "too_many_withdrawals"
    assert len(list(teller.all())) == 1


def test_two_at_once_with_one_key_are_one_withdrawal(teller: Teller) -> None:
    teller.method()
    session = teller.market.session("seller")
    with meanwhile(1, lambda: teller.ask(key=session, idempotency_key="k"), only="withdrawals"):
        teller.ask(key=session, idempotency_key="k", expect=200)
    assert len(list(teller.all())) == 1


def test_a_request_whose_answer_is_lost_is_made_once(teller: Teller) -> None:
    teller.method()
    session = teller.market.session("seller")
    with failing({1}, crash=False, answered=True, only="withdrawals"):
        teller.ask(key=session, idempotency_key="k", expect=200)
    assert len(list(teller.all())) == 1
    teller.check()


def test_invariant_18_the_balance_counts_each_of_its_changes(teller: Teller) -> None:
    def revision() -> int:
        return int(accounts.open_account(teller.program, teller.distributor()).item.revision)

    before = revision()
    asked = teller.asked()
    assert revision() == before + 1
    teller.do("cancel", asked)
    assert revision() == before + 2
    teller.ask(1_000_000, expect=409)
    assert revision() == before + 2


# Who sees what


def test_a_distributor_sees_and_cancels_only_its_own(teller: Teller) -> None:
    teller.give(50_000, "middle")
    own, others = teller.asked(), teller.asked(name="middle")
    session = teller.market.session("seller")
    assert "history" not in teller.shown(own, session)
    assert teller.api.get(f"/v1/withdrawals/{others}", key=session).status == 404
    assert teller.do("cancel", others, session, expect=404).code == "not_found"
    assert [row["withdrawal_id"] for row in teller.market.get("/v1/withdrawals", session)["data"]] == [own]
    path = f"/v1/withdrawals?distributor_id={teller.market.id('middle')}"
    assert teller.api.get(path, key=session).status == 404
    assert teller.ask(key=session, distributor_id=teller.market.id("middle"), expect=404).code == "not_found"
    assert teller.do("cancel", own, session).json["status"] == "cancelled"


@pytest.mark.parametrize("action", ["approve", "reject", "resolve", "retry"])
def test_a_distributor_decides_nothing(teller: Teller, action: str) -> None:
    asked = teller.asked()
    assert teller.do(action, asked, teller.market.session("seller"), expect=403).code == "forbidden"


def test_an_auditor_reads_and_asks_for_nothing(teller: Teller) -> None:
    asked = teller.asked()
    assert len(teller.shown(asked, teller.shop.auditor)["history"]) == 2
    assert teller.ask(key=teller.shop.auditor, expect=403).code == "forbidden"


def test_another_program_s_withdrawals_are_not_there(teller: Teller, make_market: Callable[..., Market]) -> None:
    asked = teller.asked()
    other = make_market("shop-2")
    assert other.api.get(f"/v1/withdrawals/{asked}", key=other.shop.operator).status == 404
    assert other.get("/v1/withdrawals")["data"] == []


def test_lists_are_newest_first_in_pages_and_by_status(teller: Teller) -> None:
    asked = [teller.asked(100 + i) for i in range(5)]
    teller.do("cancel", asked[2])
    for key in (teller.shop.operator, teller.market.session("seller")):
        rows = teller.market.walk("/v1/withdrawals", key, limit=2)
        assert [row["withdrawal_id"] for row in rows] == asked[::-1]
        rows = teller.market.walk("/v1/withdrawals?status=cancelled", key, limit=2)
        assert [row["withdrawal_id"] for row in rows] == [asked[2]]
    assert teller.api.get("/v1/withdrawals?status=nonsense", key=teller.shop.operator).status == 422
    cursor = teller.market.get("/v1/withdrawals?limit=1")["next_cursor"]
    other = teller.api.get(f"/v1/withdrawals?status=paid&limit=1&cursor={cursor}", key=teller.shop.operator)
    assert (other.status, other.code) == (422, "invalid_cursor")


def test_what_is_not_there(teller: Teller) -> None:
    for withdrawal_id in ("wdr_01M80XRK107R9ABD21XETFWFBC", "shop-1"):
        assert teller.api.get(f"/v1/withdrawals/{withdrawal_id}", key=teller.shop.operator).status == 404
        assert teller.do("cancel", withdrawal_id, expect=404).code == "not_found"


def test_late_ones_are_listed(teller: Teller) -> None:
    slow, quick = teller.asked(100, "bank"), teller.asked(100)
    teller.go_to(TEN)
    assert [teller.shown(each)["late"] for each in (slow, quick)] == [False, False]
    teller.go_to(TEN + timedelta(seconds=1))
    assert [teller.shown(each)["late"] for each in (slow, quick)] == [True, False]
    for key in (teller.shop.operator, teller.market.session("seller")):
        assert [row["withdrawal_id"] for row in teller.market.walk("/v1/withdrawals?late=true", key)] == [slow]
        assert [row["withdrawal_id"] for row in teller.market.walk("/v1/withdrawals?late=false", key)] == [quick]
