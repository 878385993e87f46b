"""Kills workers of the local cloud that this process has started, and of no other."""

import os
import re
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from functools import reduce
from threading import Lock

from infra.stage import Stage
from tests.load.plan import Kill

AGED_SECONDS = 5
"""The emulator takes one that dies while it starts for a broken function, and starts all of them anew."""


def workers(function: str, aged: int = 0, root: int | None = None) -> list[int]:
    """The processes that a function runs in, so many seconds old: of those that descend from this one, or `root`."""
    ps = ["ps", "-A", "-ww", "-o", "pid=,ppid=,etime=,args="]
    listed = subprocess.run(ps, capture_output=True, text=True, check=True).stdout.splitlines()
    processes = [(int(pid), int(parent), *rest) for pid, parent, *rest in (one.split(None, 3) for one in listed)]
    ours, before = {root or os.getpid()}, 0
    while before != len(ours):
        before = len(ours)
        ours |= {pid for pid, parent, *_ in processes if parent in ours}
    started = re.compile(rf"ministack-lambda-{function}-\w{{8}}/_worker")
    found = [(pid, age) for pid, _, age, *args in processes if pid in ours and started.search(" ".join(args))]
    return sorted(pid for pid, age in found if seconds(age) >= aged)


def seconds(age: str) -> int:
    """What ps tells as `[[days-]hours:]minutes:seconds`."""
    days, _, time = age.rpartition("-")
    of_the_day = reduce(lambda sum_, part: 60 * sum_ + int(part), time.split(":"), 0)
    return 86_400 * int(days or 0) + of_the_day


class Reaper:
    """Kills as it is planned, by the number of answers; later if there is nobody to kill yet."""

    def __init__(self, stage: Stage, kills: list[Kill], aged: int = AGED_SECONDS) -> None:
        self._stage, self._aged = stage, aged
        self._kills = list(kills)
        self._lock = Lock()
        self.killed: Counter[str] = Counter()
        """How many of which function."""

    def answered(self, count: int) -> None:
        """So many requests are answered now."""
        with self._lock:
            while self._kills and self._kills[0].after <= count and self.kill(self._kills[0], self._aged):
                del self._kills[0]

    def kill(self, kill: Kill, aged: int) -> bool:
        """Kill one of a function's workers, if it has any of that age."""
        found = workers(self._stage.function(kill.function), aged)
        if not found:
            return False
        with suppress(ProcessLookupError):
            os.kill(found[kill.which % len(found)], signal.SIGKILL)
        self.killed[kill.function] += 1
        return True
