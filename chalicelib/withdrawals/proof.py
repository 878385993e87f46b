"""Proving withdrawals: what is held and what was paid is what the withdrawals say."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Balance
from chalicelib.distributors.model import Distributor
from chalicelib.ledger.model import Account
from chalicelib.ledger.proof import Difference
from chalicelib.programs.model import Program
from chalicelib.withdrawals import rules, service

_TRIES: Final = 5
_AT_ONCE: Final = 100


def of_account(program: Program, distributor: Distributor, balance: Balance) -> Iterator[Difference]:
    """What of an account isn't as its withdrawals say. Those of one who withdraws meanwhile are read again."""
    for _ in range(_TRIES):
        wanted = _sums(program, distributor)
        found = _moved_by_withdrawals(balance)
        differing = [account for account, amount in found.items() if wanted[account] != amount]
        now = accounts.open_account(program, distributor).balance
        if not differing or _moved_by_withdrawals(now) == found:
            break
        balance = now
    for account in differing:
        yield Difference(f"withdrawals_{account}", distributor.distributor_id, wanted[account], found[account])


def _moved_by_withdrawals(balance: Balance) -> Mapping[Account, int]:
    return {
        Account.HELD: balance.held_minor,
        Account.PAID_OUT: balance.paid_out_minor,
        Account.TAX_PAYABLE: balance.tax_minor,
        Account.FEE: balance.fee_minor,
    }


def _sums(program: Program, distributor: Distributor) -> Counter[Account]:
    """What all steps of a distributor's withdrawals have moved, by account."""
    sums: Counter[Account] = Counter()
    place = None
    while True:
        found, place = accounts.withdrawals_of(program, distributor, _AT_ONCE, place)
        for withdrawal in service.get_many(program.program_id, found):
            for move in rules.moves(withdrawal, 0):
                sums[move.credit] += move.amount_minor
                sums[move.debit] -= move.amount_minor
        if place is None:
            return sums
