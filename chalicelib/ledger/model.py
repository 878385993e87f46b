"""An entry is a transfer (as in TigerBeetle): one debit account, one credit account, an amount, a kind, a cause."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from chalicelib.shared import ids


@dataclass(frozen=True, slots=True)
class Volume:
    """What counted: bases in minor units, and orders. Either may be negative: what comes back counts on its own day."""

    sales_minor: int = 0
    orders: int = 0

    def __add__(self, other: "Volume") -> "Volume":
        return Volume(self.sales_minor + other.sales_minor, self.orders + other.orders)

    def __bool__(self) -> bool:
        return bool(self.sales_minor or self.orders)


class Account(StrEnum):
    """Where a distributor's money can be; `expense` is the program's side of it."""

    EXPENSE = "expense"
    PENDING = "pending"
    AVAILABLE = "available"


class Kind(StrEnum):
    """What an entry does."""

    ACCRUE = "accrue"
    """expense -> pending: a commission comes into being, or grows."""
    RELEASE = "release"
    """pending -> available: its hold is over."""
    CLAWBACK = "clawback"
    """pending or available -> expense: a refund, a cancellation or another attribution takes it back."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One immutable transfer of one distributor's money, named by its cause: order, decision `n`, tier and kind.

    `amount_minor` is never negative. Tier 1 carries what volumes are summed of: the change of the order's base in
    minor units and of its count, and the local day on which they count.
    """

    program_id: str
    distributor_id: str
    shard: int
    currency: str
    kind: Kind
    debit: Account
    credit: Account
    amount_minor: int
    order_id: str
    n: int
    tier: int
    cause: str
    at: datetime
    """When the decision was made, by the program's clock."""
    paid_at: datetime
    """When the order was paid."""
    opens: bool
    """Whether this is the first entry of an order's commission for this beneficiary."""
    available_at: datetime | None
    """The midnight at which the money of an entry on `available` moves: the first instant of its bucket."""
    counts_on: date | None = None
    base_minor: int = 0
    count: int = 0

    @property
    def entry_id(self) -> str:
        """The id that the cause names."""
        return ids.from_cause("ent", self.program_id, self.order_id, str(self.n), str(self.tier), self.kind)

    @property
    def moves_at(self) -> datetime:
        """When the money moves: at the decision, or when its bucket begins."""
        return self.available_at or self.at
