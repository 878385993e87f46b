"""Recompute a program from its facts and compare: decisions, entries, balances, withdrawals. Only reads."""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from chalicelib.ledger.proof import Difference
from chalicelib.operations import reconciliation
from chalicelib.programs import service as programs
from chalicelib.shared import money
from chalicelib.shared.errors import NotFound
from infra.inside import InsideError
from infra.progress import Progress, aligned


def run(program_id: str, progress: Progress) -> int:
    """Verify a program, and tell what differs. 0: nothing does."""
    try:
        found = verify(program_id, progress)
    except NotFound as missing:
        raise InsideError(str(missing)) from None
    tell(found, programs.get(program_id).currency, progress)
    return 1 if found else 0


def verify(program_id: str, progress: Progress) -> list[Difference]:
    """Everything of a program that isn't as its facts say, and everything that is in quarantine. Raises NotFound.

    What a live program was told in the last ten minutes is left aside.
    """
    program = programs.get(program_id)
    found: list[Difference] = []
    told: dict[str, int] = {}
    for stage, steps in groupby(reconciliation.prove(program), attrgetter("stage")):
        with progress.step(stage) as outcome:
            for step in steps:
                found += step.differences
                counts = {name: count for name, count in step.counts.items() if name not in told}
                outcome(", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none")
        told |= counts
    return found


def tell(found: Sequence[Difference], currency: str, progress: Progress) -> None:
    """What differs, in a table, and how much that is."""
    progress.say()
    if not found:
        progress.say("Nothing differs.")
        return
    rows = [(one.kind, f"{one.id} of {one.about}" if one.about else one.id, *_amounts(one, currency)) for one in found]
    for line in aligned([("what", "of", "wanted", "found"), *rows], right={2, 3}):
        progress.say(f"  {line}")
    differences = "1 difference" if len(found) == 1 else f"{len(found):,} differences"
    progress.say(f"\n{differences}. What to do: docs/runbook.md, ReconciliationRed")


def _amounts(one: Difference, currency: str) -> tuple[str, str]:
    if one.wanted_minor == one.found_minor:
        return "", ""  # what is wrong is no amount
    return money.shown(one.wanted_minor, currency), money.shown(one.found_minor, currency)
