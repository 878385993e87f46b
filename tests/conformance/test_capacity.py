"""What the meter of the tests reckons is what the store tells; where it isn't, docs/decisions/0061 says why."""

import pytest

from chalicelib.shared.tables import Put, transact
from chalicelib.withdrawals.tables import WithdrawalItem
from tests.benchmarks.wire import watched
from tests.conformance.things import new
from tests.support_meter import metered

KB = 1024
BYTES = [1, 900, KB, 3 * KB, 100 * KB]


def withdrawal(due_in: str | None, more: int = 0) -> WithdrawalItem:
    about = {"distributor_id": "d", "status": "s" * (1 + more), "amount_minor": 1, "body": {}}
    return WithdrawalItem("p", "wdr_1", due_in=due_in, due_at=due_in and "2026-03-01", **about)


@pytest.mark.parametrize("size", BYTES)
def test_a_put_costs_what_the_meter_reckons(size: int) -> None:
    with metered() as meter, watched() as told:
        assert new("a", name="x" * size).put_new()
        new("a", name="y" * size).save()
    assert meter.units == told.write_units > 0


LIVES = {
    "comes in": (None, "p#look"),
    "stays": ("p#look", "p#look"),
    "moves": ("p#release", "p#look"),
    "goes out": ("p#look", None),
    "never there": (None, None),
}


@pytest.mark.parametrize(("before", "after"), LIVES.values(), ids=list(LIVES))
@pytest.mark.parametrize("more", [0, 2 * KB])
def test_an_index_costs_what_the_meter_reckons(before: str | None, after: str | None, more: int) -> None:
    withdrawal(before, more=more).save()
    with metered() as meter, watched() as told:
        withdrawal(after, more=more + 1).save()
    assert meter.units == told.write_units > 0


@pytest.mark.parametrize("size", BYTES)
def test_of_a_transaction_twice_is_told_what_the_meter_reckons(size: int) -> None:
    """Of the index four times. One item of each table: DynamoDB Local adds the bytes of a table's items up first."""
    with metered() as meter, watched() as told:
        transact(Put(new("a", name="x" * size)), Put(withdrawal("p#look")))
    in_the_index = 1
    assert told.write_units == 2 * (meter.units - in_the_index) + 4 * in_the_index
