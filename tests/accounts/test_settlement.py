"""Settling: what the entries come to less what was booked, in one transaction a distributor and day."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from chalicelib.accounts import jobs
from chalicelib.accounts.model import Balance, Sums
from chalicelib.accounts.tables import BalanceItem, SettlementItem, account_pk
from chalicelib.distributors import service as distributors
from tests.accounts.purse import Purse, march
from tests.support_market import Market
from tests.support_meter import metered


def settlements(purse: Purse) -> dict[str, dict[str, list[int]]]:
    """What is kept of settlements: by day, what they booked by day."""
    pk = account_pk(purse.program_id, purse.distributor_id, "CNY")
    found = SettlementItem.query(pk, SettlementItem.sk.startswith("s#"), consistent_read=True)
    return {item.sk[2:]: item.booked for item in found}


def revision(purse: Purse) -> int:
    item = BalanceItem.find(account_pk(purse.program_id, purse.distributor_id, "CNY"), "balance", consistent=True)
    return 0 if item is None else int(item.revision)


def test_without_entries_all_is_zero_and_nothing_is_written(purse: Purse) -> None:
    with metered() as meter:
        assert purse.settle(5) is None
    assert (meter.writes, purse.balance, purse.lines()) == ([], Balance(), [])


def test_pending_is_told_at_once_and_available_once_its_day_is_settled(purse: Purse) -> None:
    purse.accrue(100, 4)
    assert purse.stands == (100, 0, 0, 0)
    purse.release(100, 5, decided=4)
    assert purse.stands == (100, 0, 0, 0)
    assert purse.settle(5) == Sums(accrued_minor=100, released_minor=100)
    assert purse.stands == (0, 100, 0, 0)
    assert purse.agrees()


def test_a_settlement_costs_four_write_units_and_none_where_nothing_moved(purse: Purse) -> None:
    for number in range(1, 40):
        purse.earn(number, 5)
    with metered() as meter:
        purse.settle(5)
    assert meter.units == meter.of("accounts") == 4
    with metered() as meter:
        purse.settle(6)
        purse.settle(5)
    assert meter.writes == []


def test_a_first_settlement_after_a_year_of_entries_costs_four_write_units(purse: Purse) -> None:
    for day in range(-360, 5, 9):
        purse.earn(10**15 + day, day)
    with metered() as meter:
        purse.settle(5)
    assert meter.units == 4
    assert len(settlements(purse)["2026-03-05"]) <= 4
    assert purse.agrees()


def test_done_twice_it_writes_nothing_and_says_the_same(purse: Purse) -> None:
    purse.earn(70, 5)
    first = purse.settle(5)
    purse.accrue(5, 5, 1)
    with metered() as meter:
        assert purse.settle(5) == first
    assert meter.writes == []


def test_what_is_decided_at_the_cutoff_or_later_waits_for_the_next_day(purse: Purse) -> None:
    cutoff = purse.at(5, 2)
    for amount, hours in ((1, 1.99), (2, 2.0), (4, 2.01)):
        purse.accrue(amount * 10, 5, hours)
        purse.release(amount, 5, decided=5, hours=hours)
    purse.settle(5, cutoff)
    assert purse.booked.available_minor == 1
    assert purse.stands == (70 - 1, 1, 0, 0)
    assert purse.agrees()
    purse.settle(6)
    assert purse.stands == (70 - 7, 7, 0, 0)
    assert purse.agrees()


@pytest.mark.parametrize("late_by", [0, 1, 2])
def test_an_entry_that_was_put_late_is_told_at_once_and_booked_by_the_next_settlement(
    purse: Purse, late_by: int
) -> None:
    """A worker died between a decision and its entries; they came after their day was settled."""
    for day in (5, 6, 7):
        purse.earn(10, day)
        purse.settle(day)
    purse.accrue(5, max(5, 6 - late_by))
    purse.release(5, 7 - late_by, decided=6 - late_by, hours=13)
    purse.clawback(2, 7 - late_by, decided=6 - late_by, hours=14)
    assert purse.booked.available_minor == 30
    assert purse.stands == (0, 33, 0, 0)
    assert purse.agrees()
    assert purse.settle(8) == Sums(accrued_minor=5, released_minor=5, taken_minor=2)
    assert purse.booked.available_minor == 33
    assert purse.agrees()
    assert purse.settle(9) is None


def test_three_buckets_are_read_again_and_no_more(purse: Purse) -> None:
    for day in (5, 6, 7, 8):
        purse.earn(10, day)
        purse.settle(day)
    before = purse.stands
    purse.release(1, 5, decided=4)
    assert purse.settle(9) is None
    assert purse.stands == before
    purse.release(1, 6, decided=5)
    assert purse.settle(9) == Sums(released_minor=1)


def test_days_without_a_settlement_are_made_up_for(purse: Purse) -> None:
    """A program that was quarantined for ten days; and a distributor whose settlements are far apart."""
    purse.earn(10, 5)
    purse.settle(5)
    for day in range(6, 16):
        purse.earn(1, day)
    purse.release(2, 6, decided=5)
    assert purse.settle(15) == Sums(accrued_minor=10, released_minor=12)
    assert purse.agrees()
    assert sorted(settlements(purse)["2026-03-15"]) == ["2026-03-12", "2026-03-13", "2026-03-14", "2026-03-15"]
    assert purse.settle(16) is None


def test_a_worker_that_comes_after_later_days_were_settled_leaves_them_alone(purse: Purse) -> None:
    purse.earn(10, 7)
    purse.settle(7)
    purse.release(3, 7, decided=6)
    purse.settle(8)
    with metered() as meter:
        assert purse.settle(6) is None
        assert purse.settle(7) == Sums(accrued_minor=10, released_minor=10)
        assert purse.settle(8) == Sums(released_minor=3)
    assert meter.writes == []


def test_the_sum_of_what_settlements_booked_is_the_balance(purse: Purse) -> None:
    """Invariant 16: available + held + paid out + tax + fee = settled entries."""
    for day in range(5, 12):
        purse.earn(100 + day, day)
        purse.clawback(day, day)
        purse.lose(1, day)
        purse.settle(day)
    purse.hold(300)
    purse.pay(250, 30, 20)
    purse.clawback(500, 12)
    purse.settle(12)
    booked = [sums for of_day in settlements(purse).values() for sums in of_day.values()]
    _, released, added, taken = (sum(amounts) for amounts in zip(*booked, strict=True))
    balance = purse.booked
    whole = balance.available_minor + balance.held_minor + balance.paid_minor
    assert whole == released + added - taken == sum(100 + day - day for day in range(5, 12)) - 500
    assert purse.agrees()


def test_each_change_of_a_balance_counts_its_version_up_by_one(purse: Purse) -> None:
    """Invariant 18."""
    seen = [revision(purse)]
    purse.earn(100, 5)
    for change in (
        lambda: purse.settle(5),
        lambda: purse.hold(60),
        lambda: purse.unhold(60),
        lambda: purse.settle(6),
        lambda: purse.clawback(5, 7),
        lambda: purse.settle(7),
    ):
        change()
        seen.append(revision(purse))
    assert seen == [0, 1, 2, 3, 3, 3, 4]


def test_entries_over_several_shards_are_settled_together(purse: Purse, monkeypatch: pytest.MonkeyPatch) -> None:
    one = distributors.holder
    monkeypatch.setattr(distributors, "holder", lambda *whose: replace(one(*whose), shards=4))
    for amount in range(1, 9):
        purse.earn(amount, 5)
    assert {entry.shard for entry in purse.entries} == {0, 1, 2, 3}
    with metered() as meter:
        purse.settle(5)
    assert (meter.units, purse.stands) == (4, (0, 36, 0, 0))
    purse.hold(30)
    assert purse.agrees()


# The job


def test_the_first_day_is_the_one_after_the_program_was_made(purse: Purse) -> None:
    assert jobs.last_settled(purse.program) is None
    assert jobs.next_due(purse.program) == jobs.Due(march(5), purse.at(5, 2))


def test_a_day_is_settled_two_hours_after_its_midnight(purse: Purse) -> None:
    assert jobs.due_at(purse.program, march(9)) - purse.midnight(9) == timedelta(hours=2)


def test_everybody_is_settled_in_parts_and_then_the_days_are(
    market: Market, purse: Purse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributors, "PART", 2)
    top = Purse(purse.program_id, market.id("top"))
    purse.earn(70, 5)
    top.earn(30, 6)
    program, settling = purse.program, purse.settling(6, first=5)
    parts = list(jobs.parts(program.program_id))
    assert len(parts) == 2
    for number, after in enumerate(parts):
        assert len(jobs.parts_done(program.program_id, settling.last)) == number
        jobs.settle_part(program, settling, after)
    assert jobs.parts_done(program.program_id, settling.last) == set(parts)
    assert jobs.last_settled(program) is None
    counts = jobs.finish(program, settling)
    assert counts == {
        "distributors": 3, "settled": 2, "accrued_minor": 100, "released_minor": 100, "added_minor": 0, "taken_minor": 0
    }  # fmt: skip
    assert jobs.last_settled(program) == march(6)
    assert jobs.next_due(program).day == march(7)
    assert (purse.stands, top.stands) == ((0, 70, 0, 0), (0, 30, 0, 0))


def test_parts_and_days_done_again_write_nothing_new(purse: Purse) -> None:
    purse.earn(70, 5)
    program, settling = purse.program, purse.settling(5)
    jobs.settle_part(program, settling, distributors.START)
    counts = jobs.finish(program, settling)
    with metered() as meter:
        jobs.settle_part(program, settling, distributors.START)
        assert jobs.finish(program, settling) == counts
    assert meter.units == 2, "the part's note and the day's, both refused"
    assert len(settlements(purse)) == 1
