"""Which steps there are, and what is decided about a withdrawal from plain values."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.ledger.model import Account, Kind
from chalicelib.payouts.model import Answer, Result
from chalicelib.programs.model import WithdrawalTerms
from chalicelib.shared import ids
from chalicelib.withdrawals import rules, tables
from chalicelib.withdrawals.model import Due, Event, Queue, Split, Status, Step, Withdrawal
from tests.support_laws import SHANGHAI, law, plan

LISTED = """
    requested      approve      approved
    requested      reject       rejected
    requested      cancel       cancelled
    approved       release      queued
    approved       cancel       cancelled
    queued         claim        submitting
    queued         cancel       cancelled
    submitting     accept       processing
    submitting     await_payee  waiting_payee
    submitting     lose         unknown
    unknown        accept       processing
    unknown        await_payee  waiting_payee
    unknown        pay          paid
    unknown        fail         failed
    unknown        call_off     cancelled
    unknown        expire       expired
    unknown        give_up      manual
    processing     pay          paid
    processing     fail         failed
    processing     call_off     cancelled
    processing     expire       expired
    processing     give_up      manual
    waiting_payee  pay          paid
    waiting_payee  fail         failed
    waiting_payee  call_off     cancelled
    waiting_payee  expire       expired
    manual         pay          paid
    manual         fail         failed
    failed         retry        queued
    paid           return       returned
"""
"""The design's table once more, written by hand."""

TERMINAL = {"paid", "failed", "cancelled", "expired", "returned", "rejected"}
NOON = datetime(2026, 3, 4, 4, tzinfo=UTC)
"""12:00 in Shanghai, a Wednesday."""


def listed() -> dict[tuple[str, str], str]:
    rows = [line.split() for line in LISTED.strip().splitlines()]
    return {(before, event): after for before, event, after in rows}


def test_invariant_28_every_listed_step_is_there_and_no_other() -> None:
    known = listed()
    assert len(known) == 30
    for status in Status:
        for event in Event:
            expected = known.get((status.value, event.value))
            assert rules.after(status, event) == expected, (status, event)


def test_every_status_can_be_reached_and_each_one_that_ends_it_is_left_by_money_only() -> None:
    reached = {"requested", *listed().values()}
    assert reached == {status.value for status in Status}
    assert {status.value for status in Status if status.terminal} == TERMINAL
    assert {before for before, _ in listed()} & TERMINAL == {"failed", "paid"}


def withdrawal(*statuses: str, amount_minor: int = 10_000, fee_minor: int = 0, **says: Any) -> Withdrawal:
    """One with this history; claimed once if it went so far."""
    steps = tuple(Step(Status(status), NOON, "somebody") for status in statuses or ("requested",))
    made = Withdrawal(
        program_id="shop-1",
        withdrawal_id="wdr_01M80XRK107R9ABD21XETFWFBC",
        distributor_id="dst_01M80XRJG5BK5YJZK8F41VM4PW",
        amount_minor=amount_minor,
        currency="CNY",
        method_id="pmt_01M80XRJXEYPXFN31Q2F4NQDE9",
        channel="bank",
        masked="**** 3445",
        plan_version=1,
        promised_by=None,
        split=Split(amount_minor - fee_minor, 0, fee_minor),
        history=steps[:1],
        attempts=(),
        due=None,
    )
    for n, step in enumerate(steps[1:], start=2):
        if step.status is Status.SUBMITTING:
            claimed = rules.claimed(replace(made, history=steps[: n - 1]), NOON, "job")
            assert claimed is not None
            made = claimed
        if made.attempts and step.status is not Status.QUEUED:
            made = rules.with_attempt(made, replace(made.attempt, status=step.status))
    return replace(made, history=steps, **says)


def stepped(before: Withdrawal, *events: Event) -> Withdrawal:
    for event in events:
        after = rules.stepped(before, event, NOON, "job")
        assert after is not None, event
        before = after
    return before


