"""The program's clock, moved over HTTP, and patience for what takes its time."""

import time
from collections.abc import Callable

from infra.replay.client import Api, Refused, ReplayError

NOT_YET = {"orders_undecided", "changed_meanwhile"}
MOVING_SECONDS = 600
DECIDED_SECONDS = 600
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
"""Between questions that cost the platform something."""
SHORT_PAUSE = 0.4
"""Between questions that cost next to nothing."""


class Clock:
    """A test program's clock, in the hands of an operator."""

    def __init__(self, operator: Api) -> None:
        self._operator = operator
        self.seconds = 0.0
        """How long it was being moved until now."""

    def move_to(self, now: str) -> None:
        """Returns when it stands there and all that became due on the way is done. ReplayError if that takes long."""
        started = time.monotonic()
        wait_until(lambda: self._accepted(now), DECIDED_SECONDS, f"all orders to be decided before {now}")
        wait_until(self._stands, MOVING_SECONDS, f"the clock to reach {now}", SHORT_PAUSE)
        self.seconds += time.monotonic() - started

    def _accepted(self, now: str) -> bool:
        """A clock moves only when every order paid until then is decided. Asking again is harmless."""
        try:
            self._operator.post("/v1/test/clock", {"now": now})
        except Refused as refused:
            if refused.code not in NOT_YET:
                raise
            return False
        return True

    def _stands(self) -> bool:
        return self._operator.get("/v1/test/clock")["moving_to"] is None


def wait_until(true: Callable[[], bool], seconds: float, what: str, longest_pause: float = LONGEST_PAUSE) -> None:
    """Asks again after growing pauses, for asking costs too. ReplayError when it takes longer than that."""
    until, pause = time.monotonic() + seconds, FIRST_PAUSE
    while not true():
        if time.monotonic() > until:
            raise ReplayError(f"waited {seconds:.0f} s for {what}")
        time.sleep(pause)
        pause = min(2 * pause, longest_pause)
