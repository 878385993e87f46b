"""The local cloud listens to this machine only, and never outlives whoever started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local_cloud import listens, local_cloud
from infra.paths import ROOT, cloud_home
from infra.stage import Stage

STARTS_ONE_AND_WAITS = """
import time
from infra.local_cloud import local_cloud
with local_cloud() as endpoint:
    print(endpoint, flush=True)
    time.sleep(60)
"""


def answers(endpoint: str) -> bool:
    return listens(int(endpoint.rpartition(":")[2]))


def test_it_listens_on_loopback_only_and_leaves_only_its_log() -> None:
    with local_cloud() as endpoint:
        assert endpoint.startswith("http://127.0.0.1:")
        assert Stage("any", endpoint).client("sts").get_caller_identity()["Account"] == "000000000000"
        listening = Path("/proc/net/tcp").read_text() if Path("/proc/net/tcp").exists() else ""
        everywhere = f"00000000:{int(endpoint.rpartition(':')[2]):04X}"
        assert everywhere not in listening
    assert not answers(endpoint)
    assert [path.name for path in cloud_home(endpoint).iterdir()] == ["ministack.log"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_whoever_started_it(how: signal.Signals) -> None:
    command = [sys.executable, "-c", STARTS_ONE_AND_WAITS]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        endpoint = starter.stdout.readline().strip()
        assert answers(endpoint)
        os.kill(starter.pid, how)
    deadline = time.monotonic() + 10
    while answers(endpoint):
        assert time.monotonic() < deadline, "it still listens ten seconds after its parent's end"
        time.sleep(0.05)


def test_a_local_stage_never_uses_the_callers_own_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "REAL")
    monkeypatch.setenv("AWS_PROFILE", "real")
    environment = Stage("any", "http://127.0.0.1:1").environment()
    assert environment["AWS_ACCESS_KEY_ID"] == "test"
    assert "AWS_PROFILE" not in environment
