"""The tools that read the code agree with it. A failure prints what the tool said."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "."],
    "mypy": ["-m", "mypy"],
    "import-linter": [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"],
}


@pytest.mark.parametrize("name", TOOLS)
def test_tool_has_nothing_to_say(name: str) -> None:
    ran = subprocess.run([sys.executable, *TOOLS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.fail(f"{name}:\n{ran.stdout}{ran.stderr}", pytrace=False)
