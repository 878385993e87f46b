"""Which version of a sku is in force, and which may be added."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from chalicelib.catalog.model import NoRule, ProductRule, Version
from chalicelib.shared.errors import Code, Conflict, Invalid

CHANGES_MAX: Final = 200
"""How many versions a sku, and how many changes of owner a coupon, may have."""


def in_force(versions: Sequence[Version], at: datetime) -> ProductRule | None:
    """The rule in force at an instant: the latest to take effect; of two at one instant the later told."""
    begun = [version for version in versions if version.effective_at <= at]
    last = max(reversed(begun), key=lambda version: version.effective_at, default=None)
    return last if isinstance(last, ProductRule) else None


def shown(versions: Sequence[Version], now: datetime) -> ProductRule | None:
    """The rule that stands for the sku: the one in force, else the next to take effect. None: there is neither."""
    later = [version for version in versions if isinstance(version, ProductRule) and version.effective_at > now]
    return in_force(versions, now) or min(later, key=lambda rule: rule.effective_at, default=None)


def add(versions: Sequence[Version], rule: ProductRule, now: datetime) -> tuple[Version, ...]:
    """The versions with one more, or unchanged if `rule` is what they say of its `effective_at` already.

    Raises Invalid `effective_in_the_past` (only a sku's first may be), Conflict `too_many_changes`.
    """
    if _holds(versions, rule):
        return tuple(versions)
    if versions and rule.effective_at < now:
        raise Invalid(Code.EFFECTIVE_IN_THE_PAST, "Only a product's first rule may take effect in the past.")
    return (*_with_room(versions), rule)


def end(versions: Sequence[Version], now: datetime) -> tuple[Version, ...]:
    """The versions of a sku that has no rule from `now` on: what was to take effect later, never does.

    Raises Conflict `too_many_changes`.
    """
    begun = [version for version in versions if version.effective_at <= now]
    return (*_with_room(begun), NoRule(now))


def owner_at(owners: Sequence[tuple[datetime, str | None]], at: datetime) -> str | None:
    """Whose a coupon was at an instant; of two changes at one instant the later. None: nobody's."""
    return next((owner for since, owner in reversed(owners) if since <= at), None)


def _holds(versions: Sequence[Version], rule: ProductRule) -> bool:
    """Whether the versions already say `rule`, and the sku hasn't lost its rule since."""
    since = versions[versions.index(rule) :] if rule in versions else ()
    ended = any(isinstance(version, NoRule) for version in since)
    return not ended and in_force(versions, rule.effective_at) == rule


def _with_room(versions: Sequence[Version]) -> Sequence[Version]:
    if len(versions) >= CHANGES_MAX:
        raise too_many_changes()
    return versions


def too_many_changes() -> Conflict:
    """No more is kept of one thing."""
    return Conflict(Code.TOO_MANY_CHANGES, f"This has been changed {CHANGES_MAX} times, and no more is kept.")
