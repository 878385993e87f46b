"""A cloud on this machine: ministack on loopback, for `make run`, for journeys, for trying a deploy.

It emulates, so it is not proof of everything: it ignores retry limits, bisecting and failure destinations of streams.
What it does run is what `chalice deploy` put there; for the tests each call of a function is judged by its role's
policy.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infra.deploy import deploy
from infra.paths import LOCAL, ROOT, cloud_home
from infra.progress import Progress
from infra.stage import LOCAL_ACCOUNT, Stage

START_SECONDS = 60.0
STOP_SECONDS = 10.0
LOG = "ministack.log"
LOGS_KEPT = 5


class LocalCloudError(RuntimeError):
    """The local cloud didn't start; the message says where its log is."""


@dataclass(frozen=True)
class LocalStage:
    """The app, deployed to a local cloud."""

    endpoint: str
    stage: str
    url: str
    platform_key: str

    def judgements(self) -> set["Judgement"]:
        """Which calls of the functions were judged so far."""
        lines = _judgements(cloud_home(self.endpoint)).read_text().splitlines()
        return {Judgement(*line.split("\t")) for line in lines}


@dataclass(frozen=True)
class Judgement:
    """What a function asked of AWS, and what its role's policy said: `Allow`, `Deny` or `ImplicitDeny`."""

    function: str
    action: str
    resource: str
    decision: str


@contextmanager
def deployed(
    project: Path | None = None, port: int | None = None, progress: Progress | None = None, *, judged: bool = True
) -> Iterator[LocalStage]:
    """Run a local cloud with the app of this clone, or of `project`, deployed as stage `local`, and nothing in it."""
    with local_cloud(port, judged=judged) as endpoint:
        done = deploy(Stage("local", endpoint), project=project, progress=progress)
        if done.platform_key is None:
            raise LocalCloudError("A new stage's access room made no platform key")
        yield LocalStage(endpoint, done.stage.name, done.url, done.platform_key)


@contextmanager
def local_cloud(port: int | None = None, *, judged: bool = True) -> Iterator[str]:
    """Run a local cloud, empty, and yield its endpoint such as `http://127.0.0.1:4566`.

    Takes a free port when none is given. Unless `judged`, no call is held against its role's policy, which saves a
    fifth of the time. Stops when the block ends, and when this process does. Its log stays
    in `.local`, the rest of it goes.
    """
    port = port or free_port()
    endpoint = f"http://127.0.0.1:{port}"
    home = cloud_home(endpoint)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    log = home / LOG
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.emulator"],
            cwd=ROOT,
            env=_emulator_environment(port, home) | {"AUTH": str(judged).lower()},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; we stop it after the last request
        )
    try:
        _wait_until_ready(process, endpoint, log)
        yield endpoint
    finally:
        _stop(process)
        _tidy(home)


def _tidy(home: Path) -> None:
    """Leave the log of a cloud that has ended, and of a few before it, some of which were killed."""
    for leftover in home.iterdir():
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
    with suppress(FileNotFoundError):  # another process may be tidying as well
        logs = sorted(LOCAL.glob(f"cloud-*/{LOG}"), key=lambda log: log.stat().st_mtime)
        for log in logs[:-LOGS_KEPT]:
            if not listens(int(log.parent.name.rpartition("-")[2])):
                shutil.rmtree(log.parent, ignore_errors=True)


def listens(port: int) -> bool:
    """Whether somebody takes connections on a TCP port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _judgements(home: Path) -> Path:
    return home / "iam" / "judgements"


def free_port() -> int:
    """A TCP port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _emulator_environment(port: int, home: Path) -> dict[str, str]:
    """What ministack sees; its functions inherit it, so nothing of the caller's AWS settings may be in it."""
    scratch = home / "tmp"
    scratch.mkdir(exist_ok=True)
    _judgements(home).parent.mkdir(exist_ok=True)
    _judgements(home).touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TRIBUTARY_"))}
    return (
        kept
        | LOCAL_ACCOUNT
        | {
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": "localhost",
            "JUDGEMENTS": str(_judgements(home)),
            "TMPDIR": str(scratch),
            "STATE_DIR": str(home / "state"),
            "S3_DATA_DIR": str(home / "s3"),
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
        }
    )


def _wait_until_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise LocalCloudError(f"The local cloud ended while starting; its log is {log}")
        if _ready(endpoint):
            return
        time.sleep(0.05)
    raise LocalCloudError(f"The local cloud isn't ready after {START_SECONDS:.0f} s; its log is {log}")


def _ready(endpoint: str) -> bool:
    try:
        with urllib.request.urlopen(f"{endpoint}/_ministack/ready", timeout=2) as answer:  # noqa: S310 - loopback
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
