"""What people decide about a withdrawal: approve, reject, cancel, retry, resolve; who may, and from where."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.access.model import Caller, Scope
from chalicelib.shared.errors import Conflict
from chalicelib.withdrawals import rules, service
from chalicelib.withdrawals.model import Queue, Status
from tests.support_race import meanwhile
from tests.withdrawals.teller import TEN, WANG, Teller

ACTIONS: dict[str, dict[str, Any]] = {
    "approve": {},
    "reject": {"reason": "r"},
    "cancel": {},
    "retry": {},
    "resolve": {"outcome": "paid", "reason": "r"},
}


@pytest.fixture
def strict(make_teller: Callable[..., Teller]) -> Teller:
    """Everything is looked at by an operator."""
    return make_teller(review_above_minor=0)


def audit(teller: Teller) -> list[tuple[str, str, str, str | None]]:
    rows = teller.market.walk("/v1/audit", limit=100)
    return [(r["action"], r["actor"], r["subject"], r["reason"]) for r in rows if "withdrawal" in r["action"]]


def test_an_operator_approves_and_it_goes_out_with_the_next_release(strict: Teller) -> None:
    asked = strict.asked()
    strict.go_to(TEN - timedelta(hours=1))
    answer = strict.do("approve", asked, reason="known").json
    assert (answer["status"], answer["approved_at"]) == ("approved", "2026-03-05T01:00:00Z")
    assert answer["promised_by"] == "2026-03-06T01:00:00Z"  # it counts from approval
    assert audit(strict)[0] == ("withdrawal.approve", "wang", asked, "known")
    strict.go_to(TEN)
    assert strict.status(asked) is Status.PAID
    strict.check()


def test_who_asked_for_it_does_not_approve_reject_or_resolve_it(strict: Teller) -> None:
    asked = strict.asked(key=strict.shop.operator)
    assert strict.shown(asked)["requested_by"] == "wang"
    assert strict.do("approve", asked, expect=409).code == "same_actor"
    assert strict.do("reject", asked, reason="r", expect=409).code == "same_actor"
    assert strict.do("resolve", asked, outcome="failed", reason="r", expect=409).code == "same_actor"
    assert strict.do("approve", asked, strict.shop.second).json["history"][-1]["actor"] == "zhao"


def test_who_asked_for_it_may_call_it_off(strict: Teller) -> None:
    asked = strict.asked(key=strict.shop.operator)
    assert strict.do("cancel", asked).json["status"] == "cancelled"


def test_a_rejected_one_gives_the_money_back_and_says_why(strict: Teller) -> None:
    asked = strict.asked(40_000)
    assert strict.stands() == (60_000, 40_000, 0, 0)
    answer = strict.do("reject", asked, reason="not you").json
    assert (answer["status"], answer["reason"]) == ("rejected", "not you")
    assert strict.stands() == (100_000, 0, 0, 0)
    assert audit(strict)[0] == ("withdrawal.reject", "wang", asked, "not you")
    strict.check()


def test_rejecting_and_resolving_need_a_reason(strict: Teller) -> None:
    asked = strict.asked()
    for action, says in (("reject", {}), ("resolve", {"outcome": "paid"}), ("resolve", {"reason": "r"})):
        assert strict.do(action, asked, expect=422, **says).code == "invalid_request"
    assert strict.do("resolve", asked, expect=422, outcome="returned", reason="r").code == "invalid_request"


@pytest.mark.parametrize("approved", [False, True])
def test_before_it_is_sent_it_can_be_called_off(strict: Teller, approved: bool) -> None:
    asked = strict.asked()
    if approved:
        strict.do("approve", asked)
    strict.do("cancel", asked, strict.market.session("seller"))
    assert strict.stands() == (100_000, 0, 0, 0)
    strict.release()
    assert strict.status(asked) is Status.CANCELLED
    strict.check()


def test_one_that_waits_to_be_tried_again_can_be_called_off_too(teller: Teller) -> None:
    asked = teller.asked(behaviour="fail")
    teller.release()
    teller.do("retry", asked)
    assert teller.status(asked) is Status.QUEUED
    teller.do("cancel", asked)
    assert teller.stands() == (100_000, 0, 0, 0)
    assert [attempt["status"] for attempt in teller.shown(asked)["attempts"]] == ["failed"]
    teller.check()


def test_what_is_sent_can_not_be_called_off(teller: Teller) -> None:
    asked = teller.asked(behaviour="bank")
    teller.release()
    answer = teller.do("cancel", asked, expect=409)
    assert (answer.code, answer.json["detail"]) == ("wrong_status", "Can't cancel a withdrawal that is processing.")


@pytest.mark.parametrize(
    ("behaviour", "status", "allowed"),
    [
        ("accept", "paid", set()),
        ("fail", "failed", {"retry"}),
        ("bank", "processing", set()),
        ("delay", "processing", set()),
    ],
)
def test_from_other_statuses_nothing_is_decided(teller: Teller, behaviour: str, status: str, allowed: set[str]) -> None:
    asked = teller.asked(behaviour=behaviour)
    teller.release()
    assert teller.status(asked) == status
    for action in ACTIONS.keys() - allowed:
        assert teller.do(action, asked, expect=409, **ACTIONS[action]).code == "wrong_status", action
    assert teller.status(asked) == status
    teller.check()


def test_two_who_approve_and_cancel_at_once(strict: Teller) -> None:
    asked = strict.asked()
    with meanwhile(1, lambda: strict.do("cancel", asked), only="withdrawals"):
        assert strict.do("approve", asked, strict.shop.second, expect=409).code == "wrong_status"
    assert strict.stands() == (100_000, 0, 0, 0)
    strict.check()


def test_what_a_key_has_decided_is_decided_once(strict: Teller) -> None:
    asked = strict.asked()
    path = f"/v1/withdrawals/{asked}/approve"
    for _ in range(2):
        answer = strict.api.post(path, {}, key=strict.shop.operator, idempotency_key="k")
        assert (answer.status, answer.json["status"]) == (200, "approved")
    assert len([row for row in audit(strict) if row[0] == "withdrawal.approve"]) == 1
    other = strict.api.post(path, {"reason": "r"}, key=strict.shop.operator, idempotency_key="k")
    assert (other.status, other.code) == (409, "exists_with_different_content")


# Trying again


def test_invariant_26_only_what_failed_is_tried_again_under_a_new_reference_with_the_next_release(
    teller: Teller,
) -> None:
    asked = teller.asked(behaviour="fail")
    teller.release()
    assert teller.stands() == (100_000, 0, 0, 0)
    answer = teller.do("retry", asked, reason="once more").json
    assert answer["status"] == "queued"
    assert teller.stands() == (90_000, 10_000, 0, 0)
    assert audit(teller)[0] == ("withdrawal.retry", "wang", asked, "once more")
    due = teller.get(asked).due
    assert due is not None
    assert (due.queue, due.at) == (Queue.RELEASE, TEN + timedelta(days=1))
    teller.release()
    shown = teller.shown(asked)
    assert [(a["n"], a["status"], a["reference"][-2:]) for a in shown["attempts"]] == [
        (1, "failed", "01"),
        (2, "failed", "02"),
    ]
    assert teller.stands() == (100_000, 0, 0, 0)
    teller.check()


def test_without_the_money_it_is_not_tried_again(teller: Teller) -> None:
    asked = teller.asked(60_000, "fail")
    teller.release()
    teller.asked(60_000)
    assert teller.do("retry", asked, expect=409).code == "insufficient_balance"
    assert teller.status(asked) is Status.FAILED
    teller.check()


def test_it_is_tried_only_so_often(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ATTEMPTS_MAX", 3)
    asked = teller.asked(behaviour="fail")
    for _ in range(2):
        teller.release()
        teller.do("retry", asked)
    teller.release()
    assert teller.do("retry", asked, expect=409).code == "too_many_changes"
    assert len(teller.get(asked).attempts) == 3
    teller.check()


# By hand


def given_up(teller: Teller) -> str:
    """One in a bank's file of which nobody told anything for 30 days."""
    asked = teller.asked(behaviour="bank")
    teller.release()
    teller.go_to(TEN + timedelta(days=30, hours=-1))
    assert teller.status(asked) is Status.PROCESSING
    teller.go_to(TEN + timedelta(days=30))
    assert teller.status(asked) is Status.MANUAL
    return asked


