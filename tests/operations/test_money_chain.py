"""From an order to a payout by the chain of jobs alone: every job at its instant, however the clock gets there."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.commissions import jobs as commissions
from chalicelib.operations import calendar, jobs
from chalicelib.programs.model import Mode
from chalicelib.shared import clock, ids, quarantine
from tests.levels.seller import Seller
from tests.operations.due import RealTime
from tests.operations.till import DAY, Till
from tests.support_faults import Crash, failing
from tests.support_market import START
from tests.support_state import Kept, kept, rewound, unreadable_fact


def test_an_order_becomes_money_on_the_morning_after_its_hold(till: Till) -> None:
    till.sells("A", 100_000)
    assert till.answer() == (10_000, 0, 0, 0)
    till.clock(7 + 15.9 / 24)  # 12 March, 01:54
    assert till.answer() == (10_000, 0, 0, 0)
    till.clock(7 + 16 / 24)  # 02:00
    assert till.answer() == (0, 10_000, 0, 0)
    till.asked(6_000, "delay")
    assert till.answer() == (0, 4_000, 6_000, 0)
    till.clock(8 + 2)
    assert till.answer() == (0, 4_000, 0, 6_000)
    till.check()


def test_a_jump_ends_as_one_goes_day_by_day(make_till: Callable[..., Till]) -> None:
    """Completions, closes, settlements, payouts: each at its own instant."""
    till = make_till(hold={"days": 1, "auto_complete_days": 3})
    till.sells("A", 100_000, completed=False)
    till.sells("B", 50_000)
    till.give(30_000)
    for behaviour in ("accept", "lose_request", "delay", "return", "bank"):
        till.asked(1_000, behaviour)
    with rewound():
        for day in range(1, 8):
            till.clock(day)
        slowly, money = comparable(), till.answer()
    till.clock(7)
    assert comparable() == slowly
    assert till.answer() == money == (0, 30_000 + 15_000 - 3_000 - 1_000, 1_000, 3_000)


def comparable() -> Kept:
    """What is kept of money: orders, decisions, entries, balances, withdrawals. Not how settlements were grouped."""
    rows = kept("orders", "decisions", "entries", "accounts", "withdrawals")
    left = {key: row for key, row in rows.items() if not key[2].startswith("s#") and "#settl" not in key[1]}
    for (room, _, sk), row in left.items():
        if room == "accounts" and sk == "balance":
            row.pop("settled_day", None), row.pop("cutoff", None)
    return left


def test_days_on_which_nothing_happens_are_done_together_and_the_others_alone(till: Till) -> None:
    till.clock(3)
    till.sells("A", 100_000, completed=False)  # paid on 7 March, completes itself on the 22nd
    till.clock(40)
    for job in ("completion", "levels", "settlement"):
        days = till.runs(job)
        assert covered(days) == covered(till.runs("levels")), job
        assert ("03-23", "03-23") in days or job == "settlement", job
    assert len(till.runs("reconciliation")) == len(till.runs("settlement")) == 2


def covered(days: list[tuple[str, str]]) -> list[str]:
    """All days of runs that follow each other."""
    found: list[str] = []
    for first, last in days:
        day = datetime.fromisoformat(f"2026-{first}T00:00:00+00:00")
        while day.strftime("%m-%d") <= last:
            found.append(day.strftime("%m-%d"))
            day += DAY
    assert found == sorted(set(found)), "each day once, in order"
    return found


def test_what_is_quarantined_stops_settlements_until_it_is_tried_again(till: Till) -> None:
    till.sells("A", 100_000)
    quarantine.keep("shop-1", "orders", "A", "a bug of yesterday", {})
    till.clock(10)
    assert till.answer() == (10_000, 0, 0, 0)
    assert till.runs("settlement") == []
    assert till.runs("levels")[-1][1] == "03-14"
    answer = till.api.post("/v1/quarantine/orders:A/redrive", {}, till.shop.operator)
    assert (answer.status, answer.json) == (200, {"quarantine_id": "orders:A", "done": True})
    assert till.market.get("/v1/quarantine")["data"] == []
    till.clock(11)
    assert till.answer() == (0, 10_000, 0, 0)
    assert till.runs("settlement")[0][0] == "03-05"
    till.check()


def test_what_fails_again_stays_in_quarantine(till: Till) -> None:
    till.sells("A", 100_000)
    unreadable_fact("shop-1", "A")
    commissions.judge_again(till.program, ["A"])
    for _ in range(2):
        (row,) = till.market.get("/v1/quarantine")["data"]
        answer = till.api.post(f"/v1/quarantine/{row['quarantine_id']}/redrive", {}, till.shop.operator)
        assert (answer.status, answer.json["done"]) == (200, False)
    assert till.api.post("/v1/quarantine/orders:B/redrive", {}, till.shop.operator).status == 404
    assert till.api.post("/v1/quarantine/orders:A/redrive", {}, till.shop.storefront).status == 403
    actions = [row["action"] for row in till.market.get("/v1/audit")["data"]]
    assert actions.count("quarantine.redrive") == 2


@pytest.fixture
def morning(make_till: Callable[..., Till], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Till, Any]]:
    """A morning on which every job has something to do, and the message that does it: an order completes itself, a
    commission is settled, ranks are closed, two withdrawals are released, everything is reconciled."""
    names = iter(range(10**6))
    monkeypatch.setattr(ids, "new", lambda prefix: f"{prefix}_{next(names):026}")
    till = make_till(hold={"days": 1, "auto_complete_days": 3})
    till.sells("A", 100_000, completed=False)
    till.sells("C", 50_000)
    till.clock(2)
    till.sells("B", 50_000)
    till.asked(1_000, "lose_answer")
    till.asked(2_000, "bank")
    till.clock(3)
    yield till, till.set_out(START + 4 * DAY + timedelta(minutes=10))


def test_a_crash_in_a_morning_ends_right_when_the_message_comes_again(morning: tuple[Till, Any]) -> None:
    till, message = morning
    with rewound():
        with failing(set()) as wire:
            till.worker.deliver(message)
            till.worker.run()
        calm, writes, money = everything(), wire.attempts, till.answer()
        statuses = [withdrawal.status for withdrawal in till.all()]
        assert {run["job"] for run in till.market.get("/v1/jobs?limit=7")["data"]} >= set(calendar.Job)
        assert money == (10_000, 5_000 + 5_000 - 3_000, 2_000, 1_000)
        assert till.market.get("/v1/reports/reconciliation")["ok"]
        till.check()
    assert writes > 25
    # Every fifth: each room tests every write of its own. Having died after a write is having died before the next one.
    for k, answered in [*((k, False) for k in range(1, writes + 1, 5)), (writes, True)]:
        with rewound():
            with failing({k}, answered=answered), pytest.raises(Crash):
                till.worker.deliver(message)
                till.worker.run()
            till.worker.waiting()
            till.worker.deliver(message)
            till.worker.run()
            assert everything() == calm, (k, answered)
            assert [withdrawal.status for withdrawal in till.all()] == statuses
            till.check()


def everything() -> Kept:
    """All that is kept of the money, but for when exactly a channel was asked: who comes after a crash asks at once."""
    rows = kept("orders", "decisions", "entries", "accounts", "levels", "programs")
    return {key: row for key, row in rows.items() if not key[2].startswith("w#")}


def test_a_live_program_tells_that_its_settlement_is_blocked(
    real: RealTime, make_live: Callable[..., Seller], capsys: pytest.CaptureFixture[str]
) -> None:
    make_live()
    quarantine.keep("shop-1", "orders", "A", "broken", {})
    told = []
    for at in ("2026-03-02T01:59:59+08:00", "2026-03-02T02:00:00+08:00"):
        real.to(at)
        capsys.readouterr()
        jobs.tick()
        told.append("SettlementBlocked" in capsys.readouterr().out)
    assert told == [False, True]


def test_the_tick_tells_of_live_withdrawals_that_are_late(
    till: Till, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program's mode is all that is changed here: a live one has no money on its first day."""
    till.give(10_000)
    till.asked(2_000, "bank")
    told = []
    for hours in (24, 25):
        monkeypatch.setattr(clock, "now", lambda hours=hours: START + timedelta(hours=hours))
        capsys.readouterr()
        jobs._tell_of_late(replace(till.program, mode=Mode.LIVE, clock_at=None), [])
        told.append("WithdrawalsLate" in capsys.readouterr().out)
    assert told == [False, True]
