"""`make run`: a local cloud with the app deployed, real orders replayed into it, kept open to look around."""

import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from infra.deploy import Deployed, deploy
from infra.local_cloud import free_port, listens, local_cloud
from infra.paths import ROOT
from infra.progress import Progress
from infra.stage import Stage

if TYPE_CHECKING:
    from infra.replay import Script

USUAL_PORT = 4566


class RunError(RuntimeError):
    """The replay couldn't go on, or the oracle disagrees; the message says where."""


def run(port: int | None = None, baskets: int = 3000, months: int | None = None) -> None:
    """Start, deploy, replay the first months of `baskets` real baskets a year, then serve until Ctrl-C or SIGTERM.

    RunError if the replay fails.
    """
    from infra import replay  # it reads a year of baskets with pyarrow, which only this command needs

    signal.signal(signal.SIGTERM, _interrupt)
    progress = Progress()
    try:
        with ExitStack() as stack:
            beside = stack.enter_context(ThreadPoolExecutor(1))
            script = beside.submit(replay.prepare, baskets, months)
            with progress.step("local cloud") as outcome:
                endpoint = stack.enter_context(local_cloud(port or _usual_port_or_a_free_one(), judged=False))
                outcome(endpoint)
            started = time.monotonic()
            done = deploy(Stage("local", endpoint), progress=progress)
            progress.say(f"Deploy took {time.monotonic() - started:.0f} s\n")
            _replay(done, script.result())
            _invite(progress, endpoint)
            threading.Event().wait()
    except KeyboardInterrupt:
        progress.say("\nStopped.")


def _replay(done: Deployed, script: "Script") -> None:
    from infra import replay

    if done.platform_key is None:
        raise RuntimeError("An empty stage's first deploy makes a platform key, and this one made none")
    try:
        replay.run(done.url, done.platform_key, script)
    except replay.ReplayError as error:
        raise RunError(str(error)) from error


def _invite(progress: Progress, endpoint: str) -> None:
    progress.say()
    progress.say("After a change to the code, in another terminal:")
    progress.say(f"  {_python()} -m infra deploy --stage local --endpoint {endpoint}")
    progress.say()
    progress.say("Serving until Ctrl-C.")


def _python() -> str:
    """This Python as one would type it here."""
    here = Path(sys.executable)
    return str(here.relative_to(ROOT)) if here.is_relative_to(ROOT) else "python"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _usual_port_or_a_free_one() -> int:
    return free_port() if listens(USUAL_PORT) else USUAL_PORT
