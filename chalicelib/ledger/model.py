"""An entry is a transfer (as in TigerBeetle): one debit account, one credit account, an amount, a kind, a cause."""

from datetime import date, datetime
from enum import StrEnum

from chalicelib.shared import ids
from chalicelib.shared.value import Value


class Volume(Value):
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
    HELD = "held"
    PAID_OUT = "paid_out"
    TAX_PAYABLE = "tax_payable"
    FEE = "fee"


class Kind(StrEnum):
    """What an entry does."""

    ACCRUE = "accrue"
    """expense -> pending: a commission comes into being, or grows."""
    RELEASE = "release"
    """pending -> available: its hold is over."""
    CLAWBACK = "clawback"
    """pending or available -> expense: a refund, a cancellation or another attribution takes it back."""
    ADJUST = "adjust"
    """expense -> available, or back: people correct what the rules couldn't know."""
    HOLD = "hold"
    """available -> held: a withdrawal is asked for."""
    UNHOLD = "unhold"
    """held -> available: it doesn't come to a payment."""
    PAYOUT = "payout"
    """held -> paid out, tax payable, fee: the money has arrived."""
    RETURN = "return"
    """paid out, tax payable, fee -> available: the bank sent it back."""

    @property
    def of_withdrawal(self) -> bool:
        """Whether it moves the money of a withdrawal: at once, where the other kinds wait for a settlement."""
        return self in (Kind.HOLD, Kind.UNHOLD, Kind.PAYOUT, Kind.RETURN)


class Entry(Value):
    """One immutable transfer of one distributor's money, named by its cause: what it is about, step `n`, tier and kind.

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
    about: str
    """An order, a withdrawal or an adjustment."""
    n: int
    """The number of the order's decision, or of the withdrawal's step."""
    tier: int
    """0 where it isn't about an order."""
    cause: str
    at: datetime
    """When the decision was made, by the program's clock."""
    paid_at: datetime
    """When the order was paid; `at` where it isn't about an order."""
    opens: bool
    """Whether this is the first entry of an order's commission for this beneficiary."""
    available_at: datetime | None
    """The midnight at which the money of an entry on `available` moves: the first instant of its bucket."""
    counts_on: date | None = None
    base_minor: int = 0
    count: int = 0
    move: int = 0
    """Which of the moves of a withdrawal's step."""

    @property
    def entry_id(self) -> str:
        """The id that the cause names."""
        place = self.move if self.kind.of_withdrawal else self.tier
        return ids.from_cause("ent", self.program_id, self.about, str(self.n), str(place), self.kind)

    @property
    def moves_at(self) -> datetime:
        """When the money moves: at the decision, or when its bucket begins."""
        return self.available_at or self.at
