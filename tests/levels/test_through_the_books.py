"""Stories over two month ends, told over HTTP: what is decided, judged and booked follows from what was told in time.

Each fact is told when the program's clock stands at a time near a close; the worker moves the clock on. What should
come out is computed from the told facts alone, by `plain`. Invariants 7, 13, 34 and 35.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from chalice.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chalicelib.commissions import service as commissions
from chalicelib.commissions.model import Decision
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Volume
from tests.levels import plain
from tests.levels.life import DAY, Life, Rungs, at, day
from tests.levels.plain import Sold
from tests.levels.seller import Seller, rocket_snail
from tests.support import Api, Shop
from tests.support_clock import Worker
from tests.support_laws import law
from tests.support_state import held, kept, put_back
from tests.support_stream import Stream

RUNGS = Rungs((0, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 5_000_000), misses=1)
RATES = [200, 400, 600, 800, 1000, 1200, 1500]
UPLINE = 200
BEGINS = "2026-02-25T10:00:00+08:00"
ENDS = day("04-05")
TIMES = [
    "02-28 20:00", "02-28 23:59", "03-01 00:30", "03-01 02:59", "03-01 03:00", "03-01 03:30", "03-02 01:00",
    "03-31 20:00", "03-31 23:59", "04-01 00:30", "04-01 02:59", "04-01 03:00", "04-01 12:00", "04-02 04:00",
]  # fmt: skip
AMOUNTS = [33_333, 99_999, 100_000, 250_001, 400_000, 500_000, 1_000_007]
MINUTES_BEFORE = [-9, 0, 31, 61, 245, 1500]
"""How long ago an order that is told was paid."""


class Books:
    """`mei`, and `bo` whom she brought: of his orders she gets 2 %. One missed month is enough to fall."""

    def __init__(self, api: Api, shop: Shop, worker: Worker) -> None:
        self.mei = Seller(api, shop, worker)
        self.bo = Seller(api, shop, worker, name="bo", sponsor_code=self.mei.who["code"])
        self.sellers = {"mei": self.mei, "bo": self.bo}
        self.program_id = shop.program_id
        self.told: dict[str, Sold] = {}
        self.now = at("02-25 10:00")
        self.undecided: tuple[str, ...] = ()
        self.stops: list[datetime] = []
        self.records: dict[Any, Any] = {}
        self._begin = held()

    def again(self) -> "Books":
        """The same at its beginning, for another story to be told to."""
        put_back(self._begin)
        copied = copy.copy(self)
        copied.now, copied.told, copied.undecided, copied.records = at("02-25 10:00"), {}, (), {}
        return copied

    def move_to(self, instant: datetime) -> None:
        """Move the clock, once the stream has decided the orders; what was decided before is still there, as it was.

        Refunds, cancellations and attributions that aren't decided yet are left to the clock.
        """
        if instant > self.now:
            for order_id in self.undecided:
                self.mei.decide(order_id)
            self.undecided = ()
            for stop in self.stops:
                if self.now < stop < instant:
                    self.mei.wait(stop)
            self.mei.wait(instant)
            self.now = instant
        decided = {key: item for key, item in kept("levels").items() if key[2].endswith("#rank")}
        assert self.records.items() <= decided.items(), "33: once decided, never changed"
        self.records = decided

    def sell(self, name: str, amount: int, minutes_before: int, *, decided: bool) -> None:
        order_id, paid_at = f"A-{len(self.told)}", self.now - timedelta(minutes=minutes_before)
        self.sellers[name].sells(order_id, amount, paid_at.isoformat(), decided=decided)
        self.told[order_id] = Sold(name, paid_at, self.now, amount)
        if not decided:
            # The last that was told comes first.
            self.undecided = (order_id, *self.undecided)

    def give_back(self, order_id: str, amount: int | None, *, decided: bool) -> None:
        """None: cancel it."""
        order = self.told[order_id]
        if amount is None:
            body = {"cancelled_at": self.now.isoformat()}
            self.mei.post(f"/v1/orders/{order_id}/cancel", body, key=self.mei.shop.storefront)
            self._decide(order_id, decided)
        else:
            refund_id = f"r-{len(order.returns)}"
            self.mei.refund(order_id, refund_id, amount, self.now.isoformat(), decided=decided)
        self.told[order_id] = replace(order, returns=(*order.returns, (self.now, amount)))

    def attribute(self, order_id: str, name: str | None, *, decided: bool) -> None:
        order = self.told[order_id]
        body = {"distributor_id": name and self.sellers[name].id, "reason": f"word {len(order.moves)}"}
        self.mei.post(f"/v1/orders/{order_id}/attribution", body)
        self._decide(order_id, decided)
        self.told[order_id] = replace(order, moves=(*order.moves, (self.now, name)))

    def _decide(self, order_id: str, decided: bool) -> None:
        if decided:
            self.mei.decide(order_id)

    def journal(self, order_id: str) -> Sequence[Decision]:
        return commissions.journal_of(self.program_id, order_id)

    def life(self, name: str) -> Life:
        """What the facts come to for a seller."""
        counted = plain.counted(self.told.values(), name)
        return Life(
            joined=day("02-25"),
            sold={of: Volume(*volume) for of, volume in counted.items()},
            plans=((at("01-01 00:00"), RUNGS),),
        )

    def expected(self) -> dict[str, dict[date, tuple[int, int]]]:
        """Rank and misses of each day, by seller."""
        return {name: plain.ranks(self.life(name), ENDS) for name in self.sellers}

    def decided(self) -> dict[str, dict[date, tuple[int, int]]]:
        """The same as it was decided: a record holds until the next one."""
        found = {}
        for name, seller in self.sellers.items():
            records = {date.fromisoformat(row["day"]): (row["rank"], row["misses"]) for row in seller.records}
            of, days = day("02-25"), {day("02-25"): (1, 0)}
            while of < ENDS:
                of += DAY
                days[of] = records.get(of, days[of - DAY])
            found[name] = days
        return found

    def money(self) -> dict[tuple[str, int, str], int]:
        """What the entries say that an order pays whom in which tier; zeros left out."""
        sums: dict[tuple[str, int, str], int] = {}
        for name, seller in self.sellers.items():
            for entry in ledger.all_of(ledger.Holder(self.program_id, seller.id, "CNY", 1)):
                sign = (entry.debit is Account.EXPENSE) - (entry.credit is Account.EXPENSE)
                key = (entry.about, entry.tier, name)
                sums[key] = sums.get(key, 0) + sign * entry.amount_minor
        return {key: amount for key, amount in sums.items() if amount}

    def due(self) -> dict[tuple[str, int, str], int]:
        """What should be booked: whose the order is now, what is left of it, and the rank of the day it was paid on."""
        ranks, sums = self.expected(), {}
        for order_id, order in self.told.items():
            seller, left = order.whose(), order.left()
            if seller is not None:
                rank, _ = ranks[seller][order.paid_at.date()]
                sums[order_id, 1, seller] = left * RATES[rank - 1] // 10_000
            if seller == "bo":
                sums[order_id, 2, "mei"] = left * UPLINE // 10_000
        return {key: amount for key, amount in sums.items() if amount}

    def volumes(self, name: str) -> Mapping[date, Volume]:
        """What the entries say has counted on each day."""
        sums: dict[date, Volume] = {}
        for entry in ledger.all_of(ledger.Holder(self.program_id, self.sellers[name].id, "CNY", 1)):
            if entry.counts_on is not None:
                added = Volume(entry.base_minor, entry.count)
                sums[entry.counts_on] = sums.get(entry.counts_on, Volume()) + added
        return {of: volume for of, volume in sums.items() if volume}


@pytest.fixture
def books(api: Api, make_shop: Callable[..., Shop], worker: Worker) -> Books:
    plan = rocket_snail(demotion={"misses": 1, "steps": 1})
    return Books(api, make_shop(plan=plan, now=BEGINS), worker)


@st.composite
def story(draw: Any) -> list[tuple[int, str, Any, bool]]:
    """What is told at which of `TIMES`; what it's about is a number, of the orders told by then."""
    kinds = ["sell"] + draw(st.lists(st.sampled_from(["sell", "sell", "back", "move"]), min_size=4, max_size=9))
    times = sorted(draw(st.lists(st.integers(0, len(TIMES) - 1), min_size=len(kinds), max_size=len(kinds))))
    names, amounts = st.sampled_from(["mei", "bo"]), st.sampled_from(AMOUNTS)
    about = {
        "sell": st.tuples(names, amounts, st.sampled_from(MINUTES_BEFORE)),
        "back": st.tuples(st.integers(0, 9), st.sampled_from([None, 1, 99_999, 250_000])),
        "move": st.tuples(st.integers(0, 9), st.sampled_from([None, "mei", "bo"])),
    }
    return [(time, kind, draw(about[kind]), draw(st.booleans())) for time, kind in zip(times, kinds, strict=True)]


