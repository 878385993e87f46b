"""Reconciliation: orders = decisions = entries = settled = balances + payouts, of one program, in stretches.

What the stream has lost it has decided, and nothing else. A difference is a bug or damage, never the day's business:
what was told in the last minutes, and what is moving while it is looked at, is left for the next time. While the last
one is red, nothing is settled.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import chain, islice
from typing import Final

from chalicelib.accounts import proof as accounts
from chalicelib.commissions import jobs as commissions
from chalicelib.commissions import proof as decided
from chalicelib.commissions import service as decisions
from chalicelib.commissions.service import DayPlace
from chalicelib.distributors import service as distributors
from chalicelib.ledger.model import Entry
from chalicelib.ledger.proof import Difference
from chalicelib.operations import tables
from chalicelib.operations.model import Job, Reconciled
from chalicelib.operations.tables import ReportItem
from chalicelib.orders import service as orders
from chalicelib.programs.model import Program
from chalicelib.shared import clock, log, queue
from chalicelib.shared.errors import Code, NotFound
from chalicelib.shared.value import Value
from chalicelib.withdrawals import proof as withdrawals

LISTED_MAX: Final = 100
"""How many differences are kept; the others are counted."""

_AGAIN: Final = timedelta(days=3)
"""How many days before the last reconciliation the daily one looks at again; and before the last green one, at what
was told, if the stream has lost something.
"""
_SEARCHED_ON: Final = 1
"""On Mondays it looks at all that was told for a week, even if nothing looks lost: of facts of old orders there is no
other sign.
"""
_WEEK: Final = timedelta(days=7)
_ORDERS, _TOLD, _ACCOUNTS, _DONE = "orders", "told", "accounts", "done"
_AT_ONCE: Final = 25


class Step(Value):
    """A step of a proof: at what it has looked, how much of it there was so far, and what differs."""

    stage: str
    counts: Mapping[str, int]
    differences: Sequence[Difference]


Judge = Callable[[list[str], datetime | None], Iterable[Difference]]
"""What differs of some orders: of those paid before an instant, or of all."""


def due(program: Program, at: datetime) -> ReportItem:
    """The reconciliation that fell due at an instant: the one that was begun, else one of what happened since the last.

    After a red one it looks at least as far back as that one did, so that none turns green by looking away.
    """
    name = clock.stored(at)
    report = find(program.program_id, name)
    if report is None:
        since = _looked_at_since(program.program_id)
        report = tables.new_report(program.program_id, name, None if since is None else since.isoformat(), _ORDERS)
        if since is not None and program.local_day(at).isoweekday() == _SEARCHED_ON:
            report.told_since = min(told_since(program), clock.stored(at - _WEEK - _AGAIN))
        report.replace()
    return report


def _looked_at_since(program_id: str) -> date | None:
    done = tables.last_done(program_id, Job.RECONCILIATION)
    since = None if done is None else done - _AGAIN
    before = next(_finished(program_id), None)
    if before is None or before.ok or since is None:
        return since
    return None if before.since is None else min(since, before.since)


def begin(program: Program) -> ReportItem:
    """Begin a reconciliation of everything, and have a worker go on with it."""
    # A test program's clock may stand still between two of them.
    name = f"{clock.stored(program.now())}#{clock.stored(clock.now())}"
    report = tables.new_report(program.program_id, name, None, _ORDERS)
    report.replace()
    set_going(program.program_id, name)
    return report


def set_going(program_id: str, name: str) -> None:
    """Have a worker go on with a reconciliation."""
    queue.send({"job": "reconcile", "program_id": program_id, "name": name})


def find(program_id: str, name: str) -> ReportItem | None:
    """A reconciliation, by its name: the instant that it is as of, and when it was asked for if it was."""
    return ReportItem.find(tables.reports_pk(program_id), name, consistent=True)


def last(program_id: str) -> Reconciled:
    """The last one that is finished. Raises NotFound."""
    found = next(_finished(program_id), None)
    if found is None:
        raise NotFound(Code.NOT_FOUND, "Nothing was reconciled yet.")
    return found


def is_red(program_id: str) -> bool:
    """Whether the last reconciliation that is finished has found a difference."""
    found = next(_finished(program_id), None)
    return found is not None and not found.ok


def told_since(program: Program) -> str:
    """From when on what was told is looked at if the stream has lost something: some days before all was well."""
    green = next((found.as_of for found in _finished(program.program_id) if found.ok), program.created_at)
    return clock.stored(green - _AGAIN)


def _finished(program_id: str) -> Iterator[Reconciled]:
    """Those that are finished, the last one first."""
    newest = ReportItem.query(tables.reports_pk(program_id), scan_index_forward=False, consistent_read=True)
    return (item.reconciled() for item in newest if item.finished_at is not None)


def go_on(program: Program, report: ReportItem, deadline: float) -> bool:
    """Go on with a reconciliation for a stretch, at least by a step. False: it isn't finished."""
    while report.stage != _DONE:
        _note(report, _step(program, report, lambda *which: _healed(program, report, *which)))
        if report.stage != _DONE and time.monotonic() > deadline:
            report.replace()
            return False
    if report.finished_at is None:
        report.finished_at = clock.stored(clock.now())
        report.replace()
        _tell(program, report)
    return True


