"""Import of app.py and of each event function's module: its CPU against that of the libraries it imports, alone.

Each import is a process of its own, with byte code, as Lambda starts one; what Python takes to start is left out.
"""

import json
import os
import subprocess
import sys
import tempfile
from statistics import median

from infra.paths import ROOT
from tests.benchmarks.table import ROUNDS, Row

MODULES = {
    "app": 1.5,
    "chalicelib.commissions.events": 1.25,
    "chalicelib.ledger.events": 1.25,
    "chalicelib.operations.events": 1.25,
}
"""And the most that each may take."""
_ROUNDS = 2 * ROUNDS
"""Twice as many as others have: an import is short, and half of it is the system's files."""

_LIBRARIES = """
import importlib, json, sys
there = set(sys.modules)
importlib.import_module(sys.argv[1])
ours = ("app", "chalicelib", "__main__")
print(json.dumps([name for name in sys.modules if name not in there and name.partition(".")[0] not in ours]))
"""
_TIMED = """
import importlib, json, sys, time
names = json.loads(sys.argv[1])
began = time.process_time()
for name in names:
    importlib.import_module(name)
print(time.process_time() - began)
"""


def measure() -> list[Row]:
    """Each module in turn with its libraries, round after round. What looks for the libraries writes the byte code."""
    with tempfile.TemporaryDirectory() as byte_code:
        return [_measured(module, limit, byte_code) for module, limit in MODULES.items()]


def _measured(module: str, limit: float, byte_code: str) -> Row:
    libraries = json.loads(_run(_LIBRARIES, module, byte_code))

    def seconds(names: list[str]) -> float:
        return float(_run(_TIMED, json.dumps(names), byte_code))

    pairs = [(seconds([module]), seconds(libraries)) for _ in range(_ROUNDS)]
    ours, alone = (1_000 * median(side) for side in zip(*pairs, strict=True))
    return Row(f"import {module}", ours, limit, "ms CPU", alone, median(one / other for one, other in pairs))


def _run(script: str, argument: str, byte_code: str) -> str:
    """What a fresh Python prints. Raises CalledProcessError: an import that fails isn't measured."""
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = outside | {"PYTHONPYCACHEPREFIX": byte_code}
    command = [sys.executable, "-c", script, argument]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
