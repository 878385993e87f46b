"""What was told in time but decided after the close, because the stream was behind: it counts the next time."""

from collections.abc import Callable

import pytest

from chalicelib.commissions import jobs as commissions
from chalicelib.distributors import service as distributors
from chalicelib.levels import jobs
from chalicelib.programs import service as programs
from chalicelib.shared import clock
from tests.levels.seller import Seller

MakeSeller = Callable[..., Seller]


@pytest.fixture
def behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a live program: the close doesn't know of what the stream hasn't decided of earlier orders."""
    monkeypatch.setattr(commissions, "catch_up_told", lambda program: None)


def told_in_time(seller: Seller) -> None:
    """Rank 2 on 4 March; a refund of most of it is told before the close of that day, and decided only after it."""
    seller.sells("A", 200_000, "2026-03-03T10:00:01+08:00")
    seller.clock("2026-03-05T02:00:00+08:00")
    seller.refund("A", "r", 150_000, "2026-03-04T12:00:00+08:00", decided=False)
    seller.clock("2026-03-05T04:00:00+08:00")  # before a reconciliation decides it


def test_it_isnt_lost_it_counts_on_the_day_after(make_seller: MakeSeller, behind: None) -> None:
    seller = make_seller(now="2026-03-03T10:00:00+08:00")
    told_in_time(seller)
    assert seller.progress["volume"] == 200_000
    seller.decide("A")
    assert seller.progress["volume"] == 50_000, "what is known now has it already"
    for day in ("06", "07"):
        seller.clock(f"2026-03-{day}T12:00:00+08:00")
        assert seller.progress["volume"] == 50_000, "once, and for good"


def test_a_close_that_is_repeated_later_finds_what_it_found(
    make_seller: MakeSeller, behind: None, capsys: pytest.CaptureFixture[str]
) -> None:
    seller = make_seller(now="2026-03-03T10:00:00+08:00")
    told_in_time(seller)
    seller.decide("A")
    program = programs.get(seller.shop.program_id)
    day = clock.day("2026-03-05")
    before = seller.get(f"/v1/distributors/{seller.id}/levels")
    jobs.decide_part(program, jobs.Closing(day, day, jobs.due_at(program, day)), distributors.START)
    assert seller.get(f"/v1/distributors/{seller.id}/levels") == before
    assert "DivergentReplay" not in capsys.readouterr().out


def test_what_was_decided_otherwise_holds_and_is_told(
    make_seller: MakeSeller, capsys: pytest.CaptureFixture[str]
) -> None:
    seller = make_seller(now="2026-03-03T10:00:00+08:00")
    seller.sells("A", 200_000, "2026-03-03T10:00:01+08:00")
    program = programs.get(seller.shop.program_id)
    day = clock.day("2026-03-04")
    wrong = jobs.Closing(day, day, clock.read("2026-03-03T02:00:00Z"))
    seller.give(3)
    jobs.decide_part(program, wrong, distributors.START)
    seller.give(5)
    seller.clock("2026-03-04T12:00:00+08:00")
    assert seller.changes() == [("2026-03-04", 1, 3, "hand")]
    assert seller.progress["rank"] == 3
    assert "DivergentReplay" in capsys.readouterr().out
