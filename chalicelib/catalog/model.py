"""The nouns of the catalog."""

from datetime import datetime
from enum import StrEnum

from chalicelib.shared.value import Value


class RuleMode(StrEnum):
    """How a product's amount stands to the level's: docs/plan.md, How much."""

    REPLACE = "replace"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"


class ProductRule(Value):
    """What a sku earns from `effective_at` on: base x `rate_bp` + `fixed_minor` a unit."""

    sku: str
    mode: RuleMode
    rate_bp: int
    fixed_minor: int
    eligible: bool
    tracks: tuple[str, ...] | None
    """The tracks that may sell it; None: all."""
    effective_at: datetime

    def sellable_by(self, track: str) -> bool:
        """Whether a line of it counts for a distributor of `track`."""
        return self.eligible and (self.tracks is None or track in self.tracks)


class NoRule(Value):
    """That a sku has no rule of its own from `effective_at` on."""

    effective_at: datetime


Version = ProductRule | NoRule


class Product(Value):
    """A sku's versions, in the order in which they were told."""

    sku: str
    versions: tuple[Version, ...]


class Coupon(Value):
    """A coupon code, upper case, and whose it is now."""

    code: str
    distributor_id: str
