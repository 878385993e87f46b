"""What the tick sends to the worker: where something is due, and nowhere else."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.distributors import service as distributors
from chalicelib.operations import jobs
from tests.levels.seller import Seller
from tests.operations.due import Due, RealTime
from tests.support_clock import Worker

Make = Callable[..., Seller]


def sent(worker: Worker) -> list[dict[str, Any]]:
    """What a tick sends, in the order of the programs' names."""
    jobs.tick()
    return sorted(worker.waiting(), key=lambda message: str(message.get("program_id")))


def advance(*program_ids: str) -> list[dict[str, Any]]:
    return [{"job": "advance", "program_id": program_id} for program_id in program_ids]


def test_only_programs_of_which_something_is_due_get_a_message(
    real: RealTime, make_live: Make, make_seller: Make, worker: Worker
) -> None:
    make_live("two-days-old")
    real.to("2026-03-02T10:00:00+08:00")
    make_live("of-today")
    make_seller("standing-still", now="2026-03-01T00:00:00+08:00")
    assert sent(worker) == sent(worker) == advance("two-days-old"), "until a worker has begun"
    worker.deliver(*advance("two-days-old"))
    assert sent(worker) == []
    real.to("2026-03-03T03:05:00+08:00")
    assert sent(worker) == advance("of-today", "two-days-old")


def test_a_live_program_closes_five_minutes_after_its_instant_in_its_own_time_zone(
    real: RealTime, make_live: Make, worker: Worker
) -> None:
    zones = {
        "ny": ("America/New_York", "-05:00"),
        "sh": ("Asia/Shanghai", "+08:00"),
        "ka": ("Asia/Kathmandu", "+05:45"),
    }
    real.to("2026-03-01T06:00:00+00:00")
    for name, (zone, _) in zones.items():
        make_live(name, timezone=zone)
    for name in ("sh", "ka", "ny"):
        offset = zones[name][1]
        real.to(f"2026-03-02T03:04:59{offset}")
        jobs.tick()
        worker.run()
        assert sent(worker) == []
        real.to(f"2026-03-02T03:05:00{offset}")
        assert sent(worker) == advance(name)
        worker.deliver(*advance(name))


def test_in_a_night_with_another_offset_the_close_is_still_three_hours_after_midnight(
    real: RealTime, make_live: Make, worker: Worker
) -> None:
    real.to("2026-03-06T12:00:00-05:00")
    seller = make_live(timezone="America/New_York")
    for day in (7, 8, 9):
        real.to(f"2026-03-{day:02}T13:00:00+00:00")
        jobs.tick()
        worker.run()
    found = [(run["last_day"], run["due_at"]) for run in seller.get("/v1/jobs?job=levels")["data"]]
    assert found == [
        ("2026-03-09", "2026-03-09T07:05:00Z"),
        ("2026-03-08", "2026-03-08T08:05:00Z"),  # 04:05: the clock has gone from 2 to 3
        ("2026-03-07", "2026-03-07T08:05:00Z"),
    ]


def late(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The metrics of lateness that a tick prints, as CloudWatch reads them."""
    capsys.readouterr()
    jobs.tick()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if "JobsLate" in line]


def test_a_job_is_late_an_hour_after_it_became_due_and_not_before(
    real: RealTime, make_live: Make, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    make_live()
    real.to("2026-03-02T00:59:59+08:00")
    assert late(capsys) == []
    real.to("2026-03-02T01:00:00+08:00")
    (line,) = late(capsys)
    assert (line["JobsLate"], line["program_id"], line["due_at"]) == (1, "shop-1", "2026-03-01T16:00:00Z")
    assert line["late"] == "completion"
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": name, "Unit": "Count"} for name in ("NeedsAPerson", "JobsLate")]
    assert line[directive["Dimensions"][0][0]] == "test"
    worker.run()
    assert late(capsys) == []


def test_a_test_program_is_never_late(make_seller: Make, capsys: pytest.CaptureFixture[str]) -> None:
    seller = make_seller(now="2026-03-01T10:00:00+08:00")
    body = {"now": "2026-04-01T10:00:00+08:00"}
    assert seller.api.post("/v1/test/clock", body, seller.shop.operator).status == 202
    assert late(capsys) == []


def test_a_run_is_left_alone_until_nobody_has_touched_it_for_ten_minutes(
    real: RealTime, due: Due, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributors, "PART", 1)
    worker.deliver(due.message)
    assert worker.waiting(), "its parts"
    assert sent(worker) == []
    real.to("2026-03-01T10:09:59+08:00")
    assert sent(worker) == []
    real.to("2026-03-01T10:10:00+08:00")
    assert sent(worker) == advance("shop-1")


def test_a_clock_whose_message_was_lost_is_moved_by_the_tick(due: Due, worker: Worker) -> None:
    assert due.mei.get("/v1/test/clock")["moving_to"] == "2026-02-28T20:30:00Z"
    assert sent(worker) == advance("shop-1")
    due.work()
    assert due.mei.get("/v1/test/clock") == {"now": "2026-02-28T20:30:00Z", "moving_to": None}
    assert sent(worker) == []


def test_a_tick_that_has_no_time_left_sends_itself(
    real: RealTime, make_live: Make, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        make_live(name)
    real.to("2026-03-02T10:00:00+08:00")
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0)
    monkeypatch.setattr(jobs, "_PROGRAMS", 2)
    first, second, going_on = sorted(sent(worker), key=lambda message: message["job"])
    assert [first, second] == advance(first["program_id"], second["program_id"])
    assert going_on["job"] == "tick"
    worker.deliver(going_on)
    (third,) = worker.waiting()
    assert {one["program_id"] for one in (first, second, third)} == {"a", "b", "c"}
