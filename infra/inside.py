"""Run Python with a stage's names and the caller's rights, for what the app's own code knows best."""

import subprocess
import sys
from pathlib import Path

from infra.paths import ROOT
from infra.render import environment
from infra.stage import Stage


class InsideError(RuntimeError):
    """What was asked for can't be done, or isn't there; the message says what."""


def inside(
    stage: Stage, *arguments: str, project: Path = ROOT, captured: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run this Python with these arguments, from the app's folder. It says what it says, unless that is captured."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=stage.environment() | environment(stage),
        capture_output=captured,
        text=True,
        check=False,
    )
