"""Kills workers of the local cloud that this process has started, and of no other."""

import os
import re
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from threading import Lock

from infra.stage import Stage
from tests.load.plan import Kill


def workers(function: str, root: int | None = None) -> list[int]:
    """The processes that a function runs in: of those descended from this one (or `root`) alone."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    processes = [(int(pid), int(parent), args) for pid, parent, args in (one.split(None, 2) for one in _whole(listed))]
    ours, before = {root or os.getpid()}, 0
    while before != len(ours):
        before = len(ours)
        ours |= {pid for pid, parent, _ in processes if parent in ours}
    started = re.compile(rf"ministack-lambda-{function}-\w{{8}}/_worker")
    return sorted(pid for pid, _, args in processes if pid in ours and started.search(args))


def _whole(listed: str) -> list[str]:
    return [line for line in listed.splitlines() if len(line.split(None, 2)) == 3]


class Reaper:
    """Kills as it is planned, by the number of answers."""

    def __init__(self, stage: Stage, kills: list[Kill]) -> None:
        self._stage = stage
        self._kills = list(kills)
        self._lock = Lock()
        self.killed: Counter[str] = Counter()
        """How many of which function."""

    def answered(self, count: int) -> None:
        """So many requests are answered now."""
        with self._lock:
            while self._kills and self._kills[0].after <= count:
                kill = self._kills.pop(0)
                self.kill(kill.function, kill.which)

    def kill(self, function: str, which: int) -> None:
        """Kill one of a function's workers, if it has any."""
        found = workers(self._stage.function(function))
        with suppress(ProcessLookupError, IndexError):
            os.kill(found[which % max(len(found), 1)], signal.SIGKILL)
            self.killed[function] += 1
