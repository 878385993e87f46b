"""The `catalog` table.

| pk                   | sk               | item                                                             |
|----------------------|------------------|------------------------------------------------------------------|
| `{program}`          | `product#{sku}`  | a sku's versions                                                 |
| `{program}`          | `coupon#{CODE}`  | a coupon and whose it has been                                   |
| `{program}#products` | ULID # sku       | that a sku has come, and when: for the list, newest first        |
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chalicelib.catalog.model import NoRule, Product, ProductRule, RuleMode, Version
from chalicelib.shared import clock
from chalicelib.shared.tables import JsonAttribute, Revised, Table


class CatalogTable(Table):
    """What all items of the table share."""

    room = "catalog"


class ProductItem(CatalogTable, Revised):
    """A sku. `versions` in the order in which they were told; one without `mode` says: no rule."""

    class Meta:
        """pynamodb's."""

    versions = JsonAttribute(default=list)

    @property
    def sku(self) -> str:
        """The sku, which the key holds."""
        return self.sk.partition("#")[2]

    def product(self) -> Product:
        """The item as the room's noun."""
        return Product(self.sku, tuple(_version(self.sku, kept) for kept in self.versions))

    def keep(self, versions: Iterable[Version]) -> None:
        """Take versions as the item keeps them."""
        self.versions = [_kept(version) for version in versions]


class CouponItem(CatalogTable, Revised):
    """A coupon. `owners`: list of [since, distributor or null], oldest first."""

    class Meta:
        """pynamodb's."""

    owners = JsonAttribute(default=list)

    @property
    def code(self) -> str:
        """The coupon's code, which the key holds."""
        return self.sk.partition("#")[2]

    def history(self) -> list[tuple[datetime, str | None]]:
        """Its owners and since when, oldest first."""
        return [(clock.read(since), owner) for since, owner in self.owners]


class ListedItem(CatalogTable):
    """A sku's place in the list of products."""

    class Meta:
        """pynamodb's."""


def _kept(version: Version) -> dict[str, Any]:
    effective_at = clock.stored(version.effective_at)
    if isinstance(version, NoRule):
        return {"effective_at": effective_at}
    return {
        "effective_at": effective_at,
        "mode": version.mode.value,
        "rate_bp": version.rate_bp,
        "fixed_minor": version.fixed_minor,
        "eligible": version.eligible,
        "tracks": version.tracks,
    }


def _version(sku: str, kept: dict[str, Any]) -> Version:
    effective_at = clock.read(kept["effective_at"])
    if "mode" not in kept:
        return NoRule(effective_at)
    return ProductRule(
        sku=sku,
        mode=RuleMode(kept["mode"]),
        rate_bp=kept["rate_bp"],
        fixed_minor=kept["fixed_minor"],
        eligible=kept["eligible"],
        tracks=None if kept["tracks"] is None else tuple(kept["tracks"]),
        effective_at=effective_at,
    )
