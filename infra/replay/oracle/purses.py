"""Where everybody's money is: plan.md's hold and withdrawal.

Nothing is booked. An order leaves movements: what its commission became at each thing that was told of it, and between
which accounts that moved, on which day. A purse at an instant is the sum of those that a settlement has seen by then,
and of what the withdrawals moved.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from infra.replay.oracle.judging import Credit, Judge
from infra.replay.oracle.receipts import Back, Receipt
from infra.replay.oracle.world import DAY, World, midnight, user

SETTLED_AFTER = timedelta(hours=2)
"""How long after a day's midnight it is settled."""


@dataclass(frozen=True)
class Purse:
    """What a seller's money comes to, by account, in minor units."""

    pending: int = 0
    available: int = 0
    held: int = 0
    paid_out: int = 0
    tax: int = 0
    fee: int = 0

    def __add__(self, other: "Purse") -> "Purse":
        return Purse(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Purse)))


@dataclass(frozen=True)
class Movement:
    """What a decision of an order moves of a seller's money; what has a day waits for that day's settlement."""

    seller: str
    decided: datetime
    day: date | None
    what: Purse


@dataclass(frozen=True)
class Withdrawal:
    """What a seller asked for, and what it had become when the clock stopped."""

    seller: str
    asked: date
    channel: str
    amount: int
    fee: int
    """0 until it is released."""
    status: str


@dataclass(frozen=True)
class Course:
    """A withdrawal, and when it moved what."""

    withdrawal: Withdrawal
    moves: list[tuple[datetime, Purse]]


# Orders


def movements_of(world: World, judge: Judge, credit: Credit, rank: int | None) -> Iterator[Movement]:
    """All that an order moves, decision after decision.

    The rank is the one that was decided: before that is known nothing becomes available, as no hold is so short.
    """
    receipt, had, matures = credit.receipt, Counter[tuple[int, str]](), None
    for told, phase in _steps(world, receipt):
        backs = [back for back in receipt.backs if (back.told, _phase(back)) <= (told, phase)]
        tiers = judge.verdict(credit, rank, backs).tiers
        has = Counter({(tier, seller): amount for tier, (seller, amount) in tiers.items()})
        today, known_before = world.day(told), matures is not None
        if matures is None and has:
            matures = _matures(world, receipt, (told, phase), today)
        day = max(matures, today) if matures else None
        for who in has | had:
            more = has[who] - had[who]
            if not known_before:
                yield Movement(who[1], told, None, Purse(pending=more))
            elif more > 0:
                yield Movement(who[1], told, None, Purse(pending=more))
                yield Movement(who[1], told, day, Purse(pending=-more, available=more))
            elif more < 0:
                yield Movement(who[1], told, day, Purse(available=more))
            if day and not known_before:
                yield Movement(who[1], told, day, Purse(pending=-has[who], available=has[who]))
        had = has


def _steps(world: World, receipt: Receipt) -> list[tuple[datetime, int]]:
    """When something was told, and in which turn: the order 0, its completion 1, what came back 2."""
    steps = {(receipt.told, 0), *((back.told, _phase(back)) for back in receipt.backs)}
    return sorted(steps | {known for known, _ in _completions(world, receipt)})


def _phase(back: Back) -> int:
    return 0 if back.before else 2


def _completions(world: World, receipt: Receipt) -> Iterator[tuple[tuple[datetime, int], datetime]]:
    """When an order is known to be completed, and as of when: by what was told, and by itself."""
    done = receipt.done
    if done:
        yield (done.told, 0 if done.by_order else 1), done.at
    itself = receipt.at + world.plan(receipt.at)["hold"]["auto_complete_days"] * DAY
    known = (max(receipt.told, _midnight_from(world, itself)), 0)
    if known[0] <= world.ends and not (done and done.by_order):
        yield known, itself


def _midnight_from(world: World, at: datetime) -> datetime:
    """The first local midnight at or after an instant."""
    day = world.day(at)
    return at if midnight(day) == at else midnight(day + DAY)


def _matures(world: World, receipt: Receipt, step: tuple[datetime, int], today: date) -> date | None:
    """The day on which the commission becomes available; None while nobody can know it."""
    hold = world.plan(receipt.at)["hold"]
    if hold["starts"] == "paid":
        starts = receipt.at
    else:
        known = [at for when, at in _completions(world, receipt) if when <= step]
        if not known:
            return None
        starts = min(known)
    over, close, day = starts + hold["days"] * DAY, world.close(world.day(receipt.at)), world.day(receipt.at)
    while midnight(day) < over or midnight(day) <= close:
        day += DAY
    return max(day, today)


def take_back_late(world: World, judge: Judge, credits: Iterable[Credit], ranks: Mapping[str, int]) -> None:
    """Note on one order that it comes back whole in the aftermath, long after its commission was paid out."""
    section = world.mapping["aftermath"]
    seller, before = world.sellers[section["distributor"]], midnight(world.horizon) - section["days_before"] * DAY
    sold = [each for each in credits if each.seller == seller and each.receipt.at < before and not each.receipt.backs]

    def earned(credit: Credit) -> tuple[int, str]:
        tiers = judge.verdict(credit, ranks[credit.receipt.name]).tiers
        return tiers.get(1, (seller, 0))[1], credit.receipt.name

    if sold:
        best = max(sold, key=earned).receipt
        money, units = [paid for _, paid, _ in best.bought], [units for _, _, units in best.bought]
        best.backs.append(Back(world.aftermath, money, units))


