"""Proving the books: what should be there, held against what is."""

from collections.abc import Sequence

from chalicelib.ledger import tables
from chalicelib.ledger.model import Entry
from chalicelib.ledger.tables import EntryItem
from chalicelib.shared.value import Value


class Difference(Value):
    """That something isn't as it should be: of what kind, about what, and both amounts in minor units.

    `about` is the order, if the id doesn't tell it.
    """

    kind: str
    id: str
    wanted_minor: int
    found_minor: int
    about: str = ""


class Unlike(Value):
    """An entry that isn't stored as it should be; `found_minor` None: it isn't stored at all."""

    entry: Entry
    found_minor: int | None

    @property
    def difference(self) -> Difference:
        """The same as a difference."""
        entry = self.entry
        return Difference("entry", entry.entry_id, entry.amount_minor, self.found_minor or 0, entry.about)


def unlike(entries: Sequence[Entry]) -> list[Unlike]:
    """Those of these entries that aren't stored, or are stored with other content. A call for a hundred."""
    wanted = {tables.entry_key(entry): entry for entry in entries}
    stored = {(item.pk, item.sk): item for item in EntryItem.batch_get(list(wanted), consistent_read=True)}
    return [
        Unlike(entry, None if key not in stored else int(stored[key].amount_minor))
        for key, entry in wanted.items()
        if key not in stored or stored[key].serialize() != tables.entry_item(entry).serialize()
    ]
