"""A close in pieces: by many workers at once, and by one that stops and goes on."""

from typing import Any

import pytest

from chalicelib.commissions import service as decisions
from chalicelib.distributors import service as distributors
from chalicelib.operations import jobs
from tests.operations.due import Due, RealTime
from tests.support_clock import Worker

Message = dict[str, Any]


@pytest.fixture
def parts(due: Due, real: RealTime, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """The messages of the parts into which the walk is cut: two distributors, one a part, and what comes after them."""
    monkeypatch.setattr(distributors, "PART", 1)
    monkeypatch.setattr(jobs, "_POLL_SECONDS", 0)
    worker.deliver(due.message)
    *found, going_on = sorted(worker.waiting(), key=lambda message: message["job"], reverse=True)
    assert [part["job"] for part in found] == ["part"] * 3
    assert [part["after"] for part in found] == ["-", due.mei.id, due.li.id]
    assert going_on == due.message
    return found


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 1, 0, 0)])
def test_parts_in_any_order_and_twice_end_as_one_piece_does(
    due: Due, parts: list[Message], worker: Worker, order: tuple[int, ...]
) -> None:
    worker.deliver(*(parts[i] for i in order))
    worker.deliver(due.message)
    worker.run()
    assert due.kept() == due.calm
    worker.deliver(*parts, due.message)
    assert (due.kept(), worker.waiting()) == (due.calm, [])


def test_the_close_waits_for_the_last_part(due: Due, parts: list[Message], worker: Worker) -> None:
    worker.deliver(parts[0], due.message, parts[2], due.message)
    assert worker.waiting() == [due.message] * 2
    assert due.mei.get("/v1/jobs")["data"][0]["phase"] == "walk"
    assert due.mei.progress["provisional"], "nothing is decided before everything is"
    worker.deliver(parts[1], due.message)
    assert due.kept() == due.calm


def test_a_part_that_is_lost_is_sent_again_when_nobody_has_touched_the_run_for_long(
    real: RealTime, due: Due, parts: list[Message], worker: Worker
) -> None:
    worker.deliver(parts[0], parts[2])
    real.to("2026-03-01T10:10:00+08:00")
    worker.deliver(due.message)
    assert worker.waiting() == [parts[1], due.message]
    worker.deliver(due.message)
    assert worker.waiting() == [due.message], "not again and again"
    worker.deliver(parts[1], due.message)
    assert due.kept() == due.calm


def test_a_worker_that_may_do_but_one_page_at_a_time_goes_on_where_it_stopped(
    due: Due, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0)
    monkeypatch.setattr(decisions, "_PAGE", 1)
    due.worker.done.clear()
    due.work()
    assert due.kept() == due.calm
    assert due.worker.done == [due.message] * 7


def test_a_part_that_comes_after_the_next_days_are_closed_writes_nothing(
    due: Due, parts: list[Message], worker: Worker
) -> None:
    worker.deliver(*parts, due.message)
    due.li.sells("N", 2_000_000, "2026-03-01T04:30:00+08:00")
    due.li.clock("2026-03-03T12:00:00+08:00")
    before = due.kept()
    worker.deliver(*parts)
    assert due.kept() == before