LIFE = ("requested", "approved", "queued", "submitting", "processing")


def sent(status: Status) -> Withdrawal:
    """One that was claimed and stands somewhere since."""
    return withdrawal(*LIFE[:4]) if status is Status.SUBMITTING else withdrawal(*LIFE[:4], status.value)


# Money


@pytest.mark.parametrize(
    ("statuses", "kind", "route"),
    [
        (("requested",), Kind.HOLD, [("available", "held", 10_000)]),
        (("requested", "rejected"), Kind.UNHOLD, [("held", "available", 10_000)]),
        (("requested", "approved", "cancelled"), Kind.UNHOLD, [("held", "available", 10_000)]),
        ((*LIFE, "failed"), Kind.UNHOLD, [("held", "available", 10_000)]),
        ((*LIFE, "expired"), Kind.UNHOLD, [("held", "available", 10_000)]),
        ((*LIFE, "failed", "queued"), Kind.HOLD, [("available", "held", 10_000)]),
        ((*LIFE, "paid"), Kind.PAYOUT, [("held", "paid_out", 9_900), ("held", "fee", 100)]),
        ((*LIFE, "paid", "returned"), Kind.RETURN, [("paid_out", "available", 9_900), ("fee", "available", 100)]),
    ],
)
def test_what_the_last_step_moves(statuses: Sequence[str], kind: Kind, route: list[tuple[str, str, int]]) -> None:
    moves = rules.moves(withdrawal(*statuses, fee_minor=100), len(statuses) - 1)
    assert {move.kind for move in moves} == {kind}
    assert [(m.debit, m.credit, m.amount_minor) for m in moves if m.amount_minor] == route


def test_steps_between_move_nothing() -> None:
    for n in range(2, len(LIFE) + 1):
        assert rules.moves(withdrawal(*LIFE[:n]), n - 1) == []
    assert rules.moves(withdrawal(*LIFE, "unknown"), len(LIFE)) == []
    assert rules.moves(withdrawal(*LIFE, "manual"), len(LIFE)) == []


def test_after_any_end_nothing_is_held_and_everything_is_somewhere() -> None:
    for end in [("cancelled",), (*LIFE[1:], "paid"), (*LIFE[1:], "paid", "returned"), (*LIFE[1:], "failed")]:
        moves = rules.moves(withdrawal("requested", *end, fee_minor=100), 0)
        sums = {account: 0 for account in Account}
        for move in moves:
            sums[move.debit] -= move.amount_minor
            sums[move.credit] += move.amount_minor
        assert sums[Account.HELD] == 0
        assert sum(sums.values()) == 0


# Fee


def terms(**says: Any) -> WithdrawalTerms:
    return plan(withdrawal=says).withdrawal


@pytest.mark.parametrize(
    ("amount", "fee_bp", "fee_minor", "fee"),
    [(10_000, 0, 0, 0), (10_000, 60, 0, 60), (9_999, 60, 0, 59), (9_999, 60, 25, 84), (1, 9_999, 0, 0), (1, 0, 1, 1)],
)
def test_a_fee_is_floored_once_and_the_fixed_part_comes_on_top(
    amount: int, fee_bp: int, fee_minor: int, fee: int
) -> None:
    assert rules.split(amount, terms(fee_bp=fee_bp, fee_minor=fee_minor)) == Split(amount - fee, 0, fee)


@given(st.integers(0, 10**18 - 1), st.integers(0, 10_000), st.integers(0, 10**6))
@law(200)
def test_invariant_30_amount_is_net_plus_tax_plus_fee(amount: int, fee_bp: int, fee_minor: int) -> None:
    split = rules.split(amount, terms(fee_bp=fee_bp, fee_minor=fee_minor))
    assert split.net_minor + split.tax_minor + split.fee_minor == amount
    assert split.fee_minor * 10_000 <= amount * fee_bp + fee_minor * 10_000


# When


