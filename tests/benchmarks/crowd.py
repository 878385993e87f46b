"""Programs on `rocket-snail-7` to close: with a crowd of which each twentieth is alike, or with an old hand.

Nobody applies and no order is told: the items are those that the rooms' own functions make, put many at a time.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from enum import Enum, auto
from itertools import count, islice
from typing import Final

from msgspec.structs import replace

from chalicelib.access.model import Caller, Scope
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor, Status
from chalicelib.distributors.tables import ProfileItem, profile_key
from chalicelib.ledger.model import Account, Entry, Kind, Volume
from chalicelib.ledger.tables import EntryItem, entry_item
from chalicelib.levels import jobs
from chalicelib.levels.model import Standing, Sums, first_of_month
from chalicelib.levels.service import shard_of
from chalicelib.levels.tables import StandingItem, standing_item
from chalicelib.programs import service as programs
from chalicelib.programs.document import presets
from chalicelib.programs.model import Mode, NewProgram, Program
from chalicelib.shared import clock, ids

ORDINARY: Final = date(2026, 3, 31)
"""A day whose ranks the rocket alone decides."""
FIRST: Final = date(2026, 4, 1)
"""The day after it, on which the snail looks back at March."""

_BEGINS: Final = datetime.fromisoformat("2025-01-01T00:00:00+08:00")
_JOINED: Final = _BEGINS + timedelta(hours=10)
_CLOSED: Final = datetime.fromisoformat("2026-02-20T10:00:00+08:00")
_DAY: Final = timedelta(days=1)
_LIFE: Final = [date(2025, 1, 2) + timedelta(days=number) for number in range(450)]
"""The days on which the old hand has sold before: up to three days before `ORDINARY`."""


class Kin(Enum):
    """What distributors have in common."""

    RISES = auto()
    """Sells on the day before each of the two, enough to rise each time."""
    SELLS = auto()
    """Sells on both days, too little to rise."""
    FALLS = auto()
    """Has missed two months, and misses March."""
    MISSES = auto()
    """Misses its first month."""
    CLOSED = auto()
    IDLE = auto()


TWENTY: Final = (Kin.RISES, *[Kin.SELLS] * 3, Kin.FALLS, Kin.MISSES, Kin.CLOSED, *[Kin.IDLE] * 13)

_SOLD_MINOR: Final = {Kin.RISES: 300_000, Kin.SELLS: 12_000}
_HELD: Final = {Kin.FALLS: (4, 2), Kin.MISSES: (3, 0)}
"""Rank and misses at the beginning of March."""


def make_program(program_id: str, first: date = ORDINARY) -> Program:
    """A program whose ranks are decided for everybody up to the day before `first`."""
    caller = Caller("bench", Scope.PLATFORM, None)
    wanted = NewProgram(program_id, program_id, "CNY", "Asia/Shanghai", "US", Mode.TEST, _BEGINS)
    made, _ = programs.create(caller, wanted)
    programs.publish(caller, made, presets()["rocket-snail-7"], _BEGINS)
    program = programs.get(program_id)
    jobs.close(program, closing(program, first - _DAY))
    return program


def closing(program: Program, day: date) -> jobs.Closing:
    """A day that is closed when it is due."""
    return jobs.Closing(day, day, jobs.due_at(program, day))


def join(program: Program, size: int) -> Iterator[int]:
    """Put distributors, and what they sold before each of the two days. Yields how many more are there."""
    for twenty in range(0, size, len(TWENTY)):
        with (
            ProfileItem.batch_write() as profiles,
            StandingItem.batch_write() as standings,
            EntryItem.batch_write() as entries,
        ):
            for number, kin in enumerate(TWENTY, start=twenty):
                profile = _profile(program, number, closed=kin is Kin.CLOSED)
                profiles.save(profile)
                if kin in _HELD:
                    standings.save(_standing(program, profile.distributor_id, date(2026, 3, 1), *_HELD[kin]))
                for day in (ORDINARY, FIRST) if kin in _SOLD_MINOR else ():
                    sold = sale(program, profile.distributor_id, day - _DAY, 0, _SOLD_MINOR[kin])
                    entries.save(entry_item(sold))
        yield len(TWENTY)


def meet(program: Program, entries: int) -> Iterator[int]:
    """Put a newcomer, and an old hand with so many entries of days gone by; both sold a little before both days.

    Yields how many more of the entries are there.
    """
    newcomer, old_hand = (_profile(program, number) for number in range(2))
    with ProfileItem.batch_write() as profiles, EntryItem.batch_write() as sold:
        for one in (newcomer, old_hand):
            profiles.save(one)
            for day in (ORDINARY, FIRST):
                sold.save(entry_item(sale(program, one.distributor_id, day - _DAY, 0, 12_000)))
    with StandingItem.batch_write() as standings:
        for day in _LIFE:
            standings.save(_standing(program, old_hand.distributor_id, day + _DAY, 1, 0))
    with EntryItem.batch_write() as older:
        for entry in islice(_life(program, old_hand.distributor_id), entries):
            older.save(entry_item(entry))
            yield 1


def newcomer_and_old_hand(program: Program) -> tuple[Distributor, Distributor]:
    """The two who meet."""
    newcomer, old_hand = (distributors.get(program.program_id, _id(program, number)) for number in range(2))
    return newcomer, old_hand


def _id(program: Program, number: int) -> str:
    return ids.from_cause("dst", program.program_id, str(number))


def _profile(program: Program, number: int, *, closed: bool = False) -> ProfileItem:
    distributor_id, joined = _id(program, number), clock.stored(_JOINED)
    item = ProfileItem(
        profile_key(program.program_id, distributor_id),
        "profile",
        program=program.program_id,
        distributor_id=distributor_id,
        user_id=f"user-{number}",
        name=f"Distributor {number}",
        track=distributors.DEFAULT_TRACK,
        code=f"{number:010}",
        created_at=joined,
        contact={"email": f"user-{number}@example.com"},
        application=ids.digest(str(number)).hex(),
        revision=1,
    )
    item.becomes(joined, Status.APPROVED)
    item.sponsored_by(joined, None)
    if closed:
        item.becomes(clock.stored(_CLOSED), Status.CLOSED)
    return item


def _standing(program: Program, distributor_id: str, day: date, rank: int, misses: int) -> StandingItem:
    sold = Volume(60_000, 12)
    sums = Sums(first_of_month(day - _DAY), sold, sold)
    standing = Standing(day, rank, sums, misses, from_rank=rank, plan_version=1)
    return standing_item(program.program_id, distributor_id, standing, shard_of(program, distributor_id))


def sale(program: Program, distributor_id: str, day: date, number: int, base_minor: int) -> Entry:
    """What the distributor of an order earns at once, at noon of a day."""
    noon = program.midnight(day) + timedelta(hours=12, microseconds=number)
    return Entry(
        program.program_id,
        distributor_id,
        shard=0,
        currency=program.currency,
        kind=Kind.ACCRUE,
        debit=Account.EXPENSE,
        credit=Account.PENDING,
        amount_minor=base_minor // 50,
        about=f"order-{distributor_id}-{day}-{number}",
        n=1,
        tier=1,
        cause="order",
        at=noon,
        paid_at=noon - timedelta(seconds=2),
        opens=True,
        available_at=None,
        counts_on=day,
        base_minor=base_minor,
        count=1,
    )


def _life(program: Program, distributor_id: str) -> Iterator[Entry]:
    """Entries of orders of all days before, in turn: each accrues and releases, every tenth is taken back besides."""
    for number in count():
        day = _LIFE[number % len(_LIFE)]
        sold = sale(program, distributor_id, day, number, 5_000)
        yield sold
        yield moved(sold, Kind.RELEASE, program)
        if number % 10 == 0:
            yield moved(sold, Kind.CLAWBACK, program)


def moved(sold: Entry, kind: Kind, program: Program) -> Entry:
    """An order's commission released, or taken back after that, on the day it was sold."""
    assert sold.counts_on is not None
    back = kind is Kind.CLAWBACK
    return replace(
        sold,
        kind=kind,
        debit=Account.AVAILABLE if back else Account.PENDING,
        credit=Account.EXPENSE if back else Account.AVAILABLE,
        n=3 if back else 2,
        opens=False,
        available_at=program.midnight(sold.counts_on),
        counts_on=sold.counts_on if back else None,
        base_minor=-sold.base_minor if back else 0,
        count=-sold.count if back else 0,
    )
