"""The `levels` table. What is decided is put if absent and never changed.

| pk                         | sk                    | item                                                          |
|----------------------------|-----------------------|---------------------------------------------------------------|
| `{program}#{distributor}`  | `{day}#grant`         | a rank given by hand that holds from that day; the last wins  |
| `{program}#{distributor}`  | `{day}#rank`          | the standing of a day, kept where something was decided       |
| `{program}#close`          | `{day}`               | that the ranks of a day are decided for everybody             |
| `{program}#walk#{day}`     | distributor id or `-` | that the part after this distributor is done                  |

Index `by_change`: `{program}#{month}#{shard}` and `{day}#{distributor}`, of standings that belong in the list of
changes.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.ledger.model import Volume
from chalicelib.levels.model import Cause, Grant, Standing, Sums
from chalicelib.shared import clock
from chalicelib.shared.tables import JsonAttribute, Revised, Table


class LevelsTable(Table):
    """What all items of the table share."""

    room = "levels"


class ByChange(GlobalSecondaryIndex[Any]):
    """Changes of rank by month, spread over shards."""

    class Meta:
        """pynamodb's."""

        index_name = "by_change"
        projection = AllProjection()

    changes = UnicodeAttribute(hash_key=True)
    changed = UnicodeAttribute(range_key=True)


class StandingItem(LevelsTable):
    """A standing as it was decided, or (`body` has an `actor`) a grant: both are found by one query."""

    class Meta:
        """pynamodb's."""

    by_change = ByChange()
    body = JsonAttribute(attr_name="b")
    changes = UnicodeAttribute(null=True)
    changed = UnicodeAttribute(null=True)

    @property
    def day(self) -> date:
        """The day it is about."""
        return clock.day(self.sk.partition("#")[0])

    @property
    def is_grant(self) -> bool:
        """Whether it is a grant."""
        return self.sk.endswith("#grant")


class GrantItem(LevelsTable, Revised):
    """A grant; another one on the same day replaces it, and the audit log keeps both."""

    class Meta:
        """pynamodb's."""

    body = JsonAttribute(attr_name="b")
    done = JsonAttribute(default=dict)
    """Of each Idempotency-Key that asked for a grant that day (as digest): the digest of what it asked for."""


class CloseItem(LevelsTable):
    """That every rank of a day is decided."""

    class Meta:
        """pynamodb's."""

    cutoff = UnicodeAttribute()
    """What was decided from this instant on wasn't counted: it counts the next time."""
    closed_at = UnicodeAttribute()
    counts = JsonAttribute()


class PartItem(LevelsTable):
    """That the distributors after one, as many as a part has, are decided, and what that came to."""

    class Meta:
        """pynamodb's."""

    counts = JsonAttribute()


def distributor_pk(program_id: str, distributor_id: str) -> str:
    """The partition of a distributor's standings and grants."""
    return f"{program_id}#{distributor_id}"


def close_pk(program_id: str) -> str:
    """The partition of a program's closes."""
    return f"{program_id}#close"


def walk_pk(program_id: str, day: date) -> str:
    """The partition of the parts in which the ranks up to a day were decided."""
    return f"{program_id}#walk#{day.isoformat()}"


def changes_pk(program_id: str, month: date, shard: int) -> str:
    """A shard of a month's changes in the index."""
    return f"{program_id}#{month:%Y-%m}#{shard}"


def standing_item(program_id: str, distributor_id: str, standing: Standing, shard: int) -> StandingItem:
    """A standing as an item, in this shard of its month's changes if it is one."""
    sums, day = standing.sums, standing.day.isoformat()
    body = {
        "rank": standing.rank,
        "from": standing.from_rank,
        "misses": standing.misses,
        "cause": standing.cause,
        "reason": standing.reason,
        "volume": standing.volume,
        "target": standing.target,
        "plan": standing.plan_version,
        "granted": _text(standing.granted_month),
        "month": [sums.month.isoformat(), *_packed(sums.of_month)],
        "life": _packed(sums.of_life),
        "lowered": None if sums.lowered_on is None else [_text(sums.lowered_on), *_packed(sums.since_lowered)],
    }
    listed = standing.changes
    return StandingItem(
        distributor_pk(program_id, distributor_id),
        f"{day}#rank",
        body=body,
        changes=changes_pk(program_id, standing.day, shard) if listed else None,
        changed=f"{day}#{distributor_id}" if listed else None,
    )


def standing_of(item: StandingItem) -> Standing:
    """The standing back."""
    body = item.body
    lowered_on, *since_lowered = body["lowered"] or [None, 0, 0]
    month, *of_month = body["month"]
    return Standing(
        day=item.day,
        rank=body["rank"],
        sums=Sums(
            clock.day(month),
            Volume(*of_month),
            Volume(*body["life"]),
            None if lowered_on is None else clock.day(lowered_on),
            Volume(*since_lowered),
        ),
        misses=body["misses"],
        from_rank=body["from"],
        cause=None if body["cause"] is None else Cause(body["cause"]),
        reason=body["reason"],
        volume=body["volume"],
        target=body["target"],
        plan_version=body["plan"],
        granted_month=None if body["granted"] is None else clock.day(body["granted"]),
    )


def grant_key(program_id: str, distributor_id: str, day: date) -> tuple[str, str]:
    """Where the grant that holds from a day is."""
    return distributor_pk(program_id, distributor_id), f"{day.isoformat()}#grant"


def packed_grant(grant: Grant) -> dict[str, Any]:
    """A grant's body."""
    return {"rank": grant.rank, "reason": grant.reason, "actor": grant.actor}


def grant_of(item: StandingItem) -> Grant:
    """The grant back."""
    return Grant(item.day, item.body["rank"], item.body["reason"], item.body["actor"])


def newest_first(program_id: str, distributor_id: str, until: date | None = None) -> Iterator[StandingItem]:
    """A distributor's standings and grants, newest first, of no later day than `until`. Read consistently.

    A page holds a few: the caller rarely needs more than the first one or two.
    """
    pk = distributor_pk(program_id, distributor_id)
    last = StandingItem.sk <= f"{'9999' if until is None else until.isoformat()}#~"
    return StandingItem.query(pk, last, scan_index_forward=False, consistent_read=True, page_size=4)


def _packed(volume: Volume) -> list[int]:
    return [volume.sales_minor, volume.orders]


def _text(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
