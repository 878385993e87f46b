"""Laws of rocket and snail: whatever happens to a distributor, and however its days are cut into runs.

`plain` reads plan.md a second time and has nothing in common with the rules. Invariants 33 to 35 of levels.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.ledger.model import Volume
from chalicelib.levels import rules
from chalicelib.levels.model import Cause, Standing
from chalicelib.orders.model import HandAttribution, Told
from tests.commissions.machine import Machine
from tests.levels import plain
from tests.levels.life import DAY, ROCKET_SNAIL, Life, Rungs, day
from tests.levels.plain import Sold
from tests.support_laws import MIDNIGHT, SELLERS, SHANGHAI, law, line, order, plan, refund

ZONES = [SHANGHAI, "America/New_York"]
JOINED = [day(text) for text in ("01-01", "01-31", "02-17", "2027-12-30", "2028-02-01")]
LADDERS = [
    Rungs(),
    Rungs(misses=1, steps=2),
    Rungs((0, 10, 25), misses=2),
    Rungs((0, 1, 3, 9), "monthly_orders", misses=2),
    Rungs(misses=None),
    Rungs((0, 15, 40, 90), "lifetime_sales", misses=None),
    Rungs((0, 2, 6, 10), "lifetime_orders", misses=None),
    Rungs((0,)),
    Rungs(misses=2, promotion="manual"),
]
AMOUNTS = [1, 9, 10, 25, 50, 60, 100, 501, -1, -10, -40]
"""Just under, at and over targets, and what comes back."""
SPAN = 125
"""Days: four month ends and more."""

some_days = st.integers(0, SPAN - 1)
some_sales = st.dictionaries(some_days, st.tuples(st.sampled_from(AMOUNTS), st.integers(-1, 3)), max_size=14)


@st.composite
def lives(draw: Any, ladders: list[Rungs] = LADDERS) -> Life:
    """One distributor's life, in which everything may happen."""
    joined, timezone = draw(st.sampled_from(JOINED)), draw(st.sampled_from(ZONES))

    def at(days: int, minutes: int) -> datetime:
        return plain.midnight(joined + days * DAY, timezone) + timedelta(minutes=minutes)

    begins = at(draw(st.sampled_from([-30, -30, -30, 0, 9])), draw(st.sampled_from([0, 600])))
    plans = [(begins, draw(st.sampled_from(ladders)))]
    for days in sorted(draw(st.lists(some_days, max_size=2))):
        plans.append(
            (max(begins, at(days, draw(st.sampled_from([0, 0, 1, 720, 1439])))), draw(st.sampled_from(ladders)))
        )
    away, since = [], -1
    for days in sorted(draw(st.lists(some_days, max_size=2))):
        starts = max(since, days * 1440 + draw(st.sampled_from([0, 1, 720, 1439])))
        since = starts + draw(st.sampled_from([0, 1, 720, 1440, 50_000]))
        away.append((at(0, starts), at(0, since)))
    return Life(
        joined=joined,
        sold={joined + days * DAY: Volume(*volume) for days, volume in draw(some_sales).items()},
        plans=tuple(plans),
        given={joined + days * DAY: rank for days, rank in draw(_grants).items() if at(days, 0) >= begins},
        suspended=tuple(away),
        timezone=timezone,
    )


_grants = st.dictionaries(some_days, st.integers(1, 8), max_size=3)


def until(life: Life) -> date:
    return life.joined + SPAN * DAY


@law(250)
@given(lives())
def test_every_days_rank_and_misses_are_those_of_a_second_reading_of_the_plan(life: Life) -> None:
    found = {of: (standing.rank, standing.misses) for of, standing in life.standings(until(life)).items()}
    expected = plain.ranks(life, until(life))
    del expected[life.joined]
    assert found == expected


@law(120)
@given(lives([Rungs(), Rungs(misses=1, steps=2), Rungs(steps=3), Rungs((*ROCKET_SNAIL, 600), misses=2)]))
def test_rank_falls_only_on_a_1st_by_steps_or_by_hand(life: Life) -> None:
    standings = life.standings(until(life))
    for of, standing in standings.items():
        if standing.rank < standing.from_rank and standing.cause is not Cause.HAND:
            fewer = standing.rank == len(_begun(life, of).targets)
            snail = of.day == 1 and standing.cause is Cause.SNAIL
            assert fewer or snail
            assert fewer or standing.from_rank - standing.rank <= max(rungs.steps for _, rungs in life.plans)
        assert standing.rank >= 1
        assert standing.misses >= 0
        assert standing.rank > 1 or standing.cause is not Cause.SNAIL or standing.from_rank > 1
        assert standing.cause is not Cause.ROCKET or standing.volume >= standing.target


def _begun(life: Life, of: date) -> Rungs:
    begins = plain.midnight(of, life.timezone)
    return max(
        (effective_at, n, rungs) for n, (effective_at, rungs) in enumerate(life.plans) if effective_at <= begins
    )[2]


@law(60)
@given(lives())
def test_volumes_add_up_to_all_that_counted(life: Life) -> None:
    *_, last = life.standings(until(life)).values()
    counted = [volume for of, volume in life.sold.items() if of < last.day]
    assert last.sums.of_life == sum(counted, Volume())
    month = [volume for of, volume in life.sold.items() if last.sums.month <= of < last.day]
    assert last.sums.of_month == sum(month, Volume())


@law(80)
@given(lives(), st.lists(st.integers(1, SPAN - 1), max_size=6))
def test_day_by_day_at_once_or_in_any_runs_the_records_are_the_same(life: Life, cuts: list[int]) -> None:
    """34: as the job does, a run starts from the last record that was kept, and keeps what says something new."""
    ends = [life.joined + cut * DAY for cut in sorted({*cuts, SPAN})]
    whole = _kept(life, [until(life)])
    assert _kept(life, ends) == whole
    assert _kept(life, [life.joined + days * DAY for days in range(1, SPAN + 1)]) == whole


