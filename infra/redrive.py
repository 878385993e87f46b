"""Try again what couldn't be processed, and have orders decided that the stream has given up."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.commissions import service as commissions
from chalicelib.orders.changes import SOURCE
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import quarantine
from chalicelib.shared.errors import NotFound
from infra.inside import InsideError
from infra.invoke import invoke
from infra.progress import Progress, aligned
from infra.stage import Stage

Send = Callable[[Mapping[str, Any]], None]
"""Has the stage's worker do a job now, and waits for it."""

_PAGE = 100
_WHY_MAX = 100


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a record that was tried again, and if it stays, why."""

    quarantine_id: str
    done: bool
    why: str = ""


def run(stage: Stage, program_id: str, order_ids: Sequence[str], actor: str, progress: Progress) -> int:
    """Try these orders again, or without any what is in quarantine; tell what became of each. 0: all is done."""
    try:
        wanted = [of_order(order_id) for order_id in order_ids] or quarantined(program_id)
        with progress.step("redrive") as outcome:
            tried = []
            for one in redrive(program_id, wanted, actor, by_worker(stage)):
                tried.append(one)
                outcome(f"{len(tried):,} of {len(wanted):,} tried")
    except NotFound as missing:
        raise InsideError(str(missing)) from None
    endpoint = f" --endpoint {stage.endpoint}" if stage.endpoint else ""
    tell(tried, f"--stage {stage.name}{endpoint} {program_id}", progress)
    return 0 if all(one.done for one in tried) else 1


def tell(tried: Sequence[Tried], where: str, progress: Progress) -> None:
    """What became of each, and what to do next."""
    stay = sum(not one.done for one in tried)
    progress.say()
    for line in aligned([(one.quarantine_id, "done" if one.done else "stays", one.why) for one in tried]):
        progress.say(f"  {line}")
    progress.say()
    if stay:
        progress.say(f"{stay:,} of {len(tried):,} stay. Mend the cause (docs/runbook.md, Quarantined), deploy, then:")
        progress.say(f"  python -m infra redrive {where} --quarantined")
    else:
        progress.say("All is done." if tried else "Nothing is in quarantine.")
        progress.say(f"Whether all is right: python -m infra verify {where}")


def of_order(order_id: str) -> str:
    """The id by which an order stands in quarantine, if it does."""
    return f"{SOURCE}:{order_id}"


def quarantined(program_id: str) -> list[str]:
    """All of a program's records that can't be processed. Raises NotFound for a program that there isn't."""
    return [row.quarantine_id for row in _rows(programs.get(program_id).program_id)]


def redrive(program_id: str, quarantine_ids: Sequence[str], actor: str, send: Send) -> Iterator[Tried]:
    """Try each of these again, one after the other; an order also if it isn't in quarantine.

    Harmless at any time: what is decided already stays. Raises NotFound, and what `send` raises.
    """
    program = programs.get(program_id)
    for quarantine_id in quarantine_ids:
        send({"job": "redrive", "program_id": program_id, "quarantine_id": quarantine_id, "actor": actor})
        found = quarantine.find(program_id, quarantine_id)
        if found is not None:
            yield Tried(quarantine_id, False, " ".join(found.reason.split())[:_WHY_MAX])
        elif not quarantine_id.startswith(of_order("")):
            yield Tried(quarantine_id, True)
        else:
            yield _order(program, quarantine_id)


def _order(program: Program, quarantine_id: str) -> Tried:
    try:
        explained = commissions.explain(program, quarantine_id.partition(":")[2])
    except NotFound:
        return Tried(quarantine_id, False, "there is no such order")
    return Tried(quarantine_id, explained.decided, "" if explained.decided else "it isn't decided yet")


def _rows(program_id: str) -> Iterator[quarantine.Quarantined]:
    place = None
    while True:
        rows, place = quarantine.listed(program_id, _PAGE, place)
        yield from rows
        if place is None:
            return


def by_worker(stage: Stage) -> Send:
    """Has a stage's worker do a job, as the queue would."""

    def send(job: Mapping[str, Any]) -> None:
        record = {
            "messageId": "by-hand",
            "receiptHandle": "",
            "body": json.dumps(job),
            "attributes": {},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "",
            "awsRegion": "",
        }
        invoke(stage, "work", {"Records": [record]}, f"{job['quarantine_id']} could not be tried again")

    return send