def tell(books: Books, facts: list[tuple[int, str, Any, bool]]) -> None:
    """Tell a story, and let the days pass until everything of it is decided."""
    for time, kind, about, decided in facts:
        books.move_to(at(TIMES[time]))
        if kind == "sell":
            books.sell(*about, decided=decided)
            continue
        which, what = about
        order_id = list(books.told)[which % len(books.told)]
        told = books.give_back if kind == "back" else books.attribute
        told(order_id, what, decided=decided)
    books.move_to(at("04-05 12:00"))


# Each example puts the tables back.
@settings(law(4), phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story())
def test_records_judgements_and_money_are_a_function_of_what_was_told_before_each_close(
    books: Books, facts: list[tuple[int, str, Any, bool]]
) -> None:
    told = books.again()
    tell(told, facts)
    assert told.decided() == told.expected()
    assert told.money() == told.due()
    for name in told.sellers:
        assert told.volumes(name) == told.life(name).sold
    for order_id in told.told:
        last = told.journal(order_id)[-1]
        paid = {tier: amount for (of, tier, _), amount in told.due().items() if of == order_id}
        assert list(last.targets) == [paid.get(tier, 0) for tier in range(1, len(last.targets) + 1)]


def a_month_end(books: Books) -> None:
    """1 April, 00:30; nobody has decided what was told since 20:00.

    Mei is rank 3 by February and would fall to 2 without her order of 23:59, which lifts her to 4; so her orders of
    00:01 and 00:02 pay 8 %. Bo comes to rank 2 by an order of which a part is back before the close.
    """
    books.move_to(at("02-28 20:00"))
    books.sell("mei", 250_000, 31, decided=True)
    books.move_to(at("04-01 00:30"))
    books.sell("mei", 510_007, 31, decided=False)
    books.sell("mei", 99_999, 29, decided=False)
    books.sell("bo", 250_001, 61, decided=False)
    books.give_back("A-3", 99_999, decided=False)
    books.sell("mei", 33_333, 28, decided=False)


