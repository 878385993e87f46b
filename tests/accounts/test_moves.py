"""Moving an account together with a withdrawal: balance and entries in one transaction, and who asked for what."""

from datetime import timedelta

import pytest

from chalicelib.accounts import service
from chalicelib.accounts.model import Move
from chalicelib.ledger.model import Account, Kind
from chalicelib.shared.errors import Code, Conflict
from chalicelib.shared.tables import Refused, transact
from tests.accounts.purse import AVAILABLE, HELD, Purse
from tests.support_clock import jump
from tests.support_meter import metered
from tests.support_race import meanwhile


@pytest.fixture
def rich(purse: Purse) -> Purse:
    """100 available, settled on 5 March."""
    purse.earn(100, 5)
    purse.settle(5)
    return purse


def test_what_is_held_and_paid_is_told_and_listed_at_once(rich: Purse) -> None:
    """Invariant 16: nothing is lost between the accounts."""
    rich.hold(60)
    assert (rich.stands, rich.agrees()) == ((0, 40, 60, 0), True)
    rich.pay(50, 7, 3)
    assert (rich.stands, rich.agrees()) == ((0, 40, 0, 60), True)
    rich.give_back(50, 7, 3)
    assert (rich.stands, rich.agrees()) == ((0, 100, 0, 0), True)
    kinds = [(line.kind, line.debit, line.credit, line.amount_minor) for line in reversed(rich.lines()[:7])]
    assert sorted(kinds[1:4]) == [
        (Kind.PAYOUT, HELD, Account.FEE, 3),
        (Kind.PAYOUT, HELD, Account.PAID_OUT, 50),
        (Kind.PAYOUT, HELD, Account.TAX_PAYABLE, 7),
    ]


def test_a_settlement_leaves_what_is_held_and_paid_as_it_is(rich: Purse) -> None:
    rich.hold(60)
    rich.pay(30, about="wdr_0")
    rich.earn(5, 6)
    rich.settle(6)
    assert (rich.stands, rich.agrees()) == ((0, 45, 30, 30), True)


def test_a_move_costs_two_units_for_the_balance_and_two_for_each_entry(rich: Purse) -> None:
    with metered() as meter:
        rich.hold(60)
        rich.pay(50, 0, 10)
    assert (meter.of("accounts"), meter.of("entries")) == (4, 6)


@pytest.mark.parametrize("amount", [101, 10**18 - 1])
def test_no_more_can_be_held_than_is_available(rich: Purse, amount: int) -> None:
    with pytest.raises(Conflict) as refused:
        rich.hold(amount)
    assert refused.value.code is Code.INSUFFICIENT_BALANCE
    assert rich.stands == (0, 100, 0, 0)


def test_after_a_clawback_below_zero_nothing_can_be_held_until_it_is_above(rich: Purse) -> None:
    """Invariant 19: negative only by clawback, then no withdrawal."""
    rich.hold(100)
    rich.pay(100)
    rich.clawback(30, 6)
    rich.settle(6)
    assert (rich.stands, rich.agrees()) == ((0, -30, 0, 100), True)
    with pytest.raises(Conflict):
        rich.hold(1, about="wdr_2")
    rich.earn(30, 7)
    rich.settle(7)
    with pytest.raises(Conflict):
        rich.hold(1, about="wdr_2")
    rich.earn(1, 8)
    rich.settle(8)
    rich.hold(1, about="wdr_2")
    assert (rich.stands, rich.agrees()) == ((0, 0, 1, 100), True)


def test_what_is_told_before_it_is_booked_cannot_be_held(rich: Purse) -> None:
    """A release that was put late is in the statement, and may be withdrawn once the next settlement has booked it."""
    rich.release(50, 5, decided=4)
    assert (rich.stands[1], rich.booked.available_minor) == (150, 100)
    with pytest.raises(Conflict):
        rich.hold(150)


def test_held_is_what_withdrawals_under_way_have_asked_for(rich: Purse) -> None:
    """Invariant 17."""
    rich.hold(10, "wdr_1")
    rich.hold(20, "wdr_2")
    rich.hold(30, "wdr_3")
    rich.unhold(10, "wdr_1")
    rich.pay(20, about="wdr_2")
    assert rich.balance.held_minor == 30


