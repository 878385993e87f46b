"""Proving the books: what should be there, held against what is."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.ledger import tables
from chalicelib.ledger.model import Entry
from chalicelib.ledger.tables import EntryItem


@dataclass(frozen=True, slots=True)
class Difference:
    """That something isn't as it should be: of what kind, about what, and both amounts in minor units."""

    kind: str
    id: str
    wanted_minor: int
    found_minor: int


def differing(entries: Sequence[Entry]) -> list[Difference]:
    """Those of these entries that aren't stored, or are stored with other content. A call for a hundred."""
    wanted = {tables.entry_key(entry): entry for entry in entries}
    stored = {(item.pk, item.sk): item for item in EntryItem.batch_get(list(wanted), consistent_read=True)}
    return [
        Difference("entry", entry.entry_id, entry.amount_minor, _amount(stored.get(key)))
        for key, entry in wanted.items()
        if key not in stored or stored[key].serialize() != tables.entry_item(entry).serialize()
    ]


def _amount(item: EntryItem | None) -> int:
    return 0 if item is None else int(item.amount_minor)