@pytest.mark.parametrize(("outcome", "stands"), [("paid", (90_000, 0, 9_950, 50)), ("failed", (100_000, 0, 0, 0))])
def test_what_can_not_be_asked_any_more_an_operator_resolves(
    make_teller: Callable[..., Teller], outcome: str, stands: tuple[int, ...]
) -> None:
    teller = make_teller(fee_minor=50)
    asked = given_up(teller)
    assert teller.stands() == (90_000, 10_000, 0, 0)
    assert teller.shown(asked)["late"]
    answer = teller.do("resolve", asked, outcome=outcome, reason="called the bank").json
    assert (answer["status"], answer["attempts"][-1]["status"]) == (outcome, outcome)
    assert audit(teller)[0] == (f"withdrawal.resolve.{outcome}", "wang", asked, "called the bank")
    assert teller.stands() == stands
    teller.check()


def test_a_file_that_comes_after_all_resolves_it_too(teller: Teller) -> None:
    asked = given_up(teller)
    (batch,) = teller.batches()
    assert teller.told(batch["batch_id"], (teller.get(asked).attempt.reference, "paid")).json["applied"] == 1
    assert teller.status(asked) is Status.PAID
    teller.check()


def test_the_service_knows_who_is_who_without_http(strict: Teller) -> None:
    asked = strict.asked()
    seller = Caller(strict.market.id("seller"), Scope.DISTRIBUTOR, "shop-1", strict.market.id("seller"))
    with pytest.raises(Conflict):
        service.approve(seller, strict.program, asked, None, None)
    assert service.approve(WANG, strict.program, asked, None, None).status is Status.APPROVED
