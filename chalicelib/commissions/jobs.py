"""What becomes due for orders: being decided before a day is closed, and being judged again once its ranks are.

An order that can't be processed is put aside, or was by the stream: it doesn't keep a program from closing.
"""

from collections.abc import Iterable

from chalicelib.commissions import service
from chalicelib.orders import service as orders
from chalicelib.orders.changes import SOURCE
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import quarantine, streams
from chalicelib.shared.streams import Subject


def catch_up(program: Program, paid: list[str]) -> None:
    """Decide those of these orders that the stream hasn't decided yet. Mostly none: then a call for a hundred."""
    _decide(program, service.undecided_of(program, paid))


def catch_up_told(program: Program) -> None:
    """Decide whatever else was told of a test program's orders since its clock last moved."""
    if program.mode is Mode.TEST:
        _decide(program, sorted(orders.told_since(program.program_id, program.now())))


def judge_again(program: Program, paid: list[str]) -> None:
    """Judge orders of a day whose ranks are decided now; those judged with that rank before cost no write."""
    _decide(program, paid)


def _decide(program: Program, order_ids: Iterable[str]) -> None:
    wanted = list(order_ids)
    if not wanted:
        return
    aside = quarantine.keys_of(program.program_id, SOURCE)
    records: dict[Subject, dict[str, str]] = {
        Subject(program.program_id, order_id): {} for order_id in wanted if order_id not in aside
    }
    streams.finish(SOURCE, records, service.decide_one, service.foresee)
