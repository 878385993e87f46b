"""Orders paid on a day whose ranks are not decided yet: judged with what is known, and again once it is decided."""

import random
from collections.abc import Callable
from datetime import date

import pytest

from chalicelib.access.model import Caller, Scope
from chalicelib.commissions import service as commissions
from chalicelib.commissions.model import Cause, Decision
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Entry
from chalicelib.levels import jobs as levels
from chalicelib.levels import service as ranks
from chalicelib.levels.jobs import Closing
from chalicelib.operations import jobs
from chalicelib.programs import service as programs
from chalicelib.shared import clock
from tests.levels.seller import Seller
from tests.support import Api, Shop
from tests.support_clock import Worker
from tests.support_engine import Held
from tests.support_faults import Crash, failing
from tests.support_race import meanwhile
from tests.support_state import held, put_back
from tests.support_stream import Stream

DAY = date(2026, 3, 4)
NIGHT = "2026-03-04T00:20:00+08:00"
NOON = "2026-03-04T12:00:00+08:00"


class Night:
    """4 March, 00:30: the ranks of the day will be decided at 03:00, as yet `mei` and `li` have rank 1."""

    def __init__(self, api: Api, shop: Shop, worker: Worker) -> None:
        self.api, self.shop, self.worker = api, shop, worker
        self.mei, self.li = (Seller(api, shop, worker, name=name) for name in ("mei", "li"))
        self.mei.clock("2026-03-04T00:30:00+08:00")

    def told_late(self, seller: Seller | None = None) -> None:
        """An order of the evening before lifts somebody, `mei` unless told, to rank 4 of today."""
        lifted = seller or self.mei
        lifted.sells(f"late-{lifted.who['name']}", 500_000, "2026-03-03T23:00:00+08:00")

    def mark(self) -> None:
        """The ranks are decided and the day is closed, and nobody has judged again yet."""
        program = programs.get(self.shop.program_id)
        closing = Closing(DAY, DAY, levels.due_at(program, DAY))
        levels.decide_part(program, closing, "-")
        levels.close(program, closing)

    def close(self) -> None:
        """The whole close, whatever is undecided."""
        program, caller = programs.get(self.shop.program_id), Caller("wang", Scope.OPERATOR, self.shop.program_id)
        programs.set_out(caller, program, clock.read(NOON))
        jobs.set_going(program.program_id)
        self.worker.run()

    def attribute(self, order_id: str, seller: Seller | None, *, decided: bool = True) -> None:
        """By hand."""
        body = {"distributor_id": seller and seller.id, "reason": "the customer called"}
        assert self.api.post(f"/v1/orders/{order_id}/attribution", body, self.shop.operator).status == 200
        if decided:
            commissions.decide(self.shop.program_id, order_id)

    def journal(self, order_id: str = "P") -> list[Decision]:
        """An order's journal, of which what must always be true is asserted."""
        journal = list(commissions.journal_of(self.shop.program_id, order_id))
        assert [decision.n for decision in journal] == list(range(1, len(journal) + 1))
        for decision in journal[1:]:
            before = journal[decision.n - 2]
            if before.rank_decided and before.opened_by == decision.opened_by:
                assert (decision.rank, decision.rank_decided) == (before.rank, True)
        for decision in journal:
            if decision.rank_decided and decision.distributor_id:
                program = programs.get(self.shop.program_id)
                assert decision.rank == ranks.decided_rank(program, decision.distributor_id, DAY)
        return journal

    def story(self, order_id: str = "P") -> list[tuple[Cause, int | None, tuple[int, ...]]]:
        """Of each decision its cause, rank and targets."""
        return [(decision.cause, decision.rank, decision.targets) for decision in self.journal(order_id)]

    def entries(self, seller: Seller, order_id: str = "P") -> list[Entry]:
        """What an order has booked for somebody."""
        all_of = ledger.all_of(ledger.Holder(self.shop.program_id, seller.id, "CNY", 1))
        return [entry for entry in all_of if entry.about == order_id]

    def booked(self, seller: Seller, order_id: str = "P") -> tuple[int, int, int]:
        """Commission, volume and number that an order has come to for somebody."""
        found = self.entries(seller, order_id)
        pending = sum(e.amount_minor * ((e.credit is Account.PENDING) - (e.debit is Account.PENDING)) for e in found)
        return pending, sum(entry.base_minor for entry in found), sum(entry.count for entry in found)

    def is_decided(self, order_id: str = "P") -> bool:
        """What the explanation says."""
        return bool(self.mei.get(f"/v1/orders/{order_id}/explanation")["decided"])


_made: list[tuple[Night, Held]] = []


