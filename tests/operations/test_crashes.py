"""A close whose worker dies, or doesn't hear of what it wrote, ends as if nothing had happened."""

import pytest

from chalicelib.operations import jobs
from tests.operations.due import Due
from tests.support_faults import Crash, failing
from tests.support_race import meanwhile
from tests.support_state import rewound

WRITES = range(1, 15)
"""Those of a close with everything to do. The run begins; what was told is decided: a decision, its entry; the clock
stands at the close; the walk begins; two standings, their part, the ranks that are held, the close; judged again: a
decision, its entry; the run ends; the clock stands where it was to move to."""


def test_a_close_with_everything_to_do_writes_so_often(due: Due) -> None:
    with failing(set()) as wire:
        due.work()
    assert wire.attempts == len(WRITES)
    assert due.kept() == due.calm


def test_a_crash_at_any_write_heals_when_the_message_comes_again(due: Due) -> None:
    """Having died after a write is having died before the next one; only the last one has no next."""
    for k, answered in [*((k, False) for k in WRITES), (WRITES[-1], True)]:
        with rewound():
            with failing({k}, answered=answered), pytest.raises(Crash):
                due.work()
            due.work()
            assert due.kept() == due.calm, k


@pytest.mark.usefixtures("no_waiting")
def test_what_the_sdk_sends_again_because_an_answer_was_lost_changes_nothing(due: Due) -> None:
    for k in WRITES:
        with rewound():
            with failing({k}, answered=True, crash=False):
                due.work()
            assert due.kept() == due.calm, k


def test_two_workers_at_one_program_end_as_one_does(due: Due) -> None:
    """Before some write of the one, the other does everything."""
    for k in WRITES[::2]:
        with rewound():
            with meanwhile(k, due.work) as wire:
                due.work()
            assert wire.acted
            assert due.kept() == due.calm, k


def test_when_all_is_done_the_message_again_writes_nothing(due: Due) -> None:
    due.work()
    with failing(set()) as wire:
        due.work()
        jobs.tick()
    assert (due.kept(), wire.attempts, due.worker.waiting()) == (due.calm, 0, [])
