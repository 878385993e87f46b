"""Dying before and after each write, for every write of a whole path: order, decision, entries, levels, money, payout.

The path is cut into steps. A step that dies and is repeated must leave the tables as it leaves them when nothing goes
wrong; then whatever follows is the same, so every write of the whole path is covered without telling it all again.
"""

from collections.abc import Callable

import pytest

from tests.faults.mirror import Mirror
from tests.faults.story import Story
from tests.faults.wire import CALM, Fault, Kind, faulty
from tests.faults.world import Turn, World
from tests.operations.till import DAY
from tests.support_faults import Crash
from tests.support_market import START
from tests.support_state import held, images, kept, put_back

MONEY = ("orders", "decisions", "entries", "levels", "accounts", "payouts", "programs", "referrals")
"""What must be the same: all but the log of who did what, the notes of runs, and the looks at withdrawals."""

Step = tuple[str, Callable[[Story], object]]


def order(number: int, paid_minor: int, **told: object) -> Callable[[Story], object]:
    def do(story: Story) -> object:
        market = story.world.market
        body = market.body(f"A-{number}", ("x", paid_minor), paid_at=story.world.now.isoformat(), **told)
        return market.post("/v1/orders", body)

    return do


def about(path: str, **body: object) -> Callable[[Story], object]:
    def do(story: Story) -> object:
        now = story.world.now.isoformat()
        timed = {name: now if value == "now" else value for name, value in body.items()}
        return story.world.market.post(path, timed)

    return do


def asks(behaviour: str, amount_minor: int) -> Callable[[Story], object]:
    def do(story: Story) -> object:
        world = story.world
        body = {
            "distributor_id": world.market.id("seller"),
            "amount_minor": amount_minor,
            "method_id": world.methods["seller", behaviour],
        }
        key, headers = world.sessions["seller"], {"idempotency_key": f"one-{behaviour}"}
        return world.api.post("/v1/withdrawals", body, key, **headers)

    return do


def stream(story: Story) -> None:
    story.world.stream.deliver(story.world.stream.records)


def nights(until: float) -> Callable[[Story], object]:
    """The clock moves on, to so many days after the beginning, and what falls due is done; a message comes again."""

    def do(story: Story) -> None:
        world = story.world
        if world.now < START + until * DAY:
            world.api.post("/v1/test/clock", {"now": (START + until * DAY).isoformat()}, world.shop.operator)
            world.worker.waiting()
            world.worker.deliver({"job": "advance", "program_id": world.shop.program_id})
            world.worker.run()

    return do


def results(story: Story) -> None:
    (batch,) = story.world.batches()
    sent = [each.attempt.reference for each in story.world.all() if each.channel == "bank"]
    story.world.told(batch["batch_id"], *[(reference, "paid") for reference in sent], expect=None)


REFUND = {"refund_id": "r-1", "refunded_at": "now", "lines": [{"line_id": "1", "quantity": 0, "amount_minor": 3_333}]}
LATE = {"refund_id": "r-2", "refunded_at": "now", "lines": [{"line_id": "1", "quantity": 0, "amount_minor": 90_000}]}

PATH: tuple[Step, ...] = (
    ("an order", order(0, 100_007)),
    ("its decision", stream),
    ("a refund", about("/v1/orders/A-0/refunds", **REFUND)),
    ("what it takes back", stream),
    ("a completion", about("/v1/orders/A-0/complete", completed_at="now")),
    ("the release", stream),
    ("a withdrawal by a provider that loses the answer", asks("lose_answer", 9_000)),
    ("a withdrawal by a bank", asks("bank", 8_000)),
    ("two nights: ranks, settlements, payouts, a look", nights(2.1)),
    ("what the bank says", results),
    ("a refund after the payout", about("/v1/orders/A-0/refunds", **LATE)),
    ("the clawback", stream),
    ("a night: the debt is settled", nights(3.1)),
)


def test_every_write_of_the_path_may_be_the_last_one(world: World, turn: Turn) -> None:
    deaths = 0
    for place, (name, step) in enumerate(PATH, start=1):
        before = held()

        def do(story: Story, step: Callable[[Story], object] = step, first: int = place * 1_000) -> None:
            # Whoever repeats a step draws the same ids.
            turn.next = first
            step(story)

        # Once through to learn what is right, then from the same point with a death at each write.
        writes, calm = _calm(world, do)
        for at in range(1, writes + 1):
            for kind in (Kind.DIES_BEFORE, Kind.DIES_AFTER) if at == writes else (Kind.DIES_BEFORE,):
                put_back(before)
                _die(world, do, Fault(kind, at))
                assert _money(world) == calm, f"{name}: {kind} {at} of {writes}"
                deaths += 1
    assert deaths > 60
    assert [each.status.value for each in world.all()] == ["paid", "paid"]
    assert world.answer()[1] < 0 or world.answer()[3] == 17_000


def _calm(world: World, do: Callable[[Story], object]) -> tuple[int, object]:
    with faulty(_books(world), CALM) as line:
        do(Story(world, _books(world), 0))
    return line.attempts, _money(world)


def _die(world: World, do: Callable[[Story], object], fault: Fault) -> None:
    books = _books(world)
    with faulty(books, fault), pytest.raises(Crash):
        do(Story(world, books, 0))
    world.worker.waiting()
    with faulty(books, CALM):
        do(Story(world, books, 0))


def _books(world: World) -> Mirror:
    made = Mirror(Mirror().terms)
    made.take(images())
    return made


def _money(world: World) -> object:
    """Everything, but for when a channel was asked: whoever comes after a death asks at once."""
    rows = {key: row for key, row in kept(*MONEY).items() if not key[2].startswith("w#")}
    return rows, [(each.withdrawal_id, each.status, each.split, len(each.attempts)) for each in world.all()]
