"""The load's own parts: what is chosen, what must come of it, and who may be killed."""

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.stage import Stage
from tests.load.oracle import differences, expect
from tests.load.plan import STAR, Kill, Order, Plan
from tests.load.reaper import Reaper, seconds, workers

CODES = [f"code-{number}" for number in range(100)]


def test_a_seed_chooses_everything_and_another_one_something_else() -> None:
    one, same, other = (Plan(seed, 50, 5) for seed in (7, 7, 8))
    assert (one.orders, one.kills, one.sponsors) == (same.orders, same.kills, same.sponsors)
    assert one.requests(CODES) == same.requests(CODES)
    assert one.orders != other.orders


def test_the_star_takes_half_and_a_tenth_of_all_is_sent_twice() -> None:
    plan = Plan(7, 1_000, 0)
    assert sum(order.seller == STAR for order in plan.orders) == 500
    requests = plan.requests(CODES)
    twice_at_once = sum(request.copies - 1 for request in requests)
    again = len(requests) - len({(request.path, str(request.body)) for request in requests})
    assert 0.07 < (twice_at_once + again) / len(requests) < 0.13
    assert min(twice_at_once, again) > 50


def test_refunds_come_to_what_is_back() -> None:
    plan = Plan(7, 300, 0)
    once = {str(replace(request, copies=1)): request for request in plan.requests(CODES)}
    back: Counter[tuple[str, int]] = Counter()
    for request in once.values():
        for line in request.body["lines"] if request.path.endswith("/refunds") else ():
            back[request.path.split("/")[3], int(line["line_id"])] += line["amount_minor"]
    wanted = {(order.order_id, n): amount for order in plan.orders for n, amount in enumerate(order.back, 1) if amount}
    assert back == wanted
    assert len(wanted) > 30


def test_each_tier_is_floored_once_and_nobody_gets_what_came_back_or_was_called_off() -> None:
    plan = Plan(7, 0, 0)
    order = Order("o", STAR, (1_999, 50), (0, 0), completed=True, cancelled=False)
    plan.orders = [
        order,
        replace(order, order_id="p", back=(999, 50), completed=False),
        replace(order, order_id="q", cancelled=True),
    ]
    found = expect(plan)
    assert found.commissions == {
        ("o", 1): (2, 163), ("o", 2): (1, 40), ("o", 3): (0, 20),
        ("p", 1): (2, 80), ("p", 2): (1, 20), ("p", 3): (0, 10),
    }  # fmt: skip
    assert [found.money[seller] for seller in range(3)] == [(10, 20, 0, 0), (20, 40, 0, 0), (80, 163, 0, 0)]


def test_what_is_lost_another_or_too_much_is_a_difference() -> None:
    told = differences({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5})
    assert told == ["b: expected 2, found 4", "c: expected 3, found None", "d: expected None, found 5"]


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that looks like a worker; it ends with its input."""
    looks = "ministack-lambda-tributary-local-work-abcdefgh/_worker.py"
    with subprocess.Popen([sys.executable, "-c", "input()", looks], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_only_workers_that_descend_from_this_process_are_found(process: subprocess.Popen[bytes]) -> None:
    assert workers("tributary-local-work") == [process.pid]
    assert workers("tributary-local") == []
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as another:
        assert workers("tributary-local-work", root=another.pid) == []
        another.kill()


def test_a_worker_is_killed_when_so_many_requests_are_answered(process: subprocess.Popen[bytes]) -> None:
    reaper = Reaper(Stage("local", "http://127.0.0.1:1"), [Kill(2, "work", 5), Kill(9, "work", 0)], aged=0)
    reaper.answered(1)
    assert process.poll() is None
    reaper.answered(2)
    assert process.wait(10) == -signal.SIGKILL
    assert reaper.killed == {"work": 1}


def test_nobody_is_killed_that_is_starting(process: subprocess.Popen[bytes]) -> None:
    reaper = Reaper(Stage("local", "http://127.0.0.1:1"), [Kill(0, "work", 0)], aged=600)
    reaper.answered(1)
    assert (process.poll(), reaper.killed) == (None, {})


AGES = {"00:07": 7, "02:05": 125, "01:00:00": 3_600, "2-00:00:01": 172_801}


@pytest.mark.parametrize(("told", "old"), AGES.items(), ids=list(AGES))
def test_how_old_a_process_is(told: str, old: int) -> None:
    assert seconds(told) == old