# Purses


class Wallet:
    """A seller's money over time: what its orders moved, and the withdrawals that it asks for, stop after stop."""

    def __init__(self, world: World, seller: str, movements: list[Movement]) -> None:
        self.courses: list[Course] = []
        self._world = world
        self._seller = seller
        self._movements = movements
        for stop in world.stops[1:]:
            if world.standing(seller, stop) is None:
                self._ask(stop)

    def at(self, now: datetime) -> Purse:
        """What is where at an instant."""
        last = self._last_settled(now)
        cutoff = midnight(last) + SETTLED_AFTER
        purse = Purse()
        for each in self._movements:
            if each.decided <= now and (each.day is None or (each.day <= last and each.decided < cutoff)):
                purse += each.what
        return sum((what for each in self.courses for when, what in each.moves if when <= now), purse)

    def _last_settled(self, now: datetime) -> date:
        day = self._world.day(now)
        return day if midnight(day) + SETTLED_AFTER <= now else day - DAY

    def _ask(self, stop: datetime) -> None:
        """What is asked for at a stop, if anything is, and how that goes on."""
        wanted = _wanted(self._world, self._seller, stop)
        if wanted is None:
            return
        part_bp, channel = wanted
        amount = self.at(stop).available * part_bp // 10000
        if amount >= self._world.plan(stop)["withdrawal"]["min_minor"]:
            self.courses.append(course_of(self._world, self._seller, stop, channel, amount))


def _wanted(world: World, seller: str, stop: datetime) -> tuple[int, str] | None:
    """Which part of what is available is asked for at a stop, and through which channel; None: nothing."""
    if _is_last(world, seller, stop):
        return 10000, "pretend"
    section, who = world.mapping["payouts"], _who(world, seller, stop)
    if not world.yes("withdraw", who, section["asks_bp"]):
        return None
    parts, channels = section["parts_bp"], section["channels"]
    by = channels[world.draw("withdraw-by", who) % len(channels)]
    return parts[world.draw("withdraw-part", who) % len(parts)], by


def _is_last(world: World, seller: str, stop: datetime) -> bool:
    """Whether it is what the aftermath is about: everything is asked for, and nobody objects."""
    return stop == world.stops[-1] and seller == world.sellers[world.mapping["aftermath"]["distributor"]]


def _who(world: World, seller: str, stop: datetime) -> str:
    return f"{seller}:{world.day(stop)}"


def course_of(world: World, seller: str, stop: datetime, channel: str, amount: int) -> Course:
    """A withdrawal's way, from the stop at which it is asked for to the end of the story."""
    terms = world.plan(stop)["withdrawal"]
    who, section = _who(world, seller, stop), world.mapping["payouts"]
    asked = (stop, Purse(available=-amount, held=amount))
    back = Purse(available=amount, held=-amount)
    of = (seller, world.day(stop), channel, amount)
    refused = not _is_last(world, seller, stop) and world.yes("withdraw-reject", who, section["rejected_bp"])
    if amount > terms["review_above_minor"] and refused:
        return Course(Withdrawal(*of, 0, "rejected"), [asked, (stop, back)])
    released = world.release_after(stop, terms["release"])
    while world.standing(seller, released) is not None:
        released = world.release_after(released)
    if released > world.ends:
        return Course(Withdrawal(*of, 0, "approved"), [asked])
    fee = amount * terms["fee_bp"] // 10000 + terms["fee_minor"]
    paid = Purse(held=-amount, paid_out=amount - fee, fee=fee)
    returned = Purse(paid_out=fee - amount, fee=-fee, available=amount)
    moved = {"paid": paid, "failed": back, "returned": returned}
    steps = [(when, status) for when, status in _answers(world, seller, who, channel, released) if when <= world.ends]
    status = steps[-1][1] if steps else "processing"
    return Course(Withdrawal(*of, fee, status), [asked, *((when, moved[status]) for when, status in steps)])


def _answers(world: World, seller: str, who: str, channel: str, released: datetime) -> list[tuple[datetime, str]]:
    """What becomes of a withdrawal once it is released, and when that is known (to the hour)."""
    section = world.mapping["payouts"]
    if channel == "bank":
        results = section["results"]
        result = results[world.draw("bank-result", who) % len(results)]
        since = released + timedelta(hours=section["answered_after_hours"])
        told = next((stop for stop in [*world.stops, world.aftermath] if stop >= since), None)
        if told is None:
            return []
        return [(told, "paid"), (told, "returned")] if result == "returned" else [(told, result)]
    behaviours = section["behaviours"]
    behaviour = behaviours[world.sellers.index(seller) % len(behaviours)]
    if behaviour == "fail":
        return [(released, "failed")]
    if behaviour == "delay":
        return [(released + DAY, "paid")]
    later = [(released + DAY, "returned")] if behaviour == "return" else []
    return [(released, "paid"), *later]


def wallets_of(world: World, movements: Iterable[Movement]) -> dict[str, Wallet]:
    """Everybody's wallet, by user id."""
    mine: dict[str, list[Movement]] = {user(household): [] for household in world.households}
    for movement in movements:
        mine[movement.seller].append(movement)
    return {seller: Wallet(world, seller, mine[seller]) for seller in world.willing()}
