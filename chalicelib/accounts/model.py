"""The nouns of accounts: where a distributor's money stands, what moves it, and what people correct by hand."""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec.structs import replace

from chalicelib.ledger.model import Account, Kind
from chalicelib.shared.value import Value


class Balance(Value):
    """Where a distributor's money stands, in minor units.

    `accrued_minor` is what was accrued less what was clawed back while pending, `released_minor` what of it became
    available: the difference is pending. `available_minor` may be negative: more was taken back than was left.
    """

    accrued_minor: int = 0
    released_minor: int = 0
    available_minor: int = 0
    held_minor: int = 0
    paid_out_minor: int = 0
    tax_minor: int = 0
    fee_minor: int = 0
    settled_day: date | None = None
    """The day up to which entries are in it, by the last settlement that had something to book; None: none had."""
    cutoff: datetime | None = None
    """What was decided before this instant is in it."""

    @property
    def pending_minor(self) -> int:
        """Accrued and not available yet."""
        return self.accrued_minor - self.released_minor

    @property
    def paid_minor(self) -> int:
        """What withdrawals have paid, gross of fee and tax."""
        return self.paid_out_minor + self.tax_minor + self.fee_minor

    @property
    def debt_minor(self) -> int:
        """How far available is below zero."""
        return max(0, -self.available_minor)

    def moved(self, move: "Move") -> "Balance":
        """The balance after a move. Raises KeyError for an account that only settlements move."""
        debit, credit = _MOVABLE[move.debit], _MOVABLE[move.credit]
        changed = {debit: getattr(self, debit) - move.amount_minor, credit: getattr(self, credit) + move.amount_minor}
        return replace(self, **changed)


_MOVABLE: Final[Mapping[Account, str]] = {
    Account.AVAILABLE: "available_minor",
    Account.HELD: "held_minor",
    Account.PAID_OUT: "paid_out_minor",
    Account.TAX_PAYABLE: "tax_minor",
    Account.FEE: "fee_minor",
}
"""Which amount of a balance each account is."""


class Move(Value):
    """Money of a withdrawal that moves at once from one of a distributor's accounts to another."""

    kind: Kind
    debit: Account
    credit: Account
    amount_minor: int


class Sums(Value):
    """What entries come to, in minor units."""

    accrued_minor: int = 0
    """Accruals less clawbacks of pending money."""
    released_minor: int = 0
    added_minor: int = 0
    """Adjustments that add."""
    taken_minor: int = 0
    """Clawbacks of available money, and adjustments that take."""

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, name) + getattr(other, name) for name in Sums.__struct_fields__))

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, name) - getattr(other, name) for name in Sums.__struct_fields__))

    def __bool__(self) -> bool:
        return self != Sums()


Days = Mapping[date, Sums]
"""Sums by the local day on which the money moves: that of the decision, or the bucket."""


class AdjustmentKind(StrEnum):
    """What an adjustment is for."""

    CORRECTION = "correction"
    """An operator adds or takes, with a reason."""
    WRITE_OFF = "write_off"
    """The program gives up a debt."""


class AdjustmentStatus(StrEnum):
    """Where an adjustment stands."""

    REQUESTED = "requested"
    APPROVED = "approved"


class Adjustment(Value):
    """Money that an operator adds to a distributor's account, or takes from it, once another one approves."""

    adjustment_id: str
    program_id: str
    distributor_id: str
    kind: AdjustmentKind
    amount_minor: int
    """Negative: taken."""
    currency: str
    reason: str
    status: AdjustmentStatus
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    approved_at: datetime | None
    available_at: datetime | None
    """The midnight whose settlement books it."""


class AdjustmentFilter(Value):
    """Which adjustments a list shows; None: all."""

    status: AdjustmentStatus | None = None
    distributor_id: str | None = None

    def takes(self, adjustment: Adjustment) -> bool:
        """Whether the list shows this one."""
        of_status = self.status in (None, adjustment.status)
        return of_status and self.distributor_id in (None, adjustment.distributor_id)
