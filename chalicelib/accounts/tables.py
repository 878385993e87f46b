"""The `accounts` table. Balances and adjustments change; all else is put if absent and never changed.

| pk                                   | sk                    | item                                               |
|--------------------------------------|-----------------------|----------------------------------------------------|
| `{program}#{distributor}#{currency}` | `balance`             | where the money stands                             |
| `{program}#{distributor}#{currency}` | `s#{day}`             | what the settlement of a day booked                |
| `{program}#settled`                  | `{day}`               | that a day is settled for everybody                |
| `{program}#settling#{day}`           | distributor id or `-` | that the part after this distributor is settled    |
| `{program}#adjustments`              | adjustment id         | an adjustment                                      |
| `{program}#asked`                    | digest                | which adjustment an Idempotency-Key has asked for  |
"""

from datetime import date
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.accounts.model import Adjustment, AdjustmentKind, AdjustmentStatus, Balance, Days, Sums
from chalicelib.shared import clock
from chalicelib.shared.tables import JsonAttribute, Revised, Table


class AccountsTable(Table):
    """What all items of the table share."""

    room = "accounts"


class BalanceItem(AccountsTable, Revised):
    """A balance, in minor units."""

    class Meta:
        """pynamodb's."""

    accrued = NumberAttribute(default=0)
    released = NumberAttribute(default=0)
    available = NumberAttribute(default=0)
    held = NumberAttribute(default=0)
    paid_out = NumberAttribute(default=0)
    tax = NumberAttribute(default=0)
    fee = NumberAttribute(default=0)
    settled_day = UnicodeAttribute(null=True)
    cutoff = UnicodeAttribute(null=True)
    asked = JsonAttribute(default=dict)
    """Of each Idempotency-Key of the last 24 hours: what it asked for (both digests), what that made, and when."""

    def balance(self) -> Balance:
        """The item as the room's noun."""
        return Balance(
            int(self.accrued),
            int(self.released),
            int(self.available),
            int(self.held),
            int(self.paid_out),
            int(self.tax),
            int(self.fee),
            None if self.settled_day is None else clock.day(self.settled_day),
            None if self.cutoff is None else clock.read(self.cutoff),
        )

    def becomes(self, balance: Balance) -> None:
        """Take what a balance says."""
        self.accrued, self.released = balance.accrued_minor, balance.released_minor
        self.available, self.held = balance.available_minor, balance.held_minor
        self.paid_out, self.tax, self.fee = balance.paid_out_minor, balance.tax_minor, balance.fee_minor
        self.settled_day = None if balance.settled_day is None else balance.settled_day.isoformat()
        self.cutoff = None if balance.cutoff is None else clock.stored(balance.cutoff)


class SettlementItem(AccountsTable):
    """What the settlement of a day booked: by day, accrued, released, added and taken."""

    class Meta:
        """pynamodb's."""

    booked = JsonAttribute(attr_name="b")

    def days(self) -> Days:
        """The item as the rules take it."""
        return {clock.day(day): Sums(*amounts) for day, amounts in self.booked.items()}


class SettledItem(AccountsTable):
    """That a day is settled for everybody, by what was decided before `cutoff`."""

    class Meta:
        """pynamodb's."""

    cutoff = UnicodeAttribute()
    settled_at = UnicodeAttribute()
    counts = JsonAttribute()


class PartItem(AccountsTable):
    """That the distributors after one, as many as a part has, are settled, and what that came to."""

    class Meta:
        """pynamodb's."""

    counts = JsonAttribute()


class AdjustmentItem(AccountsTable, Revised):
    """An adjustment."""

    class Meta:
        """pynamodb's."""

    distributor_id = UnicodeAttribute()
    kind = UnicodeAttribute()
    amount_minor = NumberAttribute(attr_name="amount")
    currency = UnicodeAttribute()
    reason = UnicodeAttribute()
    status = UnicodeAttribute()
    requested_by = UnicodeAttribute()
    requested_at = UnicodeAttribute()
    approved_by = UnicodeAttribute(null=True)
    approved_at = UnicodeAttribute(null=True)
    available_at = UnicodeAttribute(null=True)

    def adjustment(self) -> Adjustment:
        """The item as the room's noun."""
        return Adjustment(
            self.sk,
            self.pk.partition("#")[0],
            self.distributor_id,
            AdjustmentKind(self.kind),
            int(self.amount_minor),
            self.currency,
            self.reason,
            AdjustmentStatus(self.status),
            self.requested_by,
            clock.read(self.requested_at),
            self.approved_by,
            None if self.approved_at is None else clock.read(self.approved_at),
            None if self.available_at is None else clock.read(self.available_at),
        )


class AskedItem(AccountsTable):
    """Which adjustment an Idempotency-Key has asked for, and in what words (a digest)."""

    class Meta:
        """pynamodb's."""

    content = UnicodeAttribute()
    adjustment_id = UnicodeAttribute()


def account_pk(program_id: str, distributor_id: str, currency: str) -> str:
    """The partition of a distributor's account."""
    return f"{program_id}#{distributor_id}#{currency}"


def settlement_sk(day: date) -> str:
    """The key of a day's settlement in its account's partition."""
    return f"s#{day.isoformat()}"


def settlement_item(pk: str, last: date, booking: Days) -> SettlementItem:
    """A settlement as an item."""
    booked: dict[str, Any] = {
        day.isoformat(): [sums.accrued_minor, sums.released_minor, sums.added_minor, sums.taken_minor]
        for day, sums in booking.items()
    }
    return SettlementItem(pk, settlement_sk(last), booked=booked)


def settled_pk(program_id: str) -> str:
    """The partition of a program's settled days."""
    return f"{program_id}#settled"


def settling_pk(program_id: str, last: date) -> str:
    """The partition of the parts in which the days up to one were settled."""
    return f"{program_id}#settling#{last.isoformat()}"


def adjustments_pk(program_id: str) -> str:
    """The partition of a program's adjustments."""
    return f"{program_id}#adjustments"


def asked_pk(program_id: str) -> str:
    """The partition of the Idempotency-Keys of a program's adjustments."""
    return f"{program_id}#asked"
