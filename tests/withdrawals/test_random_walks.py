"""Random walks of a distributor's withdrawals: people, the worker, the provider, the bank and crashes, in any order.

After every step the invariants hold; when everything has come to rest, nothing is held that isn't an operator's to see.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from chalicelib.programs import service as programs
from chalicelib.shared.errors import DomainError
from chalicelib.withdrawals import jobs, service
from chalicelib.withdrawals.model import Withdrawal
from tests.support_clock import jump
from tests.support_faults import Crash, failing
from tests.support_state import held, put_back
from tests.withdrawals.teller import TEN, WANG, Teller

BEHAVIOURS = ("accept", "fail", "return", "bank", "lose_request", "lose_answer", "delay")
POSSIBLE = {
    "requested": ("approve", "reject", "cancel"),
    "approved": ("cancel",),
    "queued": ("cancel",),
    "failed": ("retry",),
    "manual": ("resolve",),
}
"""What people can do; that nothing else is done is tested by itself."""
ASKED = st.tuples(st.integers(100, 30_000), st.sampled_from(BEHAVIOURS))
FAULTS = st.tuples(st.integers(0, 6), st.booleans(), st.booleans())
"""At which write (0: none), whether the process dies, whether the write was done."""


class Walk(RuleBasedStateMachine):
    """One program's life. `teller` is set by the test."""

    teller: Teller

    def __init__(self) -> None:
        super().__init__()
        self.before = held()
        self.teller.forget_files()
        self.contents: dict[str, tuple[str, int]] = {}
        self.known: dict[str, Withdrawal] = {}

    def teardown(self) -> None:
        self.come_to_rest()
        put_back(self.before)

    @contextmanager
    def faults(self, fault: tuple[int, bool, bool]) -> Iterator[None]:
        at, crash, answered = fault
        try:
            with failing({at}, crash=crash, answered=answered, only="withdrawals"):
                yield
        except (Crash, DomainError):
            return

    @initialize(
        first=st.lists(st.tuples(st.integers(100, 30_000), st.sampled_from(BEHAVIOURS)), min_size=3, max_size=4)
    )
    def begin(self, first: list[tuple[int, str]]) -> None:
        for i, (amount, behaviour) in enumerate(first):
            asked = (self.teller.market.id("seller"), amount, self.teller.method(behaviour), f"first-{i}")
            with self.faults((0, False, False)):
                service.request(WANG, self.teller.program, *asked)

    @rule(amount=st.integers(100, 40_000), behaviour=st.sampled_from(BEHAVIOURS), fault=FAULTS, again=st.booleans())
    def ask(self, amount: int, behaviour: str, fault: tuple[int, bool, bool], again: bool) -> None:
        key = f"k-{len(self.known)}-{amount}"
        asked = (self.teller.market.id("seller"), amount, self.teller.method(behaviour), key)
        with self.faults(fault):
            service.request(WANG, self.teller.program, *asked)
        if again:
            with self.faults((0, False, False)):
                service.request(WANG, self.teller.program, *asked)

    def choices(self) -> list[tuple[str, str]]:
        return [(w, action) for w, one in sorted(self.known.items()) for action in POSSIBLE.get(one.status, ())]

    @precondition(lambda self: self.choices())
    @rule(which=st.integers(0, 100), paid=st.booleans(), fault=FAULTS)
    def decide(self, which: int, paid: bool, fault: tuple[int, bool, bool]) -> None:
        choices = self.choices()
        withdrawal_id, action = choices[which % len(choices)]
        program = self.teller.program
        with self.faults(fault):
            if action == "resolve":
                service.resolve(ZHAO, program, withdrawal_id, paid, "why", None)
            else:
                DECIDE[action](ZHAO, program, withdrawal_id, "why", None)

    @precondition(lambda self: jobs.next_due(self.teller.program))
    @rule(turns=st.integers(1, 4), fault=FAULTS)
    def work(self, turns: int, fault: tuple[int, bool, bool]) -> None:
        for _ in range(turns):
            due = jobs.next_due(self.teller.program)
            if due is None:
                return
            if due > self.teller.program.now():
                jump("shop-1", due)
            with self.faults(fault):
                self.teller.work()

    @precondition(lambda self: self.contents)
    @rule(which=st.integers(0, 30), fault=FAULTS)
    def wake(self, which: int, fault: tuple[int, bool, bool]) -> None:
        names = sorted(self.contents)
        with self.faults(fault):
            jobs.look(self.teller.program, names[which % len(names)])

    @precondition(lambda self: self.teller.files())
    @rule(results=st.lists(st.sampled_from(["paid", "failed", "returned"]), min_size=1, max_size=4), fault=FAULTS)
    def bring_results(self, results: list[str], fault: tuple[int, bool, bool]) -> None:
        for batch in self.teller.batches():
            file = self.teller.files()[f"batches/shop-1/{batch['batch_id']}.csv"]
            names = [row.split(",")[0] for row in file.decode().splitlines()[1:]]
            rows = list(zip(names, results, strict=False))
            with self.faults(fault):
                self.teller.told(batch["batch_id"], *rows, expect=None)

    @rule(on=st.booleans())
    def kill_switch(self, on: bool) -> None:
        programs.change(WANG, self.teller.program, kill_switch=on)

    @rule(hours=st.integers(1, 60))
    def time_goes_by(self, hours: int) -> None:
        jump("shop-1", self.teller.program.now() + timedelta(hours=hours))

    @invariant()
    def holds(self) -> None:
        self.teller.check()
        self.teller.check_book()
        for withdrawal in self.teller.all():
            before = self.known.get(withdrawal.withdrawal_id, withdrawal)
            assert withdrawal.history[: len(before.history)] == before.history
            self.known[withdrawal.withdrawal_id] = withdrawal
            for attempt in withdrawal.attempts:
                frozen = (attempt.content, attempt.amount_minor)
                assert self.contents.setdefault(attempt.reference, frozen) == frozen  # 27

    def come_to_rest(self) -> None:
        """Invariant 40: once faults stop, so many passes and everything is clear, or an operator's to see."""
        programs.change(WANG, self.teller.program, kill_switch=False)
        self.teller.go_to(max(self.teller.program.now(), TEN) + timedelta(days=32))
        for withdrawal in jobs.open_withdrawals(self.teller.program):
            assert withdrawal.status in ("requested", "manual"), withdrawal.status
        self.holds()


ZHAO = replace(WANG, actor="zhao")
DECIDE: dict[str, Callable[..., Withdrawal]] = {
    "approve": service.approve,
    "reject": service.reject,
    "cancel": service.cancel,
    "retry": service.retry,
}


def test_random_walks_keep_every_invariant(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(review_above_minor=15_000, fee_bp=60, fee_minor=10)
    for behaviour in BEHAVIOURS:
        teller.method(behaviour)
    Walk.teller = teller
    few = settings(
        max_examples=6,
        stateful_step_count=10,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Walk, settings=few)
