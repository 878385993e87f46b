"""`make bench`: what a close asks of AWS's DynamoDB Local, for 1,000 and for 10,000 distributors.

Ends with 1 if requests per distributor differ by more than a tenth, or if a long life costs more than a short one.
"""

import argparse
import os
import sys
from datetime import date
from typing import Final

import boto3

from chalicelib.shared.tables import connection
from infra.replay.progress import Teller
from infra.stage import LOCAL_ACCOUNT
from infra.tables import table_definitions
from tests.benchmarks.close import ALLOWED, Close, close, decide, grows
from tests.benchmarks.crowd import FIRST, ORDINARY, TWENTY, join, make_program, meet, newcomer_and_old_hand
from tests.benchmarks.dynamodb_local import VERSION, NotHere, dynamodb_local
from tests.benchmarks.wire import Wire

DAYS: Final = {ORDINARY: "an ordinary day", FIRST: "a 1st, after a month that many missed"}
COSTS: Final = ("requests", "read units", "write units")
STAGE: Final = "bench"
PATIENCE_SECONDS: Final = 30.0
"""DynamoDB Local on a busy machine may take longer than AWS for a page: what is asked again would be counted again."""


def main() -> int:
    """Measure and tell; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--sizes", type=_size, nargs=2, default=[1_000, 10_000], metavar=("SMALL", "LARGE"))
    parser.add_argument("--entries", type=int, default=20_000, help="how many the old hand has")
    told = parser.parse_args()
    try:
        with dynamodb_local() as endpoint:
            _use(endpoint)
            return _measure(told.sizes, told.entries)
    except NotHere as missing:
        print(missing, file=sys.stderr)
        return 2


def _size(text: str) -> int:
    size = int(text)
    if size < 1 or size % len(TWENTY):
        raise argparse.ArgumentTypeError(f"a multiple of {len(TWENTY)}, since each {len(TWENTY)} are alike")
    return size


def _use(endpoint: str) -> None:
    """Have the app talk to this store and to nothing else, and make its tables."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "TRIBUTARY_"))]:
        del os.environ[name]
    os.environ |= LOCAL_ACCOUNT | {"AWS_ENDPOINT_URL_DYNAMODB": endpoint, "TRIBUTARY_STAGE": STAGE}
    client = boto3.client("dynamodb")
    for definition in table_definitions(f"tributary-{STAGE}-"):
        client.create_table(**definition)
    connection()._read_timeout_seconds = PATIENCE_SECONDS


def _measure(sizes: list[int], entries: int) -> int:
    with Teller() as teller:
        closes = [_closes(size, teller) for size in sizes]
        lives = _lives(entries, teller)
    print(f"\nDynamoDB Local {VERSION}, per distributor. CPU is the worker's; the rest is what the store told.")
    for day, name in DAYS.items():
        _print_closes(f"Deciding the ranks of {day:%-d %B}, {name}", *(each[day] for each in closes))
    _print_lives(*lives, entries)
    grown = [day for day in DAYS if grows(*(each[day] for each in closes))]
    dearer = _cost(lives[0]) != _cost(lives[1])
    if grown or dearer:
        print(f"\nNot as promised: {'a long life costs more' if dearer else f'more than {ALLOWED:.0%} apart'}")
    return 1 if grown or dearer else 0


def _closes(size: int, teller: Teller) -> dict[date, Close]:
    program = make_program(f"crowd-{size}")
    with teller.step(f"{size:,} distributors join", size) as step:
        for more in join(program, size):
            step.done(more)
    found = {}
    for day in DAYS:
        with teller.step(f"{size:,} get their rank of {day:%-d %B}", size) as step:
            found[day] = close(program, day, step.done)
    return found


def _lives(entries: int, teller: Teller) -> tuple[Wire, Wire]:
    program = make_program("lives")
    with teller.step("one sells for 450 days", entries) as step:
        for more in meet(program, entries):
            step.done(more)
    newcomer, old_hand = newcomer_and_old_hand(program)
    return decide(program, newcomer, ORDINARY), decide(program, old_hand, ORDINARY)


def _cost(wire: Wire) -> tuple[int, float, float]:
    return wire.requests.total(), wire.read_units, wire.write_units


def _print_closes(title: str, small: Close, large: Close) -> None:
    print(f"\n{title}")
    print(f"  {'':<22}{small.distributors:>12,}{large.distributors:>12,}{'ratio':>9}")
    one, other = small.figures(), large.figures()
    for name in one:
        print(f"  {name:<22}{one[name]:>12.4f}{other[name]:>12.4f}{_ratio(one[name], other[name]):>9}")


def _ratio(one: float, other: float) -> str:
    return f"{other / one:.3f}" if one else ""


def _print_lives(newcomer: Wire, old_hand: Wire, entries: int) -> None:
    print("\nOne distributor at a close, by entries of days before")
    print(f"  {'':<22}{0:>12,}{entries:>12,}")
    for name, one, other in zip(COSTS, _cost(newcomer), _cost(old_hand), strict=True):
        print(f"  {name:<22}{one:>12.1f}{other:>12.1f}{'same' if one == other else 'other':>9}")


if __name__ == "__main__":
    sys.exit(main())
