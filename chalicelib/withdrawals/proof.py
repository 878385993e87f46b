"""Proving withdrawals: what an account holds and has paid out is what its withdrawals say."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Balance
from chalicelib.distributors.model import Distributor
from chalicelib.ledger.proof import Difference
from chalicelib.programs.model import Program
from chalicelib.withdrawals import service
from chalicelib.withdrawals.model import Status, Withdrawal

_PAGE: Final = 100


def of_account(program: Program, distributor: Distributor, balance: Balance) -> Iterator[Difference]:
    """What of an account isn't as its withdrawals say. An account that moves meanwhile is left for the next time."""
    found = list(_of_distributor(program, distributor))
    now = accounts.open_account(program, distributor).balance
    if (now.held_minor, now.paid_minor) != (balance.held_minor, balance.paid_minor):
        return
    wanted = _sums(found)
    for name, amount in (
        ("held", balance.held_minor),
        ("paid_out", balance.paid_out_minor),
        ("tax", balance.tax_minor),
        ("fee", balance.fee_minor),
    ):
        if wanted[name] != amount:
            yield Difference(f"withdrawals_{name}", distributor.distributor_id, wanted[name], amount)
    for withdrawal in found:
        split = withdrawal.split
        if split is not None and split.net_minor + split.tax_minor + split.fee_minor != withdrawal.amount_minor:
            parts = split.net_minor + split.tax_minor + split.fee_minor
            yield Difference("withdrawal", withdrawal.withdrawal_id, withdrawal.amount_minor, parts)


def _of_distributor(program: Program, distributor: Distributor) -> Iterator[Withdrawal]:
    place = None
    while True:
        withdrawal_ids, place = accounts.withdrawals_of(program, distributor, _PAGE, place)
        yield from service.get_many(program.program_id, withdrawal_ids)
        if place is None:
            return


def _sums(withdrawals: list[Withdrawal]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for withdrawal in withdrawals:
        if not withdrawal.status.terminal:
            sums["held"] += withdrawal.amount_minor
        elif withdrawal.status is Status.PAID and withdrawal.split is not None:
            split = withdrawal.split
            sums.update(paid_out=split.net_minor, tax=split.tax_minor, fee=split.fee_minor)
    return sums
