"""The nouns of commissions.

An order's journal is a list of decisions. A decision that opens a snapshot freezes everything the order is judged by;
those after it change only targets, as refunds come and the hold begins.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

from chalicelib.catalog.model import RuleMode
from chalicelib.referrals.model import Reason
from chalicelib.shared.value import Value


class Cause(StrEnum):
    """Why a decision was made."""

    ORDER = "order"
    REFUND = "refund"
    CANCELLATION = "cancellation"
    COMPLETION = "completion"
    ATTRIBUTION = "attribution"
    LEVEL = "level"
    """The rank of the paid day was decided, and it isn't the one that the order was judged with before."""


class CommissionStatus(StrEnum):
    """Where a commission stands."""

    PENDING = "pending"
    AVAILABLE = "available"
    CLAWED_BACK = "clawed_back"
    """Back to 0 after it had accrued."""
    VOID = "void"
    """Never accrued anything."""


class ProductTerms(Value):
    """A product's rule as it was when the order was paid."""

    mode: RuleMode
    rate_bp: int
    fixed_minor: int


class Beneficiary(Value):
    """One of the chain: the seller (tier 1) or an upline. `reason`: why it can't be paid, None if it can."""

    tier: int
    distributor_id: str
    shard: int
    reason: Reason | None


class Snapshot(Value):
    """What an order is judged by, read once and frozen: plan version, the seller's track, chain, product rules."""

    plan_version: int
    track: str
    currency: str
    paid_at: datetime
    chain: tuple[Beneficiary, ...]
    products: Mapping[str, ProductTerms]
    """Rules by sku; a sku without one takes the level's rate."""
    barred: frozenset[str]
    """Skus that aren't eligible, or not for this track: their lines count for nobody."""


class Decision(Value):
    """Entry `n` of an order's journal: what should be booked from now on, and by how much that differs from before."""

    n: int
    at: datetime
    cause: Cause
    attribution: int
    """Which attribution it follows: 0 the order's own, else the number of the one by hand."""
    distributor_id: str | None
    """Who is credited; None: nobody, for `reason`."""
    reason: Reason
    opened_by: int
    """The decision whose snapshot it is under: its own `n` if it opens one."""
    snapshot: Snapshot | None
    """Set where it opens one that credits somebody."""
    rank: int | None
    """The seller's rank on the day the order was paid."""
    targets: tuple[int, ...]
    """What should be booked, per tier of the chain, in minor units."""
    deltas: tuple[int, ...]
    exact: tuple[int, ...]
    """The targets before floor and cap, in ten-thousandths of a minor unit."""
    base_minor: int
    base_delta: int
    count: int
    """1 if anything of the order is left to count, else 0."""
    count_delta: int
    counts_on: date
    """The local day on which the change counts for volumes."""
    available_at: datetime | None
    """The midnight at which the money is available, once that is known; stays as first decided."""
    rank_decided: bool = True
    """Whether the rank was decided already; else it is what was known then, and the order is judged again."""
    withdrawn: bool = False
    """Whether it takes everything back because another attribution follows."""

    @property
    def opens(self) -> bool:
        """Whether it is the first under its snapshot."""
        return self.opened_by == self.n

    @property
    def credited(self) -> bool:
        """Whether somebody is credited."""
        return self.distributor_id is not None

    @property
    def booked(self) -> bool:
        """Whether anything stands booked, as money or as volume."""
        return bool(self.base_minor or self.count or any(self.targets))


Journal = Sequence[Decision]


class Share(Value):
    """One line's part of a tier's commission. `exact`: ten-thousandths of a minor unit, before the floor."""

    line_id: str
    base_minor: int
    rule: str
    """`level`, or the mode of the product's rule."""
    rate_bp: int
    fixed_minor: int
    exact: int


class TierTarget(Value):
    """What one tier should get of an order, and how that comes about."""

    tier: int
    target_minor: int
    exact: int
    shares: tuple[Share, ...]


class Target(Value):
    """What should be booked for an order."""

    base_minor: int
    tiers: tuple[TierTarget, ...]

    @property
    def amounts(self) -> tuple[int, ...]:
        """The amount per tier, in minor units."""
        return tuple(tier.target_minor for tier in self.tiers)

    @property
    def count(self) -> int:
        """Whether the order counts as one."""
        return 1 if self.base_minor else 0


class Commission(Value):
    """One order's commission of one tier for one beneficiary, as it stands."""

    order_id: str
    tier: int
    distributor_id: str
    amount_minor: int
    currency: str
    status: CommissionStatus
    paid_at: datetime
    available_at: datetime | None

    @property
    def commission_id(self) -> str:
        """Names its order, tier and beneficiary, so that it is found without an index."""
        return f"com_{self.tier}_{self.distributor_id.removeprefix('dst_')}_{self.order_id}"
