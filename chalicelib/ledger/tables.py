"""The `entries` table: written once, read by account. Its policy denies every other write.

pk: `{program}#{distributor}#{currency}#{shard}`, one shard of a distributor's account.

| sk                                            | item                                           |
|-----------------------------------------------|------------------------------------------------|
| `a#{decided at}#{order}#{n:04}#{tier}`        | accrue, clawback of pending                    |
| `r#{bucket's midnight}#{about}#{n:04}#{tier}` | release; an adjustment that adds               |
| `c#{bucket's midnight}#{about}#{n:04}#{tier}` | clawback of available; an adjustment that takes |
| `w#{moved at}#{withdrawal}#{n:04}#{move}`     | hold, unhold, payout, return                   |

Each list is in the order in which the money moves, so a statement is a merge, a bucket is a range, and the entries that
count on a day begin at that day.
"""

from collections.abc import Iterable
from datetime import date
from typing import Final

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.ledger.model import Account, Entry, Kind, Volume
from chalicelib.shared import clock
from chalicelib.shared.tables import Table

BOOKED: Final = "a"
RELEASED: Final = "r"
TAKEN_BACK: Final = "c"
WITHDRAWN: Final = "w"


class EntryItem(Table):
    """One entry."""

    room = "entries"

    class Meta:
        """pynamodb's."""

    kind = UnicodeAttribute()
    debit = UnicodeAttribute()
    credit = UnicodeAttribute()
    amount_minor = NumberAttribute(attr_name="amount")
    cause = UnicodeAttribute()
    at = UnicodeAttribute()
    paid_at = UnicodeAttribute()
    opens = BooleanAttribute(null=True)
    available_at = UnicodeAttribute(null=True)
    counts_on = UnicodeAttribute(null=True)
    base_minor = NumberAttribute(attr_name="base", null=True)
    orders = NumberAttribute(attr_name="count", null=True)


def account_pk(program_id: str, distributor_id: str, currency: str, shard: int) -> str:
    """One shard of a distributor's account in a currency."""
    return f"{program_id}#{distributor_id}#{currency}#{shard}"


def entry_key(entry: Entry) -> tuple[str, str]:
    """The key that the entry's cause names."""
    last = entry.move if entry.kind.of_withdrawal else entry.tier
    place = f"{clock.stored(entry.moves_at)}#{entry.about}#{entry.n:04}#{last}"
    return (
        account_pk(entry.program_id, entry.distributor_id, entry.currency, entry.shard),
        f"{_list_of(entry)}#{place}",
    )


def _list_of(entry: Entry) -> str:
    if entry.kind.of_withdrawal:
        return WITHDRAWN
    if entry.credit is Account.AVAILABLE:
        return RELEASED
    return TAKEN_BACK if entry.debit is Account.AVAILABLE else BOOKED


def entry_item(entry: Entry) -> EntryItem:
    """An entry as an item."""
    return EntryItem(
        *entry_key(entry),
        kind=entry.kind.value,
        debit=entry.debit.value,
        credit=entry.credit.value,
        amount_minor=entry.amount_minor,
        cause=entry.cause,
        at=clock.stored(entry.at),
        paid_at=clock.stored(entry.paid_at),
        opens=entry.opens or None,
        available_at=None if entry.available_at is None else clock.stored(entry.available_at),
        counts_on=None if entry.counts_on is None else entry.counts_on.isoformat(),
        base_minor=entry.base_minor if entry.tier == 1 else None,
        orders=entry.count if entry.tier == 1 else None,
    )


def volumes_between(pk: str, first: str, last: str) -> Iterable[EntryItem]:
    """What the entries between two keys count for, on which day, and when that was decided. Read consistently."""
    counted = ["at", "counts_on", "base", "count"]
    return EntryItem.query(pk, EntryItem.sk.between(first, last), consistent_read=True, attributes_to_get=counted)


def volume_of(item: EntryItem) -> Volume:
    """What an entry counts for."""
    return Volume(int(item.base_minor or 0), int(item.orders or 0))


def read_entry(item: EntryItem) -> Entry:
    """The entry back: what its key says and what it holds."""
    program_id, distributor_id, currency, shard = item.pk.split("#")
    name, _, about, n, last = item.sk.split("#")
    withdrawn = name == WITHDRAWN
    return Entry(
        program_id,
        distributor_id,
        int(shard),
        currency,
        Kind(item.kind),
        Account(item.debit),
        Account(item.credit),
        int(item.amount_minor),
        about,
        int(n),
        0 if withdrawn else int(last),
        item.cause,
        clock.read(item.at),
        clock.read(item.paid_at),
        bool(item.opens),
        None if item.available_at is None else clock.read(item.available_at),
        None if item.counts_on is None else date.fromisoformat(item.counts_on),
        int(item.base_minor or 0),
        int(item.orders or 0),
        int(last) if withdrawn else 0,
    )
