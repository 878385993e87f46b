"""Trying again what couldn't be processed, by somebody's word: over HTTP, or by a command."""

from collections.abc import Callable, Mapping
from typing import Final

from chalicelib.access import service as access
from chalicelib.access.model import Caller
from chalicelib.commissions import jobs as commissions
from chalicelib.orders.changes import SOURCE as ORDERS
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import quarantine
from chalicelib.withdrawals import jobs as withdrawals


def redrive(caller: Caller, program_id: str, quarantine_id: str) -> None:
    """Try one thing again, be it in quarantine or not. What fails again is put aside again, with the new reason.

    Raises NotFound for a program that there isn't, and KeyError for a source.
    """
    program = programs.get(program_id)
    source, _, key = quarantine_id.partition(":")
    try_again = _TRIED_AGAIN[source]
    row = access.audit_row(caller, program.now(), "quarantine.redrive", quarantine_id, detail={"source": source})
    row.put_new()
    # Before it is tried: what fails again is put aside anew.
    quarantine.release(program_id, quarantine_id)
    try_again(program, key)


def _decided(program: Program, order_id: str) -> None:
    commissions.judge_again(program, [order_id])


_TRIED_AGAIN: Final[Mapping[str, Callable[[Program, str], None]]] = {
    ORDERS: _decided,
    withdrawals.SOURCE: withdrawals.look_again,
}
"""How what is quarantined of each source is tried again."""
