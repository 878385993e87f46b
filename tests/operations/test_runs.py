"""Runs: in which order what fell due is done, what is done before the ranks are decided, and how runs are listed."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.distributors import service as distributors
from chalicelib.operations import calendar, jobs
from chalicelib.programs.document import presets
from chalicelib.shared.errors import NotFound
from tests.levels.seller import Seller
from tests.operations.due import Due, RealTime
from tests.support_clock import Worker
from tests.support_state import unreadable_fact

Make = Callable[..., Seller]


def runs(seller: Seller) -> list[dict[str, Any]]:
    """A program's runs, the first due first."""
    return list(seller.get("/v1/jobs?job=levels")["data"])[::-1]


def days(seller: Seller) -> list[tuple[str, str]]:
    """First and last day of each run, without the month."""
    return [(run["first_day"][8:], run["last_day"][8:]) for run in runs(seller)]


def catch_up(seller: Seller) -> None:
    """The tick comes, and a worker."""
    jobs.tick()
    seller.worker.run()


def test_missed_days_are_caught_up_in_order_those_with_orders_each_by_itself(real: RealTime, make_live: Make) -> None:
    seller = make_live()
    for day in ("03", "05"):
        real.to(f"2026-03-{day}T12:00:00+08:00")
        seller.sells(day, 100_000, f"2026-03-{day}T11:00:00+08:00")
    real.to("2026-03-08T12:00:00+08:00")
    catch_up(seller)
    assert days(seller) == [("02", "02"), ("03", "03"), ("04", "04"), ("05", "05"), ("06", "08")]
    found = runs(seller)
    assert found == sorted(found, key=lambda run: run["due_at"])
    assert {run["phase"] for run in found} == {"done"}
    assert seller.changes() == [("2026-03-04", 1, 2, "rocket")]
    assert seller.level_of("05") == (2, 400, 4000)


def test_a_run_closes_so_many_days_at_most(real: RealTime, make_live: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendar, "DAYS_AT_ONCE", 3)
    seller = make_live()
    real.to("2026-03-08T12:00:00+08:00")
    catch_up(seller)
    assert days(seller) == [("02", "04"), ("05", "07"), ("08", "08")]