def test_of_two_who_ask_for_the_last_yuan_at_once_one_is_refused(rich: Purse) -> None:
    """Invariant 32, as far as the account goes: the other one reads again, and finds it gone."""
    with meanwhile(1, lambda: rich.hold(100, "wdr_2")), pytest.raises(Refused):
        rich.hold(100, "wdr_1")
    assert rich.stands == (0, 0, 100, 0)
    with pytest.raises(Conflict):
        rich.hold(100, "wdr_1")
    assert rich.agrees()


def test_a_settlement_and_a_withdrawal_at_once_both_happen(rich: Purse) -> None:
    rich.earn(50, 6)
    with meanwhile(1, lambda: rich.hold(100)):
        rich.settle(6)
    assert (rich.stands, rich.agrees()) == ((0, 50, 100, 0), True)
    with meanwhile(1, lambda: rich.unhold(100)), pytest.raises(Refused):
        rich.hold(20, "wdr_2")
    assert (rich.stands, rich.agrees()) == ((0, 150, 0, 0), True)


def test_moves_of_nothing_make_no_entry(rich: Purse) -> None:
    account = service.open_account(rich.program, rich.distributor)
    moves = [Move(Kind.HOLD, AVAILABLE, HELD, 9), Move(Kind.PAYOUT, HELD, Account.FEE, 0)]
    assert len(account.move(moves, "wdr_1", 1, rich.at(9))) == 2


def test_only_accounts_of_withdrawals_can_be_moved(rich: Purse) -> None:
    account = service.open_account(rich.program, rich.distributor)
    with pytest.raises(KeyError):
        account.move([Move(Kind.HOLD, Account.PENDING, HELD, 9)], "wdr_1", 1, rich.at(9))


# Who asked for what


def test_a_key_is_known_with_what_it_made_and_for_whom(rich: Purse) -> None:
    account = service.open_account(rich.program, rich.distributor)
    assert account.asked("mei", "k", "9", "m-1") is None
    account.remember("mei", "k", "wdr_1", "9", "m-1")
    transact(*account.move([Move(Kind.HOLD, AVAILABLE, HELD, 9)], "wdr_1", 1, rich.at(9)))
    again = service.open_account(rich.program, rich.distributor)
    assert again.asked("mei", "k", "9", "m-1") == "wdr_1"
    assert again.asked("wang", "k", "9", "m-1") is None
    with pytest.raises(Conflict) as other:
        again.asked("mei", "k", "10", "m-1")
    assert other.value.code is Code.EXISTS_WITH_DIFFERENT_CONTENT


def test_keys_are_forgotten_after_a_day_so_that_an_account_stays_small(rich: Purse) -> None:
    for number in range(60):
        account = service.open_account(rich.program, rich.distributor)
        account.remember("mei", f"k-{number}", f"wdr_{number:026}", "9")
        transact(*account.move([Move(Kind.HOLD, AVAILABLE, HELD, 1)], f"wdr_{number}", 1, rich.at(9)))
        jump(rich.program_id, rich.program.now() + timedelta(hours=4))
    last = service.open_account(rich.program, rich.distributor)
    assert len(last.item.asked) == 6
    assert last.asked("mei", "k-59", "9") is not None
    with metered() as meter:
        rich.hold(1, "wdr_x")
    assert meter.of("accounts") == 2


def test_withdrawals_are_listed_newest_first_and_counted_from_an_instant(rich: Purse) -> None:
    for day, about in ((9, "wdr_1"), (10, "wdr_2"), (11, "wdr_3")):
        rich.hold(1, about, day=day)
        rich.unhold(1, about, day=day)
        rich.hold(1, about, n=10, day=12)
    program, distributor = rich.program, rich.distributor
    assert service.holds_since(program, distributor, rich.at(10)) == ["wdr_2", "wdr_3"]
    assert service.holds_since(program, distributor, rich.at(12)) == []
    found, place = service.withdrawals_of(program, distributor, 2, None)
    assert found == ["wdr_3", "wdr_2"]
    assert service.withdrawals_of(program, distributor, 2, place) == (["wdr_1"], None)
