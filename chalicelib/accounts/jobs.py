"""Settling: booking everybody's entries of the days that are due, in parts that can be repeated.

What a settlement books is named by distributor and day, so a part done twice, or by two at once, ends the same.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Final

from msgspec.structs import asdict

from chalicelib.accounts import rules, service, tables
from chalicelib.accounts.model import Sums
from chalicelib.accounts.tables import PartItem, SettledItem, SettlementItem
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.ledger import service as ledger
from chalicelib.programs.model import Program
from chalicelib.shared import clock
from chalicelib.shared.tables import Put, Refused, changed_meanwhile, transact
from chalicelib.shared.value import Value

AFTER_MIDNIGHT: Final = timedelta(hours=2)
"""How long after a day's first midnight it is settled: the money has to be available two hours later."""

_ATTEMPTS: Final = 5
"""How often a settlement is tried that something else was faster than."""
_DAY: Final = timedelta(days=1)

Counts = Mapping[str, int]
"""How many were looked at, how many had something to book, and what that came to, in minor units."""


class Settling(Value):
    """The days `first` to `last`, settled by what was decided before `cutoff`: whoever repeats it goes by the same."""

    first: date
    last: date
    cutoff: datetime


class Due(Value):
    """That a day can be settled from `at` on."""

    day: date
    at: datetime


def next_due(program: Program) -> Due:
    """What is settled next, be it due yet or not. On the day a program was made nothing is to be settled."""
    day = (last_settled(program) or program.created_day) + _DAY
    return Due(day, due_at(program, day))


def last_settled(program: Program) -> date | None:
    """The last day that is settled for everybody."""
    pk = tables.settled_pk(program.program_id)
    newest = SettledItem.query(pk, scan_index_forward=False, limit=1, consistent_read=True)
    return next((clock.day(item.sk) for item in newest), None)


def due_at(program: Program, day: date) -> datetime:
    """The instant from which a day can be settled."""
    return program.midnight(day) + AFTER_MIDNIGHT


parts: Final = distributors.parts
"""After whom each part begins."""


def settle_part(program: Program, settling: Settling, after: str) -> None:
    """Settle the part after a distributor, and note that it is done."""
    looked_at, booked = 0, []
    for distributor in distributors.in_part(program.program_id, after):
        looked_at += 1
        sums = settle(program, distributor, settling)
        booked += [] if sums is None else [sums]
    counts = {"distributors": looked_at, "settled": len(booked), **asdict(sum(booked, Sums()))}
    PartItem(tables.settling_pk(program.program_id, settling.last), after, counts=counts).put_new()


def settle(program: Program, distributor: Distributor, settling: Settling) -> Sums | None:
    """Book what a distributor's entries come to and no settlement has booked yet, in one transaction with the balance.

    What the settlement of that day has booked, now or before; None: nothing. Four write units, none where nothing
    moved. Raises Conflict `changed_meanwhile`: somebody else was faster, again and again.
    """
    holder = distributors.holder(program, distributor)
    for _ in range(_ATTEMPTS):
        item = service.balance_item(holder)
        stands = item.balance()
        if stands.settled_day is not None and stands.settled_day >= settling.last:
            # Days are settled in their order. A worker that comes after that finds the day done, and leaves it so.
            return _booked(item.pk, settling.last)
        begins, ends = service.read_again_from(program, stands), service.midnight_after(program, settling.last)
        entries = chain(ledger.accrued(holder, begins, ends), ledger.bucketed(holder, begins, ends))
        wanted = rules.sums_of((one for one in entries if one.at < settling.cutoff), program.timezone)
        due = rules.due(wanted, service.booked_before(holder, stands), settling.last) if wanted else {}
        if not due:
            return None
        item.becomes(rules.settled(stands, due, settling.last, settling.cutoff))
        try:
            transact(Put(item, item.next_revision()), Put(tables.settlement_item(item.pk, settling.last, due)))
        except Refused:
            continue  # a withdrawal, or another worker, was faster
        return rules.total(due)
    raise changed_meanwhile()


def _booked(pk: str, last: date) -> Sums | None:
    item = SettlementItem.find(pk, tables.settlement_sk(last), consistent=True)
    return None if item is None else rules.total(item.days())


def parts_done(program_id: str, last: date) -> set[str]:
    """After whom the parts begin that are done."""
    done = PartItem.query(tables.settling_pk(program_id, last), attributes_to_get=["sk"], consistent_read=True)
    return {item.sk for item in done}


def finish(program: Program, settling: Settling) -> Counts:
    """Note that days are settled for everybody, once all parts are done; what they came to."""
    counts = {"distributors": 0, "settled": 0, **asdict(Sums())}
    for part in PartItem.query(tables.settling_pk(program.program_id, settling.last), consistent_read=True):
        counts = {name: count + part.counts[name] for name, count in counts.items()}
    cutoff, settled_at = clock.stored(settling.cutoff), clock.stored(program.now())
    for number in range(settling.first.toordinal(), settling.last.toordinal() + 1):
        day = date.fromordinal(number)
        key = (tables.settled_pk(program.program_id), day.isoformat())
        of_day = counts if day == settling.last else {}
        SettledItem(*key, cutoff=cutoff, settled_at=settled_at, counts=of_day).put_new()
    return counts