def test_a_day_that_a_new_plan_makes_due_sooner_waits_its_turn(
    make_seller: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 March closes after 72 hours, on the 7th at 0:00; the 4th and the 5th after one. Each in several stretches."""
    plans = [presets()["rocket-snail-7"].model_dump(mode="json") | {"close_hours": hours} for hours in (72, 1)]
    seller = make_seller(plan=plans[0], now="2026-03-03T10:00:00+08:00")
    body = {"plan": plans[1], "effective_at": "2026-03-04T00:00:00+08:00"}
    assert seller.api.post("/v1/program/plans", body, seller.shop.operator).status == 201
    for day in ("03", "04", "05"):
        seller.clock(f"2026-03-{day}T12:00:00+08:00")
        seller.sells(day, 100_000, f"2026-03-{day}T11:00:00+08:00")
    seller.clock("2026-03-06T12:00:00+08:00")
    assert days(seller) == []
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0)
    seller.clock("2026-03-08T12:00:00+08:00")
    assert days(seller) == [("04", "04"), ("05", "05"), ("06", "08")]
    assert seller.changes() == [("2026-03-04", 1, 2, "rocket"), ("2026-03-06", 2, 3, "rocket")]


def test_a_clock_that_moves_to_an_instant_at_which_something_is_due_moves_until_all_of_it_has_run(
    make_seller: Make, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quiet days are completed together, at the midnight to which it moves; settled and closed after that."""
    monkeypatch.setattr(jobs, "STRETCH_SECONDS", 0)
    seller = make_seller(now="2026-03-03T10:00:00+08:00")
    seller.api.post("/v1/test/clock", {"now": "2026-03-08T00:00:00+08:00"}, seller.shop.operator)
    while found := worker.waiting():
        assert seller.get("/v1/test/clock")["moving_to"] == "2026-03-07T16:00:00Z"
        worker.deliver(*found)
    assert seller.get("/v1/test/clock")["moving_to"] is None
    done = [(run["job"], run["last_day"]) for run in seller.get("/v1/jobs")["data"][::-1]]
    assert done[:3] == [("completion", "2026-03-08"), ("levels", "2026-03-07"), ("settlement", "2026-03-07")]


def test_an_order_that_the_stream_has_not_decided_is_decided_before_the_ranks_are(
    real: RealTime, make_live: Make
) -> None:
    seller = make_live()
    real.to("2026-03-03T12:00:00+08:00")
    catch_up(seller)
    seller.sells("A", 500_000, "2026-03-03T11:00:00+08:00", decided=False)
    real.to("2026-03-04T00:30:00+08:00")
    seller.sells("B", 100_000, "2026-03-04T00:20:00+08:00", decided=False)
    real.to("2026-03-04T03:05:00+08:00")
    catch_up(seller)
    assert seller.changes() == [("2026-03-04", 1, 4, "rocket")]
    assert (seller.level_of("A"), seller.level_of("B")) == ((1, 200, 10_000), (4, 800, 8000))


def test_a_refund_that_the_stream_has_not_decided_counts_before_a_test_programs_clock_moves(
    make_seller: Make,
) -> None:
    seller = make_seller(now="2026-03-03T12:00:00+08:00")
    seller.sells("A", 500_000, "2026-03-03T12:00:00+08:00")
    seller.refund("A", "r", 300_000, "2026-03-03T12:00:00+08:00", decided=False)
    seller.clock("2026-03-04T12:00:00+08:00")
    assert seller.changes() == [("2026-03-04", 1, 2, "rocket")]


def test_an_order_in_quarantine_does_not_keep_a_program_from_closing(real: RealTime, make_live: Make) -> None:
    seller = make_live()
    real.to("2026-03-03T12:00:00+08:00")
    for order_id in ("A", "B", "C"):
        seller.sells(order_id, 100_000, "2026-03-03T11:00:00+08:00", decided=order_id != "B")
    unreadable_fact("shop-1", "B")
    real.to("2026-03-04T12:00:00+08:00")
    catch_up(seller)
    (aside,) = seller.get("/v1/quarantine")["data"]
    assert (aside["key"], aside["reason"][:10]) == ("B", "error: Err")
    assert seller.changes() == [("2026-03-04", 1, 2, "rocket")]
    assert [run["phase"] for run in runs(seller)][-1] == "done"


def test_runs_are_listed_the_last_due_first_by_pages(due: Due) -> None:
    due.work()
    seller, found = due.mei, []
    cursor = ""
    while True:
        page = seller.get(f"/v1/jobs?job=levels&limit=1{cursor}")
        found += page["data"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == runs(seller)[::-1]
    assert [(run["first_day"], run["last_day"], run["due_at"]) for run in found] == [
        ("2026-03-01", "2026-03-01", "2026-02-28T19:00:00Z"),
        ("2026-02-16", "2026-02-28", "2026-02-27T19:00:00Z"),
        ("2026-02-15", "2026-02-15", "2026-02-14T19:00:00Z"),  # the first order completes itself on the 14th
        ("2026-02-14", "2026-02-14", "2026-02-13T19:00:00Z"),
        ("2026-01-31", "2026-02-13", "2026-02-12T19:00:00Z"),
    ]
    assert {(run["job"], run["phase"]) for run in found} == {("levels", "done")}
    assert all(run["started_at"] <= run["finished_at"] for run in found)
    assert found[0]["counts"] == {"distributors": 2, "rises": 1, "falls": 1, "hands": 0}


def test_a_run_that_is_not_done_says_how_far_it_is(due: Due, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributors, "PART", 1)
    due.worker.deliver(due.message)
    newest = runs(due.mei)[-1]
    assert (newest["phase"], newest["finished_at"], newest["counts"]) == ("walk", None, {})


def test_operators_and_auditors_see_their_programs_runs_and_nobody_else_does(due: Due, make_seller: Make) -> None:
    shop, api = due.mei.shop, due.mei.api
    opened = api.post(f"/v1/distributors/{due.mei.id}/sessions", {}, shop.storefront)
    answers = [api.get("/v1/jobs", key) for key in (shop.operator, shop.auditor, shop.storefront, opened.json["token"])]
    assert [answer.status for answer in answers] == [200, 200, 403, 403]
    assert {run["job"] for run in answers[0].json["data"]} == {"completion", "levels", "settlement", "reconciliation"}
    other = make_seller("shop-2", now="2026-03-01T10:00:00+08:00")
    assert other.get("/v1/jobs") == {"data": [], "next_cursor": None}
    cursor = due.mei.get("/v1/jobs?limit=1")["next_cursor"]
    assert api.get(f"/v1/jobs?cursor={cursor}", other.shop.operator).code == "invalid_cursor"


def test_what_is_no_job_is_raised_and_so_comes_to_the_dead_letters(worker: Worker) -> None:
    with pytest.raises(KeyError, match="sweep"):
        worker.deliver({"job": "sweep"})
    with pytest.raises(TypeError):
        worker.deliver({"job": "advance"})
    with pytest.raises(NotFound):
        worker.deliver({"job": "advance", "program_id": "nobody's"})