@pytest.mark.parametrize(
    ("rhythm", "approved", "released"),
    [
        ("daily", "2026-03-04T09:59:59+08:00", "2026-03-04T10:00+08:00"),
        ("daily", "2026-03-04T10:00:00+08:00", "2026-03-05T10:00+08:00"),
        ("weekly:3", "2026-03-04T09:00:00+08:00", "2026-03-04T10:00+08:00"),
        ("weekly:3", "2026-03-04T11:00:00+08:00", "2026-03-11T10:00+08:00"),
        ("weekly:1", "2026-03-04T11:00:00+08:00", "2026-03-09T10:00+08:00"),
        ("weekly:7", "2026-03-04T11:00:00+08:00", "2026-03-08T10:00+08:00"),
        ("monthly:28", "2026-03-04T11:00:00+08:00", "2026-03-28T10:00+08:00"),
        ("monthly:1", "2026-12-31T23:00:00+08:00", "2027-01-01T10:00+08:00"),
        ("monthly:4", "2026-03-04T10:00:00+08:00", "2026-04-04T10:00+08:00"),
    ],
)
def test_the_release_is_the_first_ten_o_clock_after_approval_on_a_day_of_the_rhythm(
    rhythm: str, approved: str, released: str
) -> None:
    at = rules.release_at(rhythm, datetime.fromisoformat(approved), SHANGHAI)
    assert at == datetime.fromisoformat(released)


@pytest.mark.parametrize(
    ("timezone", "since", "released"),
    [
        # Clocks go forward in the night of 29 March, and back in that of 25 October: ten stays ten on the wall.
        ("Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-29T08:00:00Z"),
        ("Europe/Berlin", "2026-03-27T12:00:00Z", "2026-03-28T09:00:00Z"),
        ("Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T09:00:00Z"),
        ("America/St_Johns", "2026-07-01T12:30:00Z", "2026-07-02T12:30:00Z"),
        ("Pacific/Kiritimati", "2026-01-01T00:00:00Z", "2026-01-01T20:00:00Z"),
    ],
)
def test_ten_o_clock_is_the_wall_clocks(timezone: str, since: str, released: str) -> None:
    at = rules.release_at("daily", datetime.fromisoformat(since), timezone)
    assert at == datetime.fromisoformat(released)


@given(st.timedeltas(timedelta(), timedelta(days=4_000)), st.sampled_from(["daily", "weekly:5", "monthly:28"]))
@law(200)
def test_a_release_is_later_than_approval_and_none_lies_between(later: timedelta, rhythm: str) -> None:
    since = NOON + later
    at = rules.release_at(rhythm, since, SHANGHAI)
    assert at > since
    assert rules.release_at(rhythm, at - timedelta(microseconds=1), SHANGHAI) == at
    assert rules.release_at(rhythm, at, SHANGHAI) > at


def test_the_promise_counts_from_approval_and_peak_days_have_their_own() -> None:
    says = terms(channels={"bank": {"sla_hours": 24, "peak_sla_hours": 48}}, peak_days=["2026-03-04"])
    assert rules.promised_by(says, "bank", NOON, SHANGHAI) == NOON + timedelta(hours=48)
    tomorrow = NOON + timedelta(hours=12)  # midnight in Shanghai: the peak day is over
    assert rules.promised_by(says, "bank", tomorrow, SHANGHAI) == tomorrow + timedelta(hours=24)


def test_late_is_what_is_open_after_its_promise() -> None:
    promised = withdrawal(*LIFE, promised_by=NOON)
    assert not rules.is_late(promised, NOON)
    assert rules.is_late(promised, NOON + timedelta(seconds=1))
    assert not rules.is_late(withdrawal(*LIFE, "paid", promised_by=NOON), NOON + timedelta(days=9))
    assert not rules.is_late(withdrawal("requested"), NOON + timedelta(days=9))
    assert rules.is_late(withdrawal(*LIFE, "manual", promised_by=NOON), NOON + timedelta(days=9))


