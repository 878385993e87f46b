"""From the release to where it ends: what channels say, what is never taken for a failure, and who stops what."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.payouts import service as payouts
from chalicelib.payouts.channels.pretend import book
from chalicelib.payouts.model import Answer, ContentChanged, Method, Payout, Result
from chalicelib.programs import service as programs
from chalicelib.shared import quarantine
from chalicelib.shared.keys import Unreadable
from chalicelib.withdrawals import jobs
from chalicelib.withdrawals.model import Queue, Status
from tests.support_clock import jump
from tests.support_faults import Crash, failing
from tests.support_meter import metered
from tests.support_race import meanwhile
from tests.withdrawals.provider import references, saying
from tests.withdrawals.teller import TEN, WANG, Teller

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)


def ways(teller: Teller, withdrawal_id: str) -> list[str]:
    return [step.status.value for step in teller.get(withdrawal_id).history]


# The pretend provider


@pytest.mark.parametrize(
    ("behaviour", "after_days", "way", "stands"),
    [
        ("accept", 0, "processing paid", (90_000, 0, 9_950, 50)),
        ("delay", 0, "processing", (90_000, 10_000, 0, 0)),
        ("delay", 1, "processing paid", (90_000, 0, 9_950, 50)),
        ("lose_request", 0, "unknown processing paid", (90_000, 0, 9_950, 50)),
        ("lose_answer", 0, "unknown paid", (90_000, 0, 9_950, 50)),
        ("fail", 0, "processing failed", (100_000, 0, 0, 0)),
        ("return", 0, "processing paid", (90_000, 0, 9_950, 50)),
        ("return", 1, "processing paid returned", (100_000, 0, 0, 0)),
    ],
)
def test_each_behaviour_of_the_provider(
    make_teller: Callable[..., Teller], behaviour: str, after_days: int, way: str, stands: tuple[int, ...]
) -> None:
    teller = make_teller(fee_minor=50)
    asked = teller.asked(behaviour=behaviour)
    teller.go_to(TEN - timedelta(seconds=1))
    assert teller.status(asked) is Status.APPROVED
    teller.go_to(TEN + after_days * DAY + 5 * MINUTE)
    assert ways(teller, asked) == f"requested approved queued submitting {way}".split()
    assert teller.stands() == stands
    teller.check()


def test_invariants_23_and_24_the_provider_pays_the_net_amount_once_or_nothing(
    make_teller: Callable[..., Teller],
) -> None:
    teller = make_teller(fee_minor=50)
    asked = {b: teller.asked(1_000, b) for b in ("accept", "lose_request", "lose_answer", "fail", "return", "delay")}
    teller.go_to(TEN + 3 * DAY)
    paid = {line.reference: line.amount_minor for line in book("shop-1") if line.behaviour != "fail"}
    for behaviour, withdrawal_id in asked.items():
        of_it = [amount for name, amount in paid.items() if name in references_of(teller, withdrawal_id)]
        assert of_it == ([] if behaviour == "fail" else [950]), behaviour
    teller.check()


def test_invariant_17_what_is_held_is_what_is_open_at_each_instant(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(fee_minor=50)
    asked = [teller.asked(1_000 + i, b) for i, b in enumerate(("accept", "delay", "lose_answer", "fail", "bank"))]
    instants = [TEN - MINUTE, TEN, TEN + MINUTE, TEN + DAY, TEN + 30 * DAY]
    held = []
    for instant in instants:
        teller.go_to(instant)
        held.append(teller.balance().held_minor)
        assert held[-1] == sum(w.amount_minor for w in jobs.open_withdrawals(teller.program))
        teller.check()
    assert held == [5_010, 1_001 + 1_002 + 1_004, 1_001 + 1_004, 1_004, 1_004]
    assert teller.status(asked[-1]) is Status.MANUAL


@pytest.mark.parametrize("answered", [False, True])
def test_invariant_25_before_any_call_the_attempt_is_written_down(teller: Teller, answered: bool) -> None:
    """The provider looks at each call whether it is; and a worker who dies at that write has called nobody."""
    asked = teller.asked()
    jump("shop-1", TEN)
    with saying(Result.ACCEPTED) as provider:
        with pytest.raises(Crash), failing({1}, answered=answered, only="withdrawals"):
            teller.work()
        assert provider.calls == []
        assert teller.status(asked) is (Status.SUBMITTING if answered else Status.APPROVED)
        teller.work()
        assert references(provider.calls) == references_of(teller, asked)


def references_of(teller: Teller, withdrawal_id: str) -> set[str]:
    return {attempt.reference for attempt in teller.get(withdrawal_id).attempts}


def test_the_fee_is_frozen_when_it_is_released_by_the_plan_it_was_asked_under(
    make_teller: Callable[..., Teller],
) -> None:
    teller = make_teller(fee_bp=60, fee_minor=25)
    asked = teller.asked(9_999, "bank")
    plan: Any = programs.plan_version("shop-1", 1).document
    dearer = {**plan, "withdrawal": {**plan["withdrawal"], "fee_bp": 9_000}}
    body = {"plan": dearer, "effective_at": "2026-03-04T10:01:00+08:00"}
    teller.market.post("/v1/program/plans", body, 201, teller.shop.operator)
    assert teller.shown(asked)["fee_minor"] is None
    teller.release()
    shown = teller.shown(asked)
    assert (shown["fee_minor"], shown["tax_minor"], shown["net_minor"]) == (84, 0, 9_915)
    assert b",99.15,CNY" in next(iter(teller.files().values()))


# What is not known


def test_a_time_out_is_never_a_failure_and_asks_under_the_same_reference(teller: Teller) -> None:
    asked = teller.asked()
    with saying(None) as provider:
        teller.go_to(TEN + timedelta(hours=10))
        assert teller.status(asked) is Status.UNKNOWN
        assert provider.asked[:3] == ["submit", "query", "query"]
        assert len(references(provider.calls)) == 1
        assert teller.stands() == (90_000, 10_000, 0, 0)
    with saying(Result.PAID):
        teller.go_to(TEN + timedelta(hours=11))
    assert ways(teller, asked)[3:] == ["submitting", "unknown", "paid"]
    teller.check()


def test_not_found_is_not_failed_the_same_is_told_again(teller: Teller) -> None:
    asked = teller.asked()
    with saying(None, Result.NOT_FOUND, None, Result.NOT_FOUND, Result.ACCEPTED, Result.PAID) as provider:
        teller.go_to(TEN + timedelta(hours=2))
    assert provider.asked == ["submit", "query", "submit", "query", "submit", "query"]
    assert len(set(provider.calls)) == 2  # one submit and one query, always of the same reference and amount
    assert ways(teller, asked)[3:] == ["submitting", "unknown", "processing", "paid"]
    teller.check()


def test_what_is_processing_and_not_found_is_asked_about_and_not_told_again(teller: Teller) -> None:
    asked = teller.asked()
    with saying(Result.ACCEPTED, Result.NOT_FOUND) as provider:
        teller.go_to(TEN + timedelta(hours=5))
    assert set(provider.asked[1:]) == {"query"}
    assert teller.status(asked) is Status.PROCESSING
    teller.check()


def test_looks_come_after_1_5_15_60_minutes_and_then_hourly(teller: Teller) -> None:
    teller.asked()
    with saying(Result.ACCEPTED) as provider:
        seen = []
        for minutes in (0, 1, 2, 5, 6, 7, 20, 21, 22, 80, 81, 82, 140, 141, 142):
            jump("shop-1", TEN + minutes * MINUTE)
            before = len(provider.calls)
            teller.work()
            seen += [minutes] if len(provider.calls) > before else []
    assert seen == [0, 1, 6, 21, 81, 141]


def test_a_look_that_finds_nothing_new_costs_three_write_units(teller: Teller) -> None:
    teller.asked()
    with saying(Result.ACCEPTED):
        teller.go_to(TEN + MINUTE)
        jump("shop-1", TEN + 6 * MINUTE)
        with metered() as meter:
            teller.work()
    assert [meter.of("withdrawals"), meter.units] == [3, 3]


@pytest.mark.parametrize("first", [None, Result.ACCEPTED])
def test_past_the_window_a_person_finds_out(teller: Teller, first: Result | None) -> None:
    asked = teller.asked()
    with saying(first, Result.UNKNOWN, window=timedelta(hours=3)) as provider:
        teller.go_to(TEN + timedelta(hours=3) - MINUTE)
        assert not teller.get(asked).status.terminal
        assert teller.status(asked) is not Status.MANUAL
        teller.go_to(TEN + timedelta(hours=5))
        calls = len(provider.calls)
        teller.go_to(TEN + timedelta(hours=20))
        assert len(provider.calls) == calls
    assert teller.status(asked) is Status.MANUAL
    assert teller.stands() == (90_000, 10_000, 0, 0)
    assert [each.withdrawal_id for each in jobs.open_withdrawals(teller.program)] == [asked]
    teller.check()


def test_one_who_died_in_the_call_and_is_found_after_the_window_leaves_it_to_a_person(teller: Teller) -> None:
    asked = teller.asked()
    jump("shop-1", TEN)
    with saying(Result.ACCEPTED, window=timedelta(hours=3)):
        with pytest.raises(ZeroDivisionError), pytest.MonkeyPatch.context() as patch:
            patch.setattr(jobs, "take", lambda *_: 1 // 0)
            teller.work()
        jump("shop-1", TEN + timedelta(hours=3))
        teller.work()
    assert ways(teller, asked)[3:] == ["submitting", "unknown", "manual"]
    teller.check()


def test_waiting_for_the_payee(teller: Teller) -> None:
    asked = [teller.asked(1_000) for _ in range(4)]
    with saying(Result.WAITING_PAYEE) as provider:
        teller.go_to(TEN + MINUTE)
        assert {teller.status(each) for each in asked} == {Status.WAITING_PAYEE}
        assert teller.do("cancel", asked[0], expect=409).code == "wrong_status"
        provider.says = [Result.PAID, Result.EXPIRED, Result.CANCELLED, Result.FAILED, Result.FAILED]
        teller.go_to(TEN + 10 * MINUTE)
    assert [teller.status(each).value for each in asked] == ["paid", "expired", "cancelled", "failed"]
    assert teller.stands() == (99_000, 0, 1_000, 0)
    teller.check()


@pytest.mark.parametrize(("said", "end"), [(Result.PAID, "paid"), (Result.FAILED, "failed")])
def test_an_answer_that_is_final_at_once(teller: Teller, said: Result, end: str) -> None:
    asked = teller.asked()
    with saying(said) as provider:
        teller.go_to(TEN + DAY)
        assert provider.asked == ["submit"]
    assert ways(teller, asked)[3:] == ["submitting", "processing", end]
    teller.check()


@pytest.mark.parametrize("late", [Result.FAILED, Result.RETURNED])
def test_what_was_paid_may_come_back(make_teller: Callable[..., Teller], late: Result) -> None:
    teller = make_teller(fee_minor=50)
    asked = teller.asked()
    soon = Answer(Result.PAID, "paid", timedelta(hours=6))
    with saying(Result.ACCEPTED, soon, None, late):
        teller.go_to(TEN + timedelta(hours=5))
        assert (teller.status(asked), teller.stands()) == (Status.PAID, (90_000, 0, 9_950, 50))
        assert list(jobs.open_withdrawals(teller.program)) == []  # it is looked at, and nothing of it is open
        due = teller.get(asked).due
        assert due is not None
        assert due.queue is Queue.LOOK
        teller.go_to(TEN + DAY)
    assert (teller.status(asked), teller.stands()) == (Status.RETURNED, (100_000, 0, 0, 0))
    assert teller.get(asked).paid_at is not None
    teller.check()


def test_what_stays_paid_is_not_asked_about_for_ever(teller: Teller) -> None:
    asked = teller.asked()
    with saying(Result.ACCEPTED, Answer(Result.PAID, "paid", timedelta(hours=6)), Result.PAID) as provider:
        teller.go_to(TEN + 2 * DAY)
        assert len(provider.calls) == 3
    assert teller.get(asked).due is None
    assert jobs.next_due(teller.program) is None


def test_what_is_paid_and_its_provider_falls_silent_is_given_up_after_the_window(teller: Teller) -> None:
    asked = teller.asked()
    soon = Answer(Result.PAID, "paid", timedelta(hours=1))
    with saying(Result.ACCEPTED, soon, None, window=timedelta(hours=5)):
        teller.go_to(TEN + DAY)
    assert (teller.status(asked), teller.get(asked).due) == (Status.PAID, None)


# Evidence


def test_what_was_answered_is_kept_with_its_hash(teller: Teller) -> None:
    asked = teller.asked(behaviour="lose_answer")
    teller.release()
    kept = teller.get(asked).attempt.evidence
    assert [(each.what, each.text) for each in kept] == [
        ("submit: unknown", "no answer"),
        ("query: paid", "pretend: paid"),
    ]
    assert len({each.sha256 for each in kept}) == 2


# Whoever is woken


def test_a_notice_wakes_a_look_and_the_query_decides(teller: Teller) -> None:
    asked = teller.asked()
    with saying(Result.ACCEPTED) as provider:
        teller.go_to(TEN)
        reference = teller.get(asked).attempt.reference
        jobs.look(teller.program, reference)
        assert (provider.asked, teller.status(asked)) == (["submit", "query"], Status.PROCESSING)
        provider.says = [Result.PAID]
        jobs.look(teller.program, reference)
        assert teller.status(asked) is Status.PAID
        jobs.look(teller.program, reference)  # of one that is paid: it may have come back
        provider.says = [Result.FAILED]
        jobs.look(teller.program, reference)
    assert teller.status(asked) is Status.RETURNED
    teller.check()


def test_a_notice_of_what_is_nobodys_or_over_or_in_a_file_does_nothing(teller: Teller) -> None:
    failed, filed, waiting = teller.asked(behaviour="fail"), teller.asked(behaviour="bank"), teller.asked()
    teller.do("cancel", waiting)
    teller.release()
    teller.do("retry", failed)
    with metered() as meter, saying(Result.PAID) as provider:
        for reference in (
            "T1",
            "T" + waiting[4:] + "01",
            *references_of(teller, failed),
            *references_of(teller, filed),
        ):
            jobs.look(teller.program, reference)
        assert provider.calls == []
    assert meter.writes == []
    teller.check()


# Who stops what


def test_the_kill_switch_holds_back_what_is_not_sent_and_looks_go_on(teller: Teller) -> None:
    under_way = teller.asked(1_000, "delay")
    teller.go_to(TEN)
    waiting = teller.asked(1_000)
    programs.change(WANG, teller.program, kill_switch=True)
    teller.go_to(TEN + 3 * DAY)
    assert (teller.status(waiting), teller.status(under_way)) == (Status.APPROVED, Status.PAID)
    assert jobs.next_due(teller.program) is None
    programs.change(WANG, teller.program, kill_switch=False)
    teller.go_to(TEN + 3 * DAY)
    assert teller.status(waiting) is Status.PAID
    teller.check()


def test_turned_on_during_a_release_nothing_more_is_claimed(teller: Teller) -> None:
    asked = [teller.asked(1_000) for _ in range(3)]
    jump("shop-1", TEN)
    program = teller.program
    with meanwhile(3, lambda: programs.change(WANG, program, kill_switch=True), only="withdrawals"):
        teller.work()
    # Claim, answer of the first; the second was about to be claimed.
    assert [teller.status(each) for each in asked] == [Status.PAID, Status.APPROVED, Status.APPROVED]
    teller.check()


def test_a_lost_one_is_not_told_again_while_the_kill_switch_is_on(teller: Teller) -> None:
    asked = teller.asked(behaviour="lose_request")
    teller.go_to(TEN)
    programs.change(WANG, teller.program, kill_switch=True)
    teller.go_to(TEN + timedelta(hours=5))
    assert teller.status(asked) is Status.UNKNOWN
    assert list(book("shop-1")) == []
    programs.change(WANG, teller.program, kill_switch=False)
    teller.go_to(TEN + timedelta(hours=6))
    assert teller.status(asked) is Status.PAID
    teller.check()


@pytest.mark.parametrize("behaviour", ["accept", "bank"])
def test_a_suspended_distributor_s_stay_approved_and_are_looked_at_the_next_day(teller: Teller, behaviour: str) -> None:
    asked = teller.asked(behaviour=behaviour)
    path = f"/v1/distributors/{teller.market.id('seller')}"
    teller.market.post(f"{path}/suspend", {"reason": "r"}, 200, teller.shop.operator)
    teller.go_to(TEN + MINUTE)
    assert (teller.status(asked), jobs.next_due(teller.program)) == (Status.APPROVED, TEN + DAY)
    teller.market.post(f"{path}/reinstate", {"reason": "r"}, 200, teller.shop.operator)
    teller.go_to(TEN + DAY)
    assert teller.status(asked) is (Status.PAID if behaviour == "accept" else Status.PROCESSING)
    teller.check()


def test_a_deleted_method_still_pays_what_was_asked_for(teller: Teller) -> None:
    asked = teller.asked()
    assert teller.api.delete(f"/v1/payout-methods/{teller.method()}", key=teller.shop.operator).status == 204
    teller.release()
    assert teller.status(asked) is Status.PAID


# Due, late, broken off


def test_what_is_due_next(teller: Teller) -> None:
    assert jobs.next_due(teller.program) is None
    teller.asked(1_000, "delay")
    assert jobs.next_due(teller.program) == TEN
    teller.go_to(TEN)
    assert jobs.next_due(teller.program) == TEN + DAY
    teller.asked(1_000, "bank")
    assert jobs.next_due(teller.program) == TEN + DAY
    teller.go_to(TEN + DAY)
    assert jobs.next_due(teller.program) == TEN + 31 * DAY  # the bank's window


def test_released_on_the_plans_rhythm(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(release="weekly:1")
    asked = teller.asked()
    assert jobs.next_due(teller.program) == TEN + 4 * DAY  # Monday, 9 March
    teller.go_to(TEN + 4 * DAY - MINUTE)
    assert teller.status(asked) is Status.APPROVED
    teller.go_to(TEN + 4 * DAY)
    assert teller.status(asked) is Status.PAID


def test_work_that_is_out_of_time_goes_on_where_it_stopped(teller: Teller) -> None:
    asked = [teller.asked(1_000, behaviour) for behaviour in ("accept", "bank", "accept", "bank", "lose_answer")]
    jump("shop-1", TEN)
    turns = 1
    while not jobs.work_off(teller.program, TEN, 0):
        turns += 1
    assert turns > 5
    teller.go_to(TEN + MINUTE)
    assert [teller.status(each).value for each in asked] == ["paid", "processing", "paid", "processing", "paid"]
    assert len(teller.batches()) == 1
    teller.check()


def test_nothing_is_done_before_its_time(teller: Teller) -> None:
    teller.asked()
    with metered() as meter:
        assert jobs.work_off(teller.program, TEN - MINUTE, 0)
    assert meter.writes == []


def test_invariant_29_late_ones_call_a_person(teller: Teller, capsys: pytest.CaptureFixture[str]) -> None:
    slow = teller.asked(1_000, "delay")
    teller.asked(1_000)
    teller.go_to(TEN)
    assert jobs.late(teller.program) == []
    assert "WithdrawalsLate" not in capsys.readouterr().out
    teller.go_to(TEN + MINUTE)
    assert [each.withdrawal_id for each in jobs.late(teller.program)] == [slow]
    assert '"WithdrawalsLate": 1' in capsys.readouterr().out


def test_every_open_withdrawal_is_listed_wherever_it_waits(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(review_above_minor=2_000)
    under_way = [teller.asked(1_000, "bank"), teller.asked(1_000, "lose_answer"), teller.asked(1_000, "delay")]
    teller.asked(1_000)
    teller.go_to(TEN)
    under_way += [teller.asked(2_001), teller.asked(1_000)]
    assert {each.withdrawal_id for each in jobs.open_withdrawals(teller.program)} == set(under_way)
    held = sum(each.amount_minor for each in jobs.open_withdrawals(teller.program))
    assert held == teller.balance().held_minor


# Mistakes of ours


def test_what_would_be_told_with_other_content_is_put_aside_and_decided_by_nobody(teller: Teller) -> None:
    asked = teller.asked()

    def refuse(_: object, payout: Payout) -> Answer:
        raise ContentChanged(payout.reference)

    channel = payouts.channel_of("pretend")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(channel), "submit", refuse)
        teller.go_to(TEN)
    assert teller.status(asked) is Status.UNKNOWN
    assert quarantine.keys_of("shop-1", "withdrawals") == {asked}
    assert teller.stands() == (90_000, 10_000, 0, 0)


@pytest.mark.parametrize("behaviour", ["accept", "bank"])
def test_an_account_that_can_not_be_read_keeps_nobody_else_from_being_paid(teller: Teller, behaviour: str) -> None:
    unreadable, other = teller.asked(1_000, behaviour), teller.asked(1_000, "delay")
    account_of = payouts.account_of

    def refuse(program_id: str, method: Method) -> dict[str, str]:
        if method.method_id == teller.method(behaviour):
            raise Unreadable("not this row's")
        return account_of(program_id, method)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(payouts, "account_of", refuse)
        teller.go_to(TEN + MINUTE)
    assert [teller.status(each).value for each in (unreadable, other)] == ["approved", "processing"]
    assert quarantine.keys_of("shop-1", "withdrawals") == {unreadable}
    teller.go_to(TEN + DAY)
    assert teller.status(unreadable) in (Status.PAID, Status.PROCESSING)
    teller.check()
