"""`make bench`: what the platform takes, in CPU and in units, each against something else measured in the same run.

Each section is a process of its own, so that none is measured with what another has loaded. Ends with 1 if a limit is
passed, with 2 if something that a section needs isn't here.
"""

import argparse
import importlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from infra.paths import ROOT
from infra.stage import LOCAL_ACCOUNT
from tests.benchmarks.dynamodb_local import NotHere
from tests.benchmarks.table import Row, printed

SECTIONS: Final = {
    "orders": "an order over HTTP against a handler written by hand",
    "deciding": "a batch of 100 orders in the function that decides",
    "pure": "all baskets' commissions against a loop over ints",
    "imports": "app.py and the event modules against their libraries",
    "package": "what Lambda gets",
    "units": "write units of each operation, and what a million orders cost; on DynamoDB Local",
    "closes": "deciding everybody's ranks, for few and for many; on DynamoDB Local",
}


def main() -> int:
    """Measure and tell; the process's exit code."""
    told = _arguments()
    if told.rows:
        return _alone(told)
    rows: list[Row] = []
    for section in told.sections or SECTIONS:
        print(f"\n{section}: {SECTIONS[section]}", flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "rows.json"
            alone = ["--alone", section, "--rows", str(place)]
            command = [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:], *alone]
            ran = subprocess.run(command, cwd=ROOT, env=_environment(), check=False)
            if ran.returncode:
                return ran.returncode
            rows += [Row(**row) for row in json.loads(place.read_text())]
    print(f"\n{printed(rows)}")
    return 0 if all(row.kept for row in rows) else 1


def _arguments() -> argparse.Namespace:
    sections = "\n".join(f"  {name:<10}{what}" for name, what in SECTIONS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=f"{__doc__}\n{sections}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="section", help="all, if none is named")
    parser.add_argument("--sizes", type=_size, nargs=2, default=[1_000, 10_000], metavar=("SMALL", "LARGE"))
    parser.add_argument("--entries", type=int, default=20_000, help="closes: how many the old hand has")
    parser.add_argument("--baskets", type=int, default=1_000, help="units: how many orders of each kind")
    parser.add_argument("--alone", choices=list(SECTIONS), help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _size(text: str) -> int:
    size = int(text)
    if size < 1 or size % 20:
        raise argparse.ArgumentTypeError("a multiple of 20, since each 20 are alike")
    return size


def _environment() -> dict[str, str]:
    """No way to a real account, and nothing of a stage that the shell may know."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TRIBUTARY_"))}
    endpoint = {"AWS_ACCOUNT_ID_ENDPOINT_MODE": "disabled", "AWS_EC2_METADATA_DISABLED": "true"}
    return outside | LOCAL_ACCOUNT | endpoint | {"TRIBUTARY_STAGE": "bench"}


def _alone(told: argparse.Namespace) -> int:
    """One section, in this process; its rows into a file."""
    # As Lambda has it: lines are made and go somewhere.
    logging.basicConfig(filename=os.devnull, level=logging.INFO)
    given: dict[str, dict[str, Any]] = {
        "closes": {"sizes": tuple(told.sizes), "entries": told.entries},
        "units": {"baskets": told.baskets},
    }
    try:
        rows = importlib.import_module(f"tests.benchmarks.{told.alone}").measure(**given.get(told.alone, {}))
    except NotHere as missing:
        print(missing, file=sys.stderr)
        return 2
    told.rows.write_text(json.dumps([asdict(row) for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