def test_looks_back_off_to_an_hour_and_a_channel_outranks_them() -> None:
    nothing = Answer(Result.ACCEPTED, "")
    attempt = withdrawal(*LIFE).attempt
    waits = [rules.look_at(replace(attempt, looks=n), nothing, NOON) - NOON for n in range(7)]
    assert waits == [timedelta(minutes=m) for m in (1, 5, 15, 60, 60, 60, 60)]
    asked = Answer(Result.ACCEPTED, "", timedelta(hours=24))
    assert rules.look_at(attempt, asked, NOON) == NOON + timedelta(hours=24)
    assert rules.look_at(attempt, Answer(Result.ACCEPTED, "", timedelta()), NOON) == NOON


# Attempts


def test_a_reference_is_29_capitals_and_digits_and_names_its_withdrawal() -> None:
    withdrawal_id = ids.new("wdr")
    names = [rules.reference(withdrawal_id, n) for n in range(1, rules.ATTEMPTS_MAX + 1)]
    assert len(set(names)) == rules.ATTEMPTS_MAX
    for name in names:
        assert len(name) == 29
        assert name.isascii()
        assert name.isalnum()
        assert name.isupper()
        assert rules.withdrawal_of(name) == withdrawal_id


def test_a_claim_fixes_the_content_and_only_what_is_queued_is_claimed() -> None:
    claimed = rules.claimed(withdrawal("requested", "approved", "queued", fee_minor=100), NOON, "job")
    assert claimed is not None
    assert (claimed.status, claimed.attempt.status) == (Status.SUBMITTING, Status.SUBMITTING)
    assert claimed.attempt.amount_minor == 9_900
    assert claimed.attempt.content == rules.content(claimed, claimed.attempt.reference, 9_900)
    for status in set(Status) - {Status.QUEUED}:
        assert rules.claimed(withdrawal(status.value), NOON, "job") is None


def test_invariant_27_whatever_is_asked_for_is_in_the_content() -> None:
    one = withdrawal(*LIFE)
    asked = (one.attempt.reference, one.attempt.amount_minor)
    others = [
        rules.content(one, asked[0], asked[1] + 1),
        rules.content(one, asked[0] + "1", asked[1]),
        rules.content(replace(one, currency="USD"), *asked),
        rules.content(replace(one, method_id="pmt_2"), *asked),
        rules.content(replace(one, channel="pretend"), *asked),
    ]
    assert one.attempt.content == rules.content(one, *asked)
    assert len({one.attempt.content, *others}) == 6


def test_a_new_attempt_leaves_the_failed_one_as_it_was() -> None:
    failed = stepped(withdrawal(*LIFE), Event.FAIL)
    again = rules.claimed(stepped(failed, Event.RETRY), NOON, "job")
    assert again is not None
    assert [(each.n, each.status) for each in again.attempts] == [(1, Status.FAILED), (2, Status.SUBMITTING)]
    assert again.attempts[0] == failed.attempts[0]
    assert again.attempts[1].reference != again.attempts[0].reference


def test_evidence_keeps_the_first_and_the_last_answers() -> None:
    attempt = withdrawal(*LIFE).attempt
    for n in range(20):
        attempt = rules.with_evidence(attempt, "query", Answer(Result.ACCEPTED, f"answer {n}"), NOON)
    assert [each.text for each in attempt.evidence] == [f"answer {n}" for n in (0, 1, 17, 18, 19)]
    assert attempt.evidence[0].what == "query: accepted"
    same = rules.with_evidence(attempt, "query", Answer(Result.ACCEPTED, "answer 19"), NOON + timedelta(hours=1))
    assert same == attempt
    long = rules.with_evidence(attempt, "query", Answer(Result.PAID, "x" * 5_000), NOON).evidence[-1]
    assert (len(long.text), len(long.sha256)) == (200, 64)


# What channels say


@pytest.mark.parametrize("result", [Result.NOT_FOUND, Result.UNKNOWN])
def test_no_answer_is_never_a_failure(result: Result) -> None:
    assert rules.events(Status.SUBMITTING, result) == (Event.LOSE,)
    for status in rules.LOOKED_AT - {Status.SUBMITTING}:
        assert rules.events(status, result) == ()