@pytest.fixture
def night(api: Api, make_shop: Callable[..., Shop], worker: Worker) -> Night:
    """Made once and put back: making it takes a second."""
    if not _made:
        shop = make_shop(plan="rocket-snail-7", now="2026-03-03T10:00:00+08:00")
        _made.append((Night(api, shop, worker), held()))
    night, tables = _made[0]
    put_back(tables)
    return night


def test_an_order_is_judged_provisionally_and_again_when_its_rank_is_decided(night: Night) -> None:
    night.mei.sells("P", 100_000, NIGHT)
    assert night.mei.level_of("P") == (1, 200, 2000)
    night.told_late()
    assert (night.mei.level_of("P"), night.is_decided()) == ((1, 200, 2000), True), "later facts alone change nothing"
    night.close()
    assert night.story() == [(Cause.ORDER, 1, (2000,)), (Cause.LEVEL, 4, (8000,))]
    assert (night.mei.level_of("P"), night.is_decided()) == ((4, 800, 8000), True)
    assert night.booked(night.mei) == (8000, 100_000, 1)
    last = night.mei.get("/v1/orders/P/explanation")["decisions"][-1]
    assert last == {"n": 2, "at": "2026-03-03T19:00:00Z", "targets": [8000], "deltas": [6000], "cause": "level"}


def test_an_order_that_was_judged_with_what_is_decided_then_is_not_judged_again(night: Night) -> None:
    night.told_late()
    night.mei.sells("P", 100_000, NIGHT)
    night.close()
    assert night.story() == [(Cause.ORDER, 4, (8000,))]


def test_an_order_told_after_the_close_is_judged_once_with_the_decided_rank(night: Night) -> None:
    night.told_late()
    night.close()
    night.mei.sells("P", 100_000, NIGHT)
    assert night.story() == [(Cause.ORDER, 4, (8000,))]
    assert night.journal()[0].rank_decided


def test_between_the_close_and_the_judging_the_explanation_says_undecided(night: Night) -> None:
    night.mei.sells("P", 100_000, NIGHT)
    night.told_late()
    night.mark()
    assert not night.is_decided()
    night.mei.decide("P")
    assert night.is_decided()
    assert night.story()[-1] == (Cause.LEVEL, 4, (8000,))


@pytest.mark.parametrize("whole", [False, True], ids=["close marker", "whole close"])
def test_a_close_between_reading_the_rank_and_putting_the_decision(night: Night, whole: bool) -> None:
    night.mei.sells("P", 100_000, NIGHT, decided=False)

    def overtaken() -> None:
        night.told_late()
        (night.close if whole else night.mark)()

    with meanwhile(1, overtaken, only="decisions") as wire:
        night.mei.decide("P")
    assert wire.acted
    first = [] if whole else [(Cause.ORDER, 1, (2000,))]
    last = (Cause.ORDER if whole else Cause.LEVEL, 4, (8000,))
    assert night.story() == [*first, last]
    assert night.booked(night.mei) == (8000, 100_000, 1)
    assert night.is_decided()


@pytest.mark.parametrize("whole", [False, True], ids=["close marker", "whole close"])
def test_a_close_while_a_refund_is_decided(night: Night, whole: bool) -> None:
    night.mei.sells("P", 100_000, NIGHT)
    night.told_late()
    night.mei.refund("P", "r", 50_000, NIGHT, decided=False)
    with meanwhile(1, night.close if whole else night.mark, only="decisions") as wire:
        night.mei.decide("P")
    assert wire.acted
    assert night.story()[-1][1:] == (4, (4000,))
    assert night.booked(night.mei) == (4000, 50_000, 1)
    assert night.is_decided()


def test_a_worker_that_dies_on_a_provisional_decision_after_the_close_leaves_it_to_the_next(night: Night) -> None:
    night.mei.sells("P", 100_000, NIGHT, decided=False)

    def overtaken() -> None:
        night.told_late()
        night.mark()

    # Writes on entries: one of the late order's, then this one's, which is never sent.
    with failing({2}, only="entries"), meanwhile(1, overtaken, only="decisions"), pytest.raises(Crash):
        night.mei.decide("P")
    assert night.story() == [(Cause.ORDER, 1, (2000,))]
    night.mei.decide("P")
    assert night.story()[-1] == (Cause.LEVEL, 4, (8000,))
    assert night.booked(night.mei) == (8000, 100_000, 1)


def test_a_batch_that_has_seen_the_day_open_asks_again(night: Night, stream: Stream) -> None:
    """The function that decides reads once for a batch; meanwhile the day is closed."""
    for order_id in ("P", "Q"):
        night.mei.sells(order_id, 100_000, NIGHT, decided=False)
    records = stream.of("P", "Q")

    def overtaken() -> None:
        night.told_late()
        night.mark()

    with meanwhile(1, overtaken, only="decisions"):
        stream.deliver(records)
    for order_id in ("P", "Q"):
        assert night.story(order_id)[-1][1:] == (4, (8000,))
        assert night.booked(night.mei, order_id) == (8000, 100_000, 1)