def _kept(life: Life, ends: list[date]) -> Mapping[date, Standing]:
    """The records that runs to these days leave behind."""
    records: dict[date, Standing] = {}
    closed = life.joined
    for end in ends:
        last = records[max(records)] if records else life.first
        start = last.carried(closed)
        case = replace(
            life.case,
            volumes={of: volume for of, volume in life.sold.items() if of >= start.day},
            grants={of: grant for of, grant in life.case.grants.items() if of > last.day},
        )
        for before, after in pairwise([start, *rules.standings(start, case, end)]):
            if rules.is_worth_keeping(before, after):
                assert after.day not in records, "33: one record a day"
                records[after.day] = after
        closed = end
    return records


@law(60)
@given(lives())
def test_what_is_kept_says_every_day(life: Life) -> None:
    records = _kept(life, [until(life)])
    last = life.first
    for of, standing in life.standings(until(life)).items():
        last = records.get(of, last)
        carried = last.carried(of)
        assert (carried.rank, carried.misses, carried.sums) == (standing.rank, standing.misses, standing.sums)
        assert carried.granted_month == standing.granted_month


# From what was told

BY = plan()
GAPS = [timedelta(minutes=minutes) for minutes in (-9, 0, 1, 30, 179, 180, 181, 720, 1440, 4321, 44_640)]
"""Between being paid and being told, and between two things that are told: just before and after a close."""
PAID = [timedelta(minutes=minutes) for minutes in (0, 1, 600, 1439, 38_879, 38_880, 39_000, 82_079, 82_080)]
"""From 4 March 00:00: in its middle, at its end, and around the ends of March and of April."""


@st.composite
def sold(draw: Any) -> Sold:
    """One order, and what is told about it."""
    paid_at = MIDNIGHT + draw(st.sampled_from(PAID))
    received_at = paid_at + draw(st.sampled_from(GAPS))
    amount, at = draw(st.sampled_from([0, 9, 10, 25, 60, 120])), received_at
    returns, moves = [], []
    for kind in draw(st.lists(st.sampled_from(["return", "return", "cancel", "move"]), max_size=4)):
        at += abs(draw(st.sampled_from(GAPS)))
        if kind == "move":
            moves.append((at, draw(st.sampled_from([None, *SELLERS[:2]]))))
        else:
            returns.append((at, None if kind == "cancel" else draw(st.sampled_from([0, 1, 10, 25, 60]))))
    early = [(received_at - timedelta(hours=5), draw(st.sampled_from([1, 10])))] * draw(st.sampled_from([0, 0, 0, 1]))
    return Sold(SELLERS[0], paid_at, received_at, amount, (*early, *returns), tuple(moves))


def booked(orders: list[Sold], seller: str) -> Mapping[date, Volume]:
    """What the orders' journals book for a seller, each decided once at the end."""
    sums: dict[date, Volume] = {}
    for each in orders:
        machine = Machine(BY)
        machine.tell(order([line(each.amount)], each.paid_at, each.received_at))
        for n, (received_at, amount) in enumerate(each.returns):
            told = Told(received_at, received_at)
            machine.tell(("cancel", told) if amount is None else refund(f"r-{n}", [("1", 0, amount)], received_at))
        for n, (received_at, to) in enumerate(each.moves, start=1):
            machine.tell(HandAttribution(n, to, f"why {n}", "wang", received_at))
        machine.decide(max([each.received_at, *(at for at, _ in (*each.returns, *each.moves))]))
        for (who, of), volume in machine.volumes().items():
            if who == seller:
                sums[of] = sums.get(of, Volume()) + Volume(*volume)
    return {of: volume for of, volume in sums.items() if volume}


def seller_of(orders: list[Sold], seller: str = SELLERS[0]) -> Life:
    """A seller whose volumes are those that the orders' journals book."""
    rungs = Rungs((0, 10, 25, 50, 100), misses=1)
    return Life(day("02-10"), booked(orders, seller), ((MIDNIGHT - timedelta(days=60), rungs),))


some_orders = st.lists(sold(), min_size=1, max_size=5)


@law(120)
@given(some_orders)
def test_what_is_booked_is_what_counts_and_adds_up_to_the_base(orders: list[Sold]) -> None:
    left: dict[str | None, int] = {}
    for each in orders:
        left[each.whose()] = left.get(each.whose(), 0) + each.left()
    for seller in SELLERS[:2]:
        found = booked(orders, seller)
        assert found == {of: Volume(*volume) for of, volume in plain.counted(orders, seller).items()}
        assert sum(found.values(), Volume()).sales_minor == left.get(seller, 0)


@law(80)
@given(some_orders, st.integers(0, 100))
def test_records_are_a_function_of_what_was_told_before_their_close(orders: list[Sold], days: int) -> None:
    """34 and 35: what is told later changes no rank, no misses and no volume that was compared."""
    last = day("03-04") + days * DAY
    closes_at = plain.midnight(last, SHANGHAI) + timedelta(hours=3)
    in_time = [known for each in orders if (known := each.before(closes_at)) is not None]
    for seller in SELLERS[:2]:
        told, all_told = seller_of(in_time, seller), seller_of(orders, seller)
        assert told.standings(last) == all_told.standings(last)
        counted = {of: Volume(*volume) for of, volume in plain.counted(in_time, seller).items()}
        expected = plain.ranks(told.but(sold=counted), last)
        assert {of: (each.rank, each.misses) for of, each in all_told.standings(last).items()} == {
            of: each for of, each in expected.items() if of != told.joined
        }
