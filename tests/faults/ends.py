"""What holds when everything has come to rest: tables scanned, and computed a second time from the facts alone."""

from collections import Counter, defaultdict
from datetime import date, datetime

from chalicelib.commissions.tables import DecisionItem, decision_of
from chalicelib.distributors import service as distributors
from chalicelib.ledger.model import Account, Entry, Volume
from chalicelib.ledger.tables import EntryItem, read_entry
from chalicelib.levels.tables import StandingItem, standing_of
from chalicelib.orders import service as orders
from chalicelib.orders.model import Facts
from chalicelib.payouts.tables import BookItem
from chalicelib.withdrawals import rules
from chalicelib.withdrawals.model import Status
from tests.faults.mirror import Broken, Mirror
from tests.faults.story import Story
from tests.faults.wire import CALM, faulty
from tests.faults.world import NAMES, RATES_BP, TARGETS, UPLINES_BP, World
from tests.levels import plain
from tests.levels.life import DAY, Life, Rungs
from tests.levels.plain import Sold
from tests.support_state import images

BP = 10_000
ZONE = "Asia/Shanghai"


def hold(number: int, holds: object, why: object) -> None:
    """Raises Broken."""
    if not holds:
        raise Broken(number, why)


def check(world: World, mirror: Mirror) -> None:
    """Every invariant that holds when quiet. Raises Broken."""
    tables = dict(images())
    hold(40, mirror.items == {key: tables[key] for key in mirror.items} and len(tables) == len(mirror.items), "mirror")
    facts = [orders.facts_of(world.shop.program_id, order_id) for order_id in _order_ids(tables)]
    entries = [
        read_entry(EntryItem.from_raw_data(image)) for (room, _, _), image in tables.items() if room == "entries"
    ]
    _levels(world, facts, tables)
    _money(world, facts, entries)
    _books(world, entries)
    _withdrawals(world, tables)
    _accounts(world, entries)


def _order_ids(tables: dict[tuple[str, str, str], dict[str, object]]) -> list[str]:
    return sorted({pk.partition("#")[2] for room, pk, sk in tables if room == "orders" and sk == "order"})


def sold(world: World, facts: Facts) -> Sold | None:
    """An order as `plain` reads it; None: it isn't paid."""
    order = facts.order
    if order is None or order.content.paid_at is None:
        return None
    of = {world.market.id(name): name for name in NAMES}
    returns: list[tuple[datetime, int | None]] = [
        (each.received_at, sum(line.amount_minor for line in each.lines)) for each in facts.refunds
    ]
    if facts.cancellation is not None:
        returns.append((facts.cancellation.received_at, None))
    return Sold(
        of.get(str(order.attribution.distributor_id)),
        order.content.paid_at,
        order.received_at,
        order.content.paid_minor,
        tuple(returns),
        tuple((each.received_at, of.get(str(each.distributor_id))) for each in facts.hand_attributions),
    )


def ranks(world: World, facts: list[Facts]) -> dict[str, dict[date, tuple[int, int]]]:
    """Everybody's rank of each day, from the facts alone."""
    told = [one for each in facts if (one := sold(world, each)) is not None]
    rungs = Rungs(TARGETS, misses=None)
    joined = world.program.created_day
    found = {}
    for name in NAMES:
        counted = {day: Volume(*volume) for day, volume in plain.counted(told, name).items()}
        life = Life(joined=joined, sold=counted, plans=((world.program.created_at - DAY, rungs),))
        found[name] = plain.ranks(life, world.program.local_day(world.now) + DAY)
    return found


def _levels(world: World, facts: list[Facts], tables: dict[tuple[str, str, str], dict[str, object]]) -> None:
    """34: decided records are what the facts received before their close come to."""
    expected = ranks(world, facts)
    for name in NAMES:
        pk = f"{world.shop.program_id}#{world.market.id(name)}"
        kept = sorted((sk, image) for (room, at, sk), image in tables.items() if (room, at) == ("levels", pk))
        decided = {item.day: standing_of(item).rank for _, image in kept if (item := StandingItem.from_raw_data(image))}
        closed = max(sk for room, at, sk in tables if room == "levels" and at == f"{world.shop.program_id}#close")
        rank = 1
        for day, (wanted, _) in sorted(expected[name].items()):
            rank = decided.get(day, rank)
            hold(34, day.isoformat() > closed or rank == wanted, (name, day, rank, wanted))


def _money(world: World, facts: list[Facts], entries: list[Entry]) -> None:
    """7, 13, 14: per order and tier, entries = last target = what the facts come to, by the rank of the paid day."""
    of = {name: world.market.id(name) for name in NAMES}
    by_rank = ranks(world, facts)
    booked: defaultdict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for entry in entries:
        if entry.tier:
            sign = (entry.debit is Account.EXPENSE) - (entry.credit is Account.EXPENSE)
            booked[entry.about][entry.distributor_id, entry.tier] += sign * entry.amount_minor
    for each in facts:
        expected = _earned(world, each, by_rank)
        wanted = {(of[name], tier): amount for (name, tier), amount in expected.items() if amount}
        found = {who: amount for who, amount in booked[each.order_id].items() if amount}
        hold(13, all(amount > 0 for amount in found.values()), (each.order_id, found))
        hold(7, found == wanted, (each.order_id, found, wanted))
        journal = DecisionItem.query(f"{world.shop.program_id}#{each.order_id}")
        last = [decision_of(item).targets for item in journal][-1:]
        hold(14, sum(found.values()) == sum(map(sum, last)), (each.order_id, found, last))