def test_refunds_before_and_after_the_close_end_where_one_refund_of_the_total_does(night: Night) -> None:
    for order_id in ("P", "Q"):
        night.mei.sells(order_id, 99_999, NIGHT)
    night.mei.refund("P", "r-1", 30_001, NIGHT)
    night.told_late()
    night.close()
    night.mei.refund("P", "r-2", 9_999, NOON)
    night.mei.refund("Q", "r", 40_000, NOON)
    assert night.story() == [
        (Cause.ORDER, 1, (1999,)),
        (Cause.REFUND, 1, (1399,)),
        (Cause.LEVEL, 4, (5599,)),
        (Cause.REFUND, 4, (4799,)),
    ]
    assert night.booked(night.mei) == night.booked(night.mei, "Q") == (4799, 59_999, 1)
    assert {entry.counts_on for entry in night.entries(night.mei)} == {DAY}


def test_what_came_back_wholly_is_judged_again_without_money(night: Night) -> None:
    night.mei.sells("P", 100_000, NIGHT)
    night.mei.refund("P", "r", 100_000, NIGHT)
    night.told_late()
    night.close()
    assert night.story() == [(Cause.ORDER, 1, (2000,)), (Cause.REFUND, 1, (0,)), (Cause.LEVEL, 4, (0,))]
    assert night.booked(night.mei) == (0, 0, 0)
    assert night.is_decided()


@pytest.mark.parametrize("decided", [True, False], ids=["decided at once", "decided by the close"])
def test_an_order_attributed_anew_before_the_close_ends_with_the_new_ones_decided_rank(
    night: Night, decided: bool
) -> None:
    night.mei.sells("P", 100_000, NIGHT)
    night.attribute("P", night.li, decided=decided)
    night.told_late(night.li)
    night.close()
    ranks_of_li = (
        [(Cause.ATTRIBUTION, 1, (2000,)), (Cause.LEVEL, 4, (8000,))] if decided else [(Cause.ATTRIBUTION, 4, (8000,))]
    )
    assert night.story() == [(Cause.ORDER, 1, (2000,)), (Cause.ATTRIBUTION, 1, (0,)), *ranks_of_li]
    assert (night.booked(night.mei), night.booked(night.li)) == ((0, 0, 0), (8000, 100_000, 1))
    assert night.is_decided()


def test_an_order_attributed_anew_after_the_close_is_judged_once_for_the_new_one(night: Night) -> None:
    night.mei.sells("P", 100_000, NIGHT)
    night.told_late(night.mei)
    night.close()
    night.attribute("P", night.li)
    night.attribute("P", night.mei)
    assert night.story() == [
        (Cause.ORDER, 1, (2000,)),
        (Cause.LEVEL, 4, (8000,)),
        (Cause.ATTRIBUTION, 4, (0,)),
        (Cause.ATTRIBUTION, 1, (2000,)),
        (Cause.ATTRIBUTION, 1, (0,)),
        (Cause.ATTRIBUTION, 4, (8000,)),
    ]
    assert (night.booked(night.mei), night.booked(night.li)) == ((8000, 100_000, 1), (0, 0, 0))


def test_an_order_taken_from_everybody_before_the_close_stays_nobodys(night: Night) -> None:
    night.mei.sells("P", 100_000, NIGHT)
    night.attribute("P", None)
    night.told_late()
    night.close()
    assert [story[1:] for story in night.story()] == [(1, (2000,)), (1, (0,)), (None, ())]
    assert (night.booked(night.mei), night.is_decided()) == ((0, 0, 0), True)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_around_the_close_the_order_ends_the_same(night: Night, seed: int) -> None:
    """Facts in any order, decided at once, by another fact's turn, or by the close: in the end `li` has 8 % of 600."""
    draw = random.Random(seed)
    night.told_late(night.li)
    night.mei.sells("P", 100_000, NIGHT, decided=draw.random() < 0.5)
    acts: list[Callable[[], object]] = [
        lambda: night.mei.refund("P", "r-1", 15_000, NIGHT, decided=draw.random() < 0.5),
        lambda: night.mei.refund("P", "r-2", 25_000, NIGHT, decided=draw.random() < 0.5),
        lambda: night.attribute("P", night.li, decided=draw.random() < 0.5),
        night.close,
        lambda: night.mei.decide("P"),
    ]
    draw.shuffle(acts)
    for act in acts:
        act()
    night.mei.decide("P")
    assert night.story()[-1][1:] == (4, (4800,))
    assert (night.booked(night.mei), night.booked(night.li)) == ((0, 0, 0), (4800, 60_000, 1))
    assert night.is_decided()
