"""Dying before or after each write of a withdrawal's life, losing requests, losing answers: repeated, it ends the same.

Every write of money is a transaction with the withdrawal in it; besides there is the provider's book, or the batch.
"""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.payouts.channels.pretend import book
from chalicelib.withdrawals import jobs
from tests.support_clock import jump
from tests.support_faults import Crash, failing
from tests.support_race import meanwhile
from tests.support_state import rewound
from tests.withdrawals.teller import TEN, Teller

BEHAVIOURS = ("accept", "lose_request", "lose_answer", "fail", "return")
OURS = "withdrawals"


def ask(teller: Teller, behaviour: str, key: str = "k") -> str:
    """Ask as an operator, and ask again until there is an answer."""
    session = teller.shop.operator
    for _ in range(3):
        try:
            answer = teller.ask(1_000, behaviour, key=session, idempotency_key=key, expect=None)
            return str(answer.json["withdrawal_id"])
        except Crash:
            continue
    raise AssertionError("it always dies")


def follow(teller: Teller) -> None:
    """Do what is due until nothing is, starting again whenever the worker dies."""
    for _ in range(40):
        due = jobs.next_due(teller.program)
        if due is None:
            return
        try:
            if due > teller.program.now():
                jump("shop-1", due)
            teller.work()
        except Crash:
            continue
    raise AssertionError("something is due for ever")


def through(teller: Teller, behaviour: str) -> dict[str, Any]:
    """A whole life, and how it ended."""
    withdrawal_id = ask(teller, behaviour)
    follow(teller)
    teller.check()
    teller.check_book()
    attempts = teller.get(withdrawal_id).attempts
    return {
        "status": teller.status(withdrawal_id),
        "stands": teller.stands(),
        "number": len(list(teller.all())),
        "attempts": len(attempts),
        "book": [(line.reference == attempts[0].reference, line.amount_minor) for line in book("shop-1")],
    }


def each_write(attempts: int) -> list[tuple[int, bool]]:
    """Before each write, and after the last: having died after a write is having died before the next one."""
    return [*((at, False) for at in range(1, attempts + 1)), (attempts, True)]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_dying_at_each_write_ends_the_same(make_teller: Callable[..., Teller], behaviour: str) -> None:
    teller = make_teller(fee_minor=50)
    teller.method(behaviour)
    with rewound(), failing(set()) as wire:
        wanted = through(teller, behaviour)
    for at, answered in each_write(wire.attempts):
        with rewound(), failing({at}, answered=answered):
            assert through(teller, behaviour) == wanted, at


@pytest.mark.parametrize(
    ("behaviour", "answered"), [("accept", False), ("accept", True), ("lose_request", True), ("return", True)]
)
def test_losing_each_request_or_answer_once_ends_the_same(
    make_teller: Callable[..., Teller], behaviour: str, answered: bool
) -> None:
    """The SDK sends it again by itself: what was written meets itself."""
    teller = make_teller(fee_minor=50)
    teller.method(behaviour)
    with rewound(), failing(set(), only=OURS) as wire:
        wanted = through(teller, behaviour)
    for at in range(1, wire.attempts + 1):
        with rewound(), failing({at}, crash=False, answered=answered, only=OURS):
            assert through(teller, behaviour) == wanted, at


@pytest.mark.parametrize("behaviour", ["lose_request", "return"])
def test_two_workers_at_once_end_the_same(make_teller: Callable[..., Teller], behaviour: str) -> None:
    teller = make_teller(fee_minor=50)
    teller.method(behaviour)
    with rewound(), failing(set(), only=OURS) as wire:
        wanted = through(teller, behaviour)
    for at in range(2, wire.attempts + 1):
        for answered in (False, True):
            with rewound(), meanwhile(at, teller.work, answered=answered, only=OURS):
                assert through(teller, behaviour) == wanted, at


# By bank


def by_bank(teller: Teller) -> dict[str, Any]:
    asked = [ask(teller, "bank", f"k-{i}") for i in range(2)]
    worked = False
    while not worked:
        try:
            jump("shop-1", TEN)
            teller.work()
            worked = True
        except Crash:
            continue
    names = [teller.get(each).attempt.reference for each in asked]
    rows = list(zip(names, ["paid", "returned"], strict=True))
    (batch,) = teller.batches()
    for _ in range(3):
        try:
            teller.told(batch["batch_id"], *rows)
        except Crash:
            continue
    teller.check()
    return {
        "statuses": [teller.status(each) for each in asked],
        "stands": teller.stands(),
        "number": len(list(teller.all())),
        "files": len(teller.files()),
        "count": batch["count"],
    }


def test_dying_at_each_write_of_a_bank_s_batch_ends_the_same(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(fee_minor=50)
    teller.method("bank")
    for room in (OURS, "payouts"):
        teller.forget_files()
        with rewound(), failing(set(), only=room) as wire:
            wanted = by_bank(teller)
        assert wanted["count"] == 2
        for at, answered in each_write(wire.attempts):
            teller.forget_files()
            with rewound(), failing({at}, answered=answered, only=room):
                assert by_bank(teller) == wanted, (room, at)
