"""What a withdrawal costs in write units from request to paid, metered at the wire, against money.md's table."""

from collections.abc import Callable

import pytest

from chalicelib.withdrawals import jobs
from tests.support_clock import jump
from tests.support_meter import Meter, metered
from tests.withdrawals.teller import TEN, Teller

AT_MOST = 26
"""From request to paid."""

OURS = ("withdrawals", "accounts", "entries", "programs", "access", "ops")
"""The pretend provider's book is in `payouts`, and is the provider's."""


def ours(meter: Meter) -> int:
    return sum(meter.of(room) for room in OURS)


def life(teller: Teller, behaviour: str, amount_minor: int = 10_000, key: str | None = None) -> list[int]:
    """What asking, and then each of the worker's turns, has cost; for one alone, until it is paid."""
    teller.method(behaviour)
    asked_by = key or teller.market.session("seller")
    with metered() as asking:
        withdrawal_id = teller.asked(amount_minor, behaviour, key=asked_by)
    costs = [ours(asking)]
    while teller.get(withdrawal_id).paid_at is None:
        due = jobs.next_due(teller.program)
        assert due is not None
        jump(teller.shop.program_id, max(due, teller.program.now()))
        with metered() as working:
            teller.work()
        costs.append(ours(working))
    teller.check()
    return costs


@pytest.mark.parametrize("fee_minor", [0, 7])
@pytest.mark.parametrize("behaviour", ["accept", "delay", "lose_answer", "lose_request"])
def test_one_alone_costs_at_most_26(
    make_teller: Callable[..., Teller], behaviour: str, fee_minor: int, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = life(make_teller(fee_minor=fee_minor), behaviour)
    with capsys.disabled():
        print(f"\nwrite units, pretend {behaviour}, fee {fee_minor}: {costs} = {sum(costs)}")
    assert sum(costs) <= AT_MOST


@pytest.mark.parametrize("fee_minor", [0, 7])
def test_in_a_bank_s_file_of_ten_each_costs_at_most_26_with_its_share_of_the_file(
    make_teller: Callable[..., Teller], fee_minor: int, capsys: pytest.CaptureFixture[str]
) -> None:
    teller = make_teller(fee_minor=fee_minor)
    teller.method("bank")
    session = teller.market.session("seller")
    with metered() as asking:
        asked = [teller.asked(1_000 + i, "bank", key=session) for i in range(10)]
    jump(teller.shop.program_id, TEN)
    with metered() as working:
        teller.work()
    (batch,) = teller.batches()
    rows = [(teller.get(one).attempt.reference, "paid") for one in asked]
    with metered() as telling:
        teller.told(batch["batch_id"], *rows)
    with metered() as again:
        teller.told(batch["batch_id"], *rows)
    teller.check()
    costs = [meter.units for meter in (asking, working, telling)]
    with capsys.disabled():
        print(f"\nwrite units, bank, ten in a file, fee {fee_minor}: {costs} = {sum(costs)}")
    assert sum(costs) <= AT_MOST * len(asked)
    assert again.writes == []


def test_what_an_operator_does_costs_two_more_each_time_for_the_audit_log(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(review_above_minor=5_000)
    own = life(teller, "accept", 5_000)
    operators = life(teller, "accept", 5_000, key=teller.shop.operator)
    assert [sum(operators) - sum(own), operators[0] - own[0]] == [2, 2]
    withdrawal_id = teller.asked(5_001)
    with metered() as approving:
        teller.do("approve", withdrawal_id)
    assert approving.units == 2 + 2 + 2  # the withdrawal, its row in the audit log, another place in the index


def test_a_refused_request_writes_nothing(teller: Teller) -> None:
    teller.method()
    session = teller.market.session("seller")
    with metered() as meter:
        teller.ask(100_001, key=session, expect=409)
        teller.ask(99, key=session, expect=422)
    assert meter.writes == []
