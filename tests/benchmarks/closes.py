"""What a close asks of AWS's DynamoDB Local, for 1,000 and for 10,000 distributors; for a long life and a short one."""

from datetime import date
from typing import Final

from infra.replay.progress import Teller
from tests.benchmarks.close import ALLOWED, Close, close, decide
from tests.benchmarks.crowd import FIRST, ORDINARY, join, make_program, meet, newcomer_and_old_hand
from tests.benchmarks.dynamodb_local import serving
from tests.benchmarks.table import Row
from tests.benchmarks.wire import Wire

DAYS: Final = {ORDINARY: "an ordinary day", FIRST: "a 1st, after a month that many missed"}
COSTS: Final = ("requests", "read units", "write units")


def measure(sizes: tuple[int, int] = (1_000, 10_000), entries: int = 20_000) -> list[Row]:
    """Close both days for both sizes, and decide one distributor with so many entries and one with none."""
    with serving(), Teller() as teller:
        small, large = [_closes(size, teller) for size in sizes]
        newcomer, old_hand = _lives(entries, teller)
    print("Per distributor. CPU is the worker's; the rest is what the store told.")
    for day, name in DAYS.items():
        _print_closes(f"Deciding the ranks of {day:%-d %B}, {name}", small[day], large[day])
    _print_lives(newcomer, old_hand, entries)
    return [
        *(_row(f"{sizes[1]:,} against {sizes[0]:,}, {name}", small[day], large[day]) for day, name in DAYS.items()),
        *(
            Row(f"a rank after {entries:,} entries, against none", other, 1.0, name, one, other / one)
            for name, one, other in zip(COSTS, _cost(newcomer), _cost(old_hand), strict=True)
        ),
    ]


def _row(what: str, small: Close, large: Close) -> Row:
    """Requests per distributor: the one against the other, and whichever is more against the less."""
    one, other = sorted((small.requests_each, large.requests_each))
    return Row(what, large.requests_each, 1 + ALLOWED, "requests", small.requests_each, other / one)


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


def _cost(wire: Wire) -> tuple[float, float, float]:
    return wire.requests.total(), wire.read_units, wire.write_units


def _print_closes(title: str, small: Close, large: Close) -> None:
    print(f"\n{title}")
    print(f"  {'':<22}{small.distributors:>12,}{large.distributors:>12,}{'ratio':>9}")
    one, other = small.figures(), large.figures()
    for name in one:
        ratio = f"{other[name] / one[name]:.3f}" if one[name] else ""
        print(f"  {name:<22}{one[name]:>12.4f}{other[name]:>12.4f}{ratio:>9}")


def _print_lives(newcomer: Wire, old_hand: Wire, entries: int) -> None:
    print("\nOne distributor at a close, by entries of days before")
    print(f"  {'':<22}{0:>12,}{entries:>12,}")
    for name, one, other in zip(COSTS, _cost(newcomer), _cost(old_hand), strict=True):
        print(f"  {name:<22}{one:>12.1f}{other:>12.1f}{'same' if one == other else 'other':>9}")