def _healed(
    program: Program, report: ReportItem, order_ids: list[str], paid_before: datetime | None
) -> Sequence[Difference]:
    """What differs of some orders once those are decided that the stream has lost."""

    def on_loss() -> None:
        if report.told_since is None and report.since is not None:
            report.told_since = told_since(program)
            # Kept before anything is decided: whoever comes after a crash finds nothing lost in its place.
            report.replace()

    swept = commissions.sweep(program, order_ids, on_loss, paid_before)
    report.healed += len(swept.healed)
    return swept.differences


def prove(program: Program) -> Iterator[Step]:
    """Hold everything against everything as it is, step by step, and write nothing."""
    report = tables.new_report(program.program_id, clock.stored(program.now()), None, _ORDERS)

    def judge(order_ids: list[str], paid_before: datetime | None) -> Iterator[Difference]:
        found = decided.of_orders(program, order_ids, paid_before, aside=lambda *_: None)
        return chain.from_iterable(one.differences for one in found)

    while report.stage != _DONE:
        stage = report.stage
        differences = list(_step(program, report, judge))
        yield Step(stage, report.counts, differences)


def _tell(program: Program, report: ReportItem) -> None:
    log.info("reconciled", program_id=program.program_id, as_of=report.sk, found=int(report.found))
    if report.found:
        log.count("ReconciliationRed", program_id=program.program_id)


def _step(program: Program, report: ReportItem, judge: Judge) -> Iterable[Difference]:
    """Look at the next things, and move the report on."""
    if report.stage == _ORDERS:
        return _look_at_orders(program, report, judge)
    if report.stage == _TOLD:
        return _look_at_told(program, report, judge)
    return _look_at_accounts(program, report)


def _look_at_orders(program: Program, report: ReportItem, judge: Judge) -> Iterable[Difference]:
    """The next hundred of the orders that were paid since."""
    last_day = program.local_day(program.now() + clock.AHEAD_MAX)
    place = DayPlace(clock.day(report.place[0]), report.place[1], 0) if report.place else None
    page = next(decisions.pages_paid(program, _since(program, report), last_day, place), None)
    if page is None:
        report.stage, report.place = _ACCOUNTS if report.told_since is None else _TOLD, None
        return ()
    paid, after = page
    differences = judge(paid, None)
    _count(report, orders=len(paid))
    report.place = [after.day.isoformat(), after.places]
    return differences


def _look_at_told(program: Program, report: ReportItem, judge: Judge) -> Iterable[Difference]:
    """What else was told lately, of the orders that were paid before those: the stream has lost something."""
    since = clock.read(str(report.told_since))
    found, place = orders.told_since(program.program_id, since, report.place)
    differences = judge(sorted(found), program.midnight(_since(program, report)))
    report.stage, report.place = (_ACCOUNTS, None) if place is None else (_TOLD, place)
    return differences


def _look_at_accounts(program: Program, report: ReportItem) -> Iterable[Difference]:
    """The next accounts, with the orders that were booked on them since, and the withdrawals that moved them."""
    some = list(islice(distributors.in_turn(program.program_id, report.place), _AT_ONCE))
    since = program.midnight(_since(program, report))
    entries: list[Entry] = []
    differences: list[Difference] = []
    for distributor in some:
        proven = accounts.of_account(program, distributor)
        entries += proven.entries
        differences += proven.differences
        differences += withdrawals.of_account(program, distributor, proven.balance)
        _count(report, accounts=1, entries=len(proven.entries))
        report.totals = _sum(report.totals, {account.value: amount for account, amount in proven.totals_minor.items()})
    differences += decided.of_entries(program, entries, since)
    report.place = some[-1].distributor_id if some else None
    if len(some) < _AT_ONCE:
        report.stage, report.place = _DONE, None
    return differences


def _since(program: Program, report: ReportItem) -> date:
    """The first day that is looked at: nothing is paid for before there is a plan."""
    first = min((mark.effective_at for mark in program.plans), default=program.created_at)
    begins = program.local_day(max(first, program.created_at - clock.BACK_MAX))
    return begins if report.since is None else max(begins, clock.day(report.since))


def _count(report: ReportItem, **more: int) -> None:
    report.counts = _sum(report.counts, more)


def _sum(known: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    return {name: known.get(name, 0) + more.get(name, 0) for name in {**known, **more}}


def _note(report: ReportItem, differences: Iterable[Difference]) -> None:
    for one in differences:
        report.found += 1
        log.error("difference", report=report.pk, what=one.kind, id=one.id)
        if len(report.differences) < LISTED_MAX:
            row = {"kind": one.kind, "id": one.id, "wanted_minor": one.wanted_minor, "found_minor": one.found_minor}
            report.differences = [*report.differences, row]