ORDERS = ["A-1", "A-2", "A-3", "A-4"]


@pytest.fixture
def stream(api: Api) -> Stream:
    """The orders table's stream, to be delivered by hand."""
    from app import app  # with all rooms registered, as it is deployed

    return Stream(Client(app))


def test_orders_of_one_distributor_decided_in_any_order_across_a_month_end_book_the_same_to_the_fen(
    books: Books, stream: Stream
) -> None:
    a_month_end(books)
    records = {order_id: stream.of(order_id) for order_id in ORDERS}
    night, told, first_ranks, ends = held(), books.told, set(), []
    for turn in list(permutations(ORDERS))[::4]:
        put_back(night)
        books.now, books.told, books.undecided, books.records = at("04-01 00:30"), told, (), {}
        for order_id in turn:
            stream.deliver(records[order_id])
        first_ranks.add(tuple(books.journal(order_id)[0].rank for order_id in ORDERS))
        books.move_to(at("04-01 12:00"))
        judged = [books.journal(order_id)[-1] for order_id in ORDERS]
        assert [last.rank for last in judged] == [3, 4, 1, 4]
        ends.append((books.money(), [last.targets for last in judged], books.decided()))
        assert ends[-1] == ends[0]
    assert ends[0][0] == books.due()
    assert ends[0][2] == books.expected()
    assert first_ranks == {(3, 2, 1, 2), (3, 4, 1, 2), (3, 2, 1, 4), (3, 4, 1, 4)}, "as far as was known"