@pytest.mark.parametrize("status", sorted(rules.LOOKED_AT))
@pytest.mark.parametrize("result", list(Result))
def test_whatever_a_channel_says_leads_along_listed_steps(status: Status, result: Result) -> None:
    after = stepped(sent(status), *rules.events(status, result))
    settled = {Result.PAID: "paid", Result.FAILED: "failed", Result.CANCELLED: "cancelled"}
    settled |= {Result.EXPIRED: "expired", Result.RETURNED: "returned"}
    if status is Status.PAID:
        assert after.status == ("returned" if result in (Result.RETURNED, Result.FAILED) else "paid")
    elif result in settled:
        assert after.status == settled[result]
    else:
        assert not after.status.terminal


FILE = {
    ("submitting", "paid"): "paid",
    ("submitting", "failed"): "failed",
    ("submitting", "returned"): "returned",
    ("processing", "paid"): "paid",
    ("processing", "failed"): "failed",
    ("processing", "returned"): "returned",
    ("manual", "paid"): "paid",
    ("manual", "failed"): "failed",
    ("manual", "returned"): "returned",
    ("paid", "paid"): "paid",
    ("paid", "returned"): "returned",
    ("failed", "failed"): "failed",
    ("returned", "paid"): "returned",
    ("returned", "returned"): "returned",
}
"""What a row of a bank's file makes of an attempt; what isn't here can't be."""


def test_what_a_row_of_a_file_means() -> None:
    for status in Status:
        for result in (Result.PAID, Result.FAILED, Result.RETURNED):
            events = rules.events_of_file(status, result)
            expected = FILE.get((status.value, result.value))
            if expected is None:
                assert events is None, (status, result)
            else:
                assert events is not None, (status, result)
                assert stepped(sent(status), *events).status == expected


# What is kept


def test_a_withdrawal_is_read_back_as_it_was_kept() -> None:
    whole = stepped(withdrawal(*LIFE, fee_minor=5), Event.PAY)
    with_all = replace(
        rules.with_attempt(whole, rules.with_evidence(whole.attempt, "query", Answer(Result.PAID, "said 好"), NOON)),
        due=Due(Queue.LOOK, NOON),
        promised_by=NOON,
    )
    for one in (withdrawal(), replace(withdrawal(), split=None), with_all):
        item = tables.WithdrawalItem(one.program_id, one.withdrawal_id)
        item.becomes(one)
        assert item.withdrawal() == one
    assert (item.due_in, item.due_at) == ("shop-1#look", "2026-03-04T04:00:00.000000Z")


def test_a_whole_life_with_two_attempts_fits_a_kilobyte() -> None:
    """As a live program writes it: no two times and no two answers are alike."""
    one, at = withdrawal(channel="bank", promised_by=NOON), NOON

    def tick() -> datetime:
        nonlocal at
        at += timedelta(hours=3, microseconds=int(ids.digest(str(at)).hex()[:5], 16) % 1_000_000)
        return at

    for event in (
        Event.APPROVE,
        Event.RELEASE,
        None,
        Event.ACCEPT,
        Event.FAIL,
        Event.RETRY,
        None,
        Event.ACCEPT,
        Event.PAY,
    ):
        after = rules.claimed(one, tick(), "job") if event is None else rules.stepped(one, event, tick(), "job")
        assert after is not None
        one = after
        if event in (Event.ACCEPT, Event.PAY, Event.FAIL):
            said = Answer(Result.PAID, f"in the file {ids.digest(str(at)).hex()}")
            one = rules.with_attempt(one, rules.with_evidence(one.attempt, "results", said, at))
    item = tables.WithdrawalItem(one.program_id, one.withdrawal_id)
    item.becomes(one)
    packed = tables.JsonAttribute().serialize(item.body)
    assert len(packed) < 900
