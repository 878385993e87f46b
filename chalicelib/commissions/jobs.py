"""What becomes due for orders: being decided before a day is closed, being judged again once its ranks are, and being
decided after all if the stream has lost them.

An order that can't be processed is put aside, or was by the stream: it doesn't keep a program from closing.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from chalicelib.commissions import proof, service
from chalicelib.ledger.proof import Difference
from chalicelib.orders import service as orders
from chalicelib.orders.changes import SOURCE, put_aside
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import log, quarantine, streams
from chalicelib.shared.streams import Records, Subject
from chalicelib.shared.value import Value


def catch_up(program: Program, paid: list[str], on_loss: Callable[[], None]) -> None:
    """Decide those of these orders that the stream hasn't decided yet. Mostly none: then a call for a hundred.

    If it should have decided one long ago, `on_loss` is called first: there may be more that it has lost.
    """
    undecided = service.undecided_of(program, paid)
    if not undecided:
        return
    found = proof.of_orders(program, undecided)
    lost = proof.lost_of(program, found)
    if lost:
        on_loss()
    damaged = {one.order_id for one in found}.difference(lost)
    _decide(program, [order_id for order_id in undecided if order_id not in damaged])
    _tell(program, lost)


def catch_up_told(program: Program) -> None:
    """Decide whatever else was told of a test program's orders since its clock last moved."""
    if program.mode is Mode.TEST:
        _decide(program, sorted(orders.told_to_test(program.program_id, program.now())))


def judge_again(program: Program, paid: list[str]) -> None:
    """Judge orders of a day whose ranks are decided now; those judged with that rank before cost no write."""
    _decide(program, paid)


class Swept(Value):
    """What came of a sweep: the orders that were healed, and what differs nevertheless."""

    healed: Sequence[str]
    differences: Sequence[Difference]


def sweep(
    program: Program, order_ids: Iterable[str], on_loss: Callable[[], None], paid_before: datetime | None = None
) -> Swept:
    """Decide those of these orders that the stream has lost, and look at them again. See `proof.of_orders`.

    What deciding can't mend is left as it is: a changed entry, one too much, a fact or a decision that is gone.
    Before anything is decided, `on_loss` is called.
    """
    found = proof.of_orders(program, order_ids, paid_before)
    lost = proof.lost_of(program, found)
    if lost:
        on_loss()
        _decide(program, lost)
    # Also of what isn't mended: the stream may have decided it meanwhile.
    left = proof.of_orders(program, [one.order_id for one in found])
    still = {one.order_id for one in left}
    healed = [order_id for order_id in lost if order_id not in still]
    _tell(program, healed)
    return Swept(healed, [difference for one in left for difference in one.differences])


def _tell(program: Program, healed: Sequence[str]) -> None:
    if healed:
        log.error("healed", program_id=program.program_id, orders=healed)


def _decide(program: Program, order_ids: Iterable[str]) -> None:
    wanted = list(order_ids)
    if not wanted:
        return
    aside = quarantine.keys_of(program.program_id, SOURCE)
    records: Records = {Subject(program.program_id, order_id): {} for order_id in wanted if order_id not in aside}
    streams.finish(SOURCE, records, service.decide_one, service.foresee, put_aside)
