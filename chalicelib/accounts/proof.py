"""Proving accounts: the balance is what the lines of the statement come to."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from chalicelib.accounts import rules, service
from chalicelib.accounts.model import Balance
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Entry
from chalicelib.ledger.proof import Difference
from chalicelib.programs.model import Program
from chalicelib.shared.value import Value

_TRIES: Final = 5


class Proven(Value):
    """An account as it was read at one moment: all its entries, its balance, and what doesn't fit."""

    entries: Sequence[Entry]
    balance: Balance
    differences: Sequence[Difference]
    totals_minor: Mapping[Account, int]
    """What the lines of its statement come to, by account; together they are zero."""


def of_account(program: Program, distributor: Distributor) -> Proven:
    """Hold a balance against all entries of its account. Reads every one of them."""
    holder = distributors.holder(program, distributor)
    for _ in range(_TRIES):
        item = service.balance_item(holder)
        stands = item.balance()
        booked = service.booked_before(holder, stands)
        entries = list(ledger.all_of(holder))
        if service.balance_item(holder).revision == item.revision:
            break
    since = rules.since(stands)
    tail = [
        e for e in entries if not e.kind.of_withdrawal and (since is None or program.local_day(e.moves_at) >= since)
    ]
    balance = rules.as_of_now(stands, tail, booked, program.timezone)
    totals = _totals(entry for entry in entries if _is_listed(entry, stands, program.timezone))
    differences = [
        Difference(f"balance_{account}", distributor.distributor_id, totals[account], amount)
        for account, amount in _amounts(balance).items()
        if totals[account] != amount
    ]
    return Proven(entries, balance, differences, totals)


def _is_listed(entry: Entry, stands: Balance, timezone: str) -> bool:
    at_once = entry.kind.of_withdrawal or entry.available_at is None
    return at_once or rules.is_settled(entry, stands.settled_day, stands.cutoff, timezone)


def _totals(lines: Iterable[Entry]) -> Counter[Account]:
    totals: Counter[Account] = Counter()
    for line in lines:
        totals[line.credit] += line.amount_minor
        totals[line.debit] -= line.amount_minor
    return totals


def _amounts(balance: Balance) -> Mapping[Account, int]:
    return {
        Account.PENDING: balance.pending_minor,
        Account.AVAILABLE: balance.available_minor,
        Account.HELD: balance.held_minor,
        Account.PAID_OUT: balance.paid_out_minor,
        Account.TAX_PAYABLE: balance.tax_minor,
        Account.FEE: balance.fee_minor,
    }
