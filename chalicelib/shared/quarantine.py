"""Records that couldn't be processed, kept whole with the reason, so that they block nobody and are lost to nobody.

Table `ops`: pk=`quarantine#{program}`, sk=`{source}#{key}`: one row for a thing that can't be processed, however
often it is delivered. Once it could be, the row stays and says since when; it counts no more.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pynamodb.attributes import UnicodeAttribute

from chalicelib.shared import clock, log
from chalicelib.shared.tables import JsonAttribute, Key, Table, page
from chalicelib.shared.value import Value


class Quarantined(Value):
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
    released_at = UnicodeAttribute(null=True)


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
    ).put_if(QuarantineItem.pk.does_not_exist() | QuarantineItem.released_at.exists())
    log.error("quarantined", trace=True, program_id=program_id, source=source, key=key)
    log.count("Quarantined", program_id=program_id)


def release(program_id: str, quarantine_id: str) -> None:
    """Note that a record could be processed after all. A repeat changes nothing."""
    item = _item(program_id, quarantine_id)
    if item is not None and item.released_at is None:
        item.released_at = clock.stored(clock.now())
        item.put_if(QuarantineItem.at == item.at)


def find(program_id: str, quarantine_id: str) -> Quarantined | None:
    """A record that can't be processed; None: there is no such one, or it could be since."""
    item = _item(program_id, quarantine_id)
    return None if item is None or item.released_at is not None else _quarantined(item)


def keys_of(program_id: str, source: str) -> set[str]:
    """What of a program's can't be processed, by a source's keys; mostly nothing."""
    items = QuarantineItem.query(f"quarantine#{program_id}", QuarantineItem.sk.startswith(f"{source}#"))
    return {item.key for item in items if item.released_at is None}


def is_any(program_id: str) -> bool:
    """Whether anything of a program's can't be processed."""
    items = QuarantineItem.query(f"quarantine#{program_id}", consistent_read=True)
    return any(item.released_at is None for item in items)


def listed(program_id: str, limit: int, place: Key | None) -> tuple[list[Quarantined], Key | None]:
    """A program's records that can't be processed, by source and key, and where the list goes on."""
    rows = QuarantineItem.query(f"quarantine#{program_id}", last_evaluated_key=place)
    items, further = page(rows, limit, lambda item: item.released_at is None)
    return [_quarantined(item) for item in items], further


def _item(program_id: str, quarantine_id: str) -> QuarantineItem | None:
    source, _, key = quarantine_id.partition(":")
    return QuarantineItem.find(f"quarantine#{program_id}", f"{source}#{key}", consistent=True)


def _quarantined(item: QuarantineItem) -> Quarantined:
    return Quarantined(
        f"{item.source}:{item.key}", item.source, item.key, item.reason, clock.read(item.at), item.record
    )