def _earned(world: World, facts: Facts, by_rank: dict[str, dict[date, tuple[int, int]]]) -> dict[tuple[str, int], int]:
    """One floor an order and tier."""
    order = sold(world, facts)
    if order is None or facts.order is None:
        return {}
    seller, base = order.whose(), order.left()
    if seller is None:
        return {}
    if seller == order.seller and not order.moves and not facts.order.attribution.credited:
        return {}
    profile = distributors.get(world.shop.program_id, world.market.id(seller))
    if profile.joined_at is None or profile.joined_at > order.paid_at:
        return {}
    rank, _ = by_rank[seller].get(world.program.local_day(order.paid_at), (1, 0))
    chain = NAMES[NAMES.index(seller) :]
    rates = (RATES_BP[rank - 1], *UPLINES_BP)
    return {(name, tier): base * rate // BP for tier, (name, rate) in enumerate(zip(chain, rates, strict=False), 1)}


def _books(world: World, entries: list[Entry]) -> None:
    """12 and 22: nothing is booked twice, and what the program gave is where its distributors' balances say."""
    hold(12, len({entry.entry_id for entry in entries}) == len(entries), "an entry twice")
    gave = sum(e.amount_minor * ((e.debit is Account.EXPENSE) - (e.credit is Account.EXPENSE)) for e in entries)
    have = 0
    for name in NAMES:
        stands = world.balance(name)
        have += stands.pending_minor + stands.available_minor + stands.held_minor
        have += stands.paid_out_minor + stands.tax_minor + stands.fee_minor
    hold(22, gave == have, (gave, have))


def _accounts(world: World, entries: list[Entry]) -> None:
    """16 and 20: balances are what their settled entries come to, and reconciliation finds nothing."""
    for name in NAMES:
        balance, mine = world.balance(name), [e for e in entries if e.distributor_id == world.market.id(name)]
        due = [e for e in mine if _is_settled(e, balance.settled_day, balance.cutoff, world)]
        for account, amount in (
            (Account.AVAILABLE, balance.available_minor),
            (Account.HELD, balance.held_minor),
            (Account.PAID_OUT, balance.paid_out_minor),
            (Account.TAX_PAYABLE, balance.tax_minor),
            (Account.FEE, balance.fee_minor),
        ):
            came = sum(e.amount_minor * ((e.credit is account) - (e.debit is account)) for e in due)
            hold(16, came == amount, (name, account, came, amount))
    answer = world.api.post("/v1/reports/reconciliation", {}, world.shop.operator)
    assert answer.status == 202, answer.text
    world.worker.run()
    report = world.market.get("/v1/reports/reconciliation")
    hold(20, report["ok"] and not report["differences"], report)


def _is_settled(entry: Entry, settled: date | None, cutoff: datetime | None, world: World) -> bool:
    if entry.kind.of_withdrawal or Account.AVAILABLE not in (entry.debit, entry.credit):
        return True
    return bool(settled and cutoff and world.program.local_day(entry.moves_at) <= settled and entry.at < cutoff)


def _withdrawals(world: World, tables: dict[tuple[str, str, str], dict[str, object]]) -> None:
    """21, 23, 24, 29: every attempt is one line of the provider's book, and back; nothing is stuck unseen."""
    found = (
        BookItem.from_raw_data(image) for (room, pk, _), image in tables.items() if room == "payouts" and "#pre" in pk
    )
    book = {item.sk: item for item in found if item.booked_at is not None}
    own = list(world.all())
    attempts = {attempt.reference: attempt for each in own if each.channel == "pretend" for attempt in each.attempts}
    hold(21, book.keys() == attempts.keys(), set(book) ^ set(attempts))
    for reference, line in book.items():
        hold(21, int(line.amount_minor) == attempts[reference].amount_minor, reference)
    for withdrawal in own:
        lines = [
            book[a.reference] for a in withdrawal.attempts if a.reference in book and a.status is not Status.FAILED
        ]
        paid = sum(int(line.amount_minor) for line in lines if line.behaviour != "fail")
        hold(24, withdrawal.status is not Status.FAILED or not paid, withdrawal)
        late = rules.is_late(withdrawal, world.now)
        open_by = {Status.REQUESTED, Status.MANUAL, Status.PROCESSING}
        hold(29, withdrawal.status.terminal or withdrawal.status in open_by or late, withdrawal)


def settle_down(world: World, sweeps: int = 6) -> None:
    """40: a bounded number of sweeps reaches the point from which nothing changes any more."""
    before = None
    for _ in range(sweeps):
        world.worker.deliver({"job": "tick"})
        world.worker.run()
        now = {key: image for key, image in images() if key[0] != "ops"}
        if now == before:
            return
        before = now
    raise Broken(40, f"still changing after {sweeps} sweeps")


def nothing_new(world: World, mirror: Mirror, story: Story) -> None:
    """41: redelivery and a full replay from the first record change nothing."""
    before = {key: image for key, image in images() if key[0] != "ops"}
    done = [message for message in world.worker.done[-20:] if message["job"] in ("advance", "part")]
    with faulty(mirror, CALM):
        story.replay(world.stream.records)
        world.worker.deliver(*done)
        world.worker.run()
    after = {key: image for key, image in images() if key[0] != "ops"}
    hold(41, before == after, [key for key in after if after[key] != before.get(key)])