def test_what_is_told_after_a_close_changes_neither_a_record_nor_a_judged_rank(books: Books) -> None:
    a_month_end(books)
    books.move_to(at("04-01 03:00"))
    assert [books.journal(order_id)[-1].rank for order_id in ORDERS] == [3, 4, 1, 4]
    for order_id in ("A-1", "A-3"):
        books.give_back(order_id, None, decided=True)
    books.sell("mei", 2_000_000, 185, decided=True)
    books.sell("mei", 100_000, 179, decided=True)
    assert books.decided()["mei"][day("04-01")] == (4, 0)
    books.move_to(at("04-05 12:00"))
    assert [books.journal(order_id)[-1].rank for order_id in [*ORDERS, "A-5", "A-6"]] == [3, 4, 1, 4, 3, 4]
    assert books.decided() == books.expected()
    assert books.decided()["mei"][day("04-02")] == (5, 0), (
        "1,589,993 counted on 1 April: what came late, less what is back"
    )
    assert books.money() == books.due()


def test_an_order_that_was_judged_too_low_is_judged_again_and_says_that_its_level_was_decided(books: Books) -> None:
    books.move_to(at("03-31 20:00"))
    books.move_to(at("04-01 00:30"))
    books.sell("bo", 100_000, 29, decided=True)
    books.move_to(at("04-01 02:59"))
    books.sell("bo", 500_000, 185, decided=True)
    assert explained(books) == [(1, [2000, 2000], "order")]
    books.move_to(at("04-01 03:00"))
    assert explained(books) == [(1, [2000, 2000], "order"), (2, [8000, 2000], "level")]
    books.give_back("A-0", 50_000, decided=True)
    assert explained(books)[2:] == [(3, [4000, 1000], "refund")]
    assert books.money() == books.due()


def explained(books: Books) -> list[tuple[int, list[int], str]]:
    """The decisions that the explanation of the first order lists."""
    answer = books.mei.get("/v1/orders/A-0/explanation")
    assert answer["decided"]
    return [(each["n"], each["targets"], each["cause"]) for each in answer["decisions"]]


def test_records_are_the_same_wherever_the_clock_stops_on_the_way(books: Books) -> None:
    """34: day by day, or as far at once as the story lets it."""
    facts: list[tuple[int, str, Any, bool]] = [
        (0, "sell", ("mei", 500_000, 31), True),
        (2, "sell", ("bo", 250_001, 61), False),
        (6, "back", (0, 99_999), False),
        (7, "sell", ("mei", 33_333, 0), True),
        (9, "move", (1, "mei"), False),
        (12, "sell", ("bo", 1_000_007, 1500), True),
    ]
    tell(books, facts)
    once, journals = books.records, [[d.targets for d in books.journal(order_id)] for order_id in books.told]
    assert len(once) == 7
    often = books.again()
    often.stops = [at(text) for text in ("03-01 00:00", "03-01 12:00", "03-10 03:00", "03-10 03:01", "04-01 00:00")]
    tell(often, facts)
    assert often.records == once
    assert [[d.targets for d in often.journal(order_id)] for order_id in often.told] == journals
    assert often.money() == often.due()
