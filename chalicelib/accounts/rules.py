"""What a settlement books: what the entries come to, less what was booked of them before.

Pure. Target-based, so a settlement that is done twice, late, or after an entry that a crash had left out, books the
same in sum.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Final

from msgspec.structs import replace

from chalicelib.accounts.model import Balance, Days, Sums
from chalicelib.ledger.model import Account, Entry, Kind
from chalicelib.shared import clock

DAYS_READ_AGAIN: Final = 3
"""The last settled day and those before it whose entries a settlement reads again, for those that were put late."""


def since(balance: Balance) -> date | None:
    """The first day whose entries the next settlement of an account reads; None: there was none, so from the first on.

    What a settlement booked of earlier days is never looked at again.
    """
    if balance.settled_day is None:
        return None
    return balance.settled_day - timedelta(days=DAYS_READ_AGAIN - 1)


def is_settled(entry: Entry, last: date | None, cutoff: datetime | None, timezone: str) -> bool:
    """Whether a settlement up to a day, by what was decided before an instant, takes an entry."""
    if last is None or cutoff is None:
        return False
    return entry.at < cutoff and clock.local_day(entry.moves_at, timezone) <= last


def sums_of(entries: Iterable[Entry], timezone: str) -> dict[date, Sums]:
    """What entries come to, by day. Those of withdrawals move at once, and are none of a settlement's."""
    found: defaultdict[date, Sums] = defaultdict(Sums)
    for entry in entries:
        found[clock.local_day(entry.moves_at, timezone)] += _sums_of(entry)
    return dict(found)


def _sums_of(entry: Entry) -> Sums:
    amount = entry.amount_minor
    if entry.kind is Kind.RELEASE:
        return Sums(released_minor=amount)
    if entry.credit is Account.AVAILABLE:
        return Sums(added_minor=amount)
    if entry.debit is Account.AVAILABLE:
        return Sums(taken_minor=amount)
    return Sums(accrued_minor=amount if entry.kind is Kind.ACCRUE else -amount)


def total(days: Days) -> Sums:
    """All days together."""
    return sum(days.values(), Sums())


def booked(bookings: Iterable[Days], first: date | None) -> dict[date, Sums]:
    """What settlements have booked of the days from `first` on."""
    found: defaultdict[date, Sums] = defaultdict(Sums)
    for booking in bookings:
        for day, sums in booking.items():
            if first is None or day >= first:
                found[day] += sums
    return dict(found)


def due(wanted: Days, done: Days, last: date) -> dict[date, Sums]:
    """What is left to book: what entries come to, less what was booked, by the days that will be read again.

    What is older than those is booked as one, under the last day before them.
    """
    older = last - timedelta(days=DAYS_READ_AGAIN)
    left: defaultdict[date, Sums] = defaultdict(Sums)
    for day in sorted({*wanted, *done}):
        left[max(day, older)] += wanted.get(day, Sums()) - done.get(day, Sums())
    return {day: sums for day, sums in left.items() if sums}


def with_sums(balance: Balance, sums: Sums) -> Balance:
    """The balance with what settled entries come to."""
    return replace(
        balance,
        accrued_minor=balance.accrued_minor + sums.accrued_minor,
        released_minor=balance.released_minor + sums.released_minor,
        available_minor=balance.available_minor + sums.released_minor + sums.added_minor - sums.taken_minor,
    )


def settled(balance: Balance, booking: Days, last: date, cutoff: datetime) -> Balance:
    """The balance once what is due is booked."""
    return replace(with_sums(balance, total(booking)), settled_day=last, cutoff=cutoff)


def as_of_now(balance: Balance, entries: Iterable[Entry], done: Days, timezone: str) -> Balance:
    """The balance as it is told: with the entries that the statement lists and no settlement has booked yet.

    Those are what was accrued since; and, after a crash, what was put later than the settlement that should have it.
    """
    listed = (
        entry
        for entry in entries
        if entry.available_at is None or is_settled(entry, balance.settled_day, balance.cutoff, timezone)
    )
    return with_sums(balance, total(sums_of(listed, timezone)) - total(done))


def unsettled_adjustments(balance: Balance, entries: Iterable[Entry], timezone: str) -> int:
    """What approved adjustments will change of available once they are settled, in minor units."""
    waiting = (
        entry
        for entry in entries
        if entry.kind is Kind.ADJUST and not is_settled(entry, balance.settled_day, balance.cutoff, timezone)
    )
    sums = total(sums_of(waiting, timezone))
    return sums.added_minor - sums.taken_minor
