"""What operators do besides their trade: move a test program's clock, look at what couldn't be processed."""

from datetime import datetime

from chalicelib.access.model import Caller
from chalicelib.commissions import service as commissions
from chalicelib.operations import jobs, reconciliation, redriving, tables
from chalicelib.operations.model import Job, Reconciled, Run
from chalicelib.operations.tables import RunItem
from chalicelib.programs import service as programs
from chalicelib.programs.model import Mode, Program
from chalicelib.shared import quarantine
from chalicelib.shared.errors import Code, Conflict, NotFound
from chalicelib.shared.quarantine import Quarantined
from chalicelib.shared.tables import Key, page


def test_program(program_id: str) -> Program:
    """The program, if its clock is one to be moved. Raises NotFound, Conflict `not_a_test_program`."""
    program = programs.get(program_id)
    if program.mode is not Mode.TEST:
        raise Conflict(Code.NOT_A_TEST_PROGRAM, f"{program_id} is live: it goes by real time.")
    return program


def move_clock(caller: Caller, program_id: str, now: datetime) -> Program:
    """Have a test program's clock move forward; a worker runs what becomes due on the way, in order.

    What was accepted before the move is decided before it, so that a story told twice ends the same.
    Raises NotFound, Conflict `not_a_test_program`, `orders_undecided`, `clock_goes_forward`.
    """
    program = test_program(program_id)
    undecided = commissions.undecided_order(program)
    if undecided is not None:
        raise Conflict(Code.ORDERS_UNDECIDED, f"Order {undecided} is paid and not decided yet. Try again in a moment.")
    moving = programs.set_out(caller, program, now)
    if moving.moving_to is not None:
        jobs.set_going(program_id)
    return moving


def list_runs(program_id: str, job: Job | None, limit: int, place: Key | None) -> tuple[list[Run], Key | None]:
    """A program's runs of one job or of all, the last due first, and where the list goes on. A page may be short."""
    found = RunItem.query(tables.runs_pk(program_id), scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit, lambda item: job in (None, Job(item.job)))
    return [item.run() for item in items], further


def reconcile(program_id: str) -> Reconciled:
    """Begin to hold everything against everything; a worker goes on with it."""
    return reconciliation.begin(programs.get(program_id)).reconciled()


def reconciled(program_id: str) -> Reconciled:
    """What the last reconciliation that is finished has found. Raises NotFound: there was none."""
    return reconciliation.last(program_id)


def redrive(caller: Caller, program_id: str, quarantine_id: str) -> bool:
    """Try again what couldn't be processed. True: it could be now. Raises NotFound.

    What fails again stays where it is, with the new reason.
    """
    if quarantine.find(program_id, quarantine_id) is None:
        raise NotFound(Code.NOT_FOUND, f"There is no {quarantine_id} in quarantine.")
    redriving.redrive(caller, program_id, quarantine_id)
    return quarantine.find(program_id, quarantine_id) is None


def list_quarantine(program_id: str, limit: int, place: Key | None) -> tuple[list[Quarantined], Key | None]:
    """A program's records that couldn't be processed, by source and key, and where the list goes on."""
    return quarantine.listed(program_id, limit, place)
