"""Records that couldn't be processed, kept whole with the reason, so that they block nobody and are lost to nobody.

Table `ops`: pk=`quarantine#{program}`, sk=`{source}#{key}`: one row for a thing that can't be processed, however
often it is delivered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pynamodb.attributes import UnicodeAttribute

from chalicelib.shared import clock, log
from chalicelib.shared.tables import JsonAttribute, Key, Table, page


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One record, where it came from, and why it stands here."""

    quarantine_id: str
    source: str
    key: str
    reason: str
    at: datetime
    record: Mapping[str, Any]


class QuarantineItem(Table):
    """One quarantined record."""

    room = "ops"

    class Meta:
        """pynamodb's."""

    source = UnicodeAttribute()
    key = UnicodeAttribute()
    reason = UnicodeAttribute()
    at = UnicodeAttribute()
    record = JsonAttribute()


def keep(program_id: str, source: str, key: str, reason: str, record: Mapping[str, Any]) -> None:
    """Put a record aside and raise the metric that an alarm watches. A repeat writes nothing and still counts."""
    QuarantineItem(
        f"quarantine#{program_id}",
        f"{source}#{key}",
        source=source,
        key=key,
        reason=reason,
        at=clock.stored(clock.now()),
        record=dict(record),
    ).put_new()
    log.error("quarantined", trace=True, program_id=program_id, source=source, key=key)
    log.count("Quarantined", program_id=program_id)


def keys_of(program_id: str, source: str) -> set[str]:
    """What of a program's can't be processed, by a source's keys; mostly nothing."""
    items = QuarantineItem.query(f"quarantine#{program_id}", QuarantineItem.sk.startswith(f"{source}#"))
    return {item.key for item in items}


def is_any(program_id: str) -> bool:
    """Whether anything of a program's can't be processed."""
    return any(QuarantineItem.query(f"quarantine#{program_id}", limit=1, consistent_read=True))


def listed(program_id: str, limit: int, place: Key | None) -> tuple[list[Quarantined], Key | None]:
    """A program's quarantined records, by source and key, and where the list goes on."""
    items, further = page(QuarantineItem.query(f"quarantine#{program_id}", last_evaluated_key=place), limit)
    return [
        Quarantined(item.sk, item.source, item.key, item.reason, clock.read(item.at), item.record) for item in items
    ], further
