"""What becomes due for withdrawals: they are released, sent through their channel, and looked at until it is clear.

An attempt is written down before its channel is told of it. Whoever dies on the way leaves it where the next one finds
it; that one asks the channel first, and tells it the same again under the same reference if it knows nothing.
"""

import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final

from msgspec.structs import replace

from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Status as Standing
from chalicelib.payouts import service as payouts
from chalicelib.payouts.model import Account, Result
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import clock, log
from chalicelib.shared.keys import Unreadable
from chalicelib.shared.tables import Refused
from chalicelib.withdrawals import batches, rules, service, tables
from chalicelib.withdrawals.asking import SOURCE as SOURCE
from chalicelib.withdrawals.asking import account_of, ask, overtaken, put, put_aside, take
from chalicelib.withdrawals.batches import Claimed
from chalicelib.withdrawals.model import BY_JOB, Due, Event, Queue, Status, Withdrawal
from chalicelib.withdrawals.tables import WithdrawalItem

_AT_ONCE: Final = 100
"""How many are read with one call."""


def next_due(program: Program) -> datetime | None:
    """When something is to be done next, be it due yet or not; None: nothing is under way.

    While the kill switch is on nothing is released.
    """
    queues = (Queue.LOOK,) if program.kill_switch else (Queue.RELEASE, Queue.LOOK)
    first = (next(tables.due_until(program.program_id, queue, None, limit=1), None) for queue in queues)
    return min((clock.read(item.due_at) for item in first if item is not None), default=None)


def work_off(program: Program, cutoff: datetime, deadline: float) -> bool:
    """Release, send and look at everything that is due by `cutoff`. False: `deadline`, by `time.monotonic`, came first.

    Can be repeated, broken off anywhere, and done by two at once.
    """
    if not program.kill_switch and not _release(program, cutoff, deadline):
        return False
    for item in _due(program.program_id, Queue.LOOK, cutoff):
        _look(program, item)
        if time.monotonic() > deadline:
            return False
    return True


def look(program: Program, reference: str) -> None:
    """Ask a channel now about an attempt, because somebody says that there is news; what the channel says counts."""
    item = WithdrawalItem.find(program.program_id, rules.withdrawal_of(reference), consistent=True)
    withdrawal = item.withdrawal() if item else None
    if item is None or withdrawal is None or not _is_under_way(withdrawal, reference):
        log.info("nothing_to_look_at", program_id=program.program_id, reference=reference)
        return
    _look(program, item)


def look_again(program: Program, withdrawal_id: str) -> None:
    """Ask the channel now about a withdrawal that couldn't be looked at before."""
    withdrawal = service.existing(program.program_id, withdrawal_id).withdrawal()
    if withdrawal.attempts:
        look(program, withdrawal.attempt.reference)


def open_withdrawals(program: Program) -> Iterator[Withdrawal]:
    """Every withdrawal of a program of which something is held, as the index of what is due has them."""
    for queue in Queue:
        for item in _due(program.program_id, queue, None):
            withdrawal = item.withdrawal()
            if not withdrawal.status.terminal:
                yield withdrawal


def late(program: Program) -> list[Withdrawal]:
    """The withdrawals that should have arrived and haven't. Calls a person if there are any."""
    now = program.now()
    found = [withdrawal for withdrawal in open_withdrawals(program) if rules.is_late(withdrawal, now)]
    if found:
        log.count("WithdrawalsLate", len(found), program_id=program.program_id)
    return found


def _is_under_way(withdrawal: Withdrawal, reference: str) -> bool:
    """Whether asking about a reference may tell news. What is in a bank's file, only a file tells of."""
    if not withdrawal.attempts or withdrawal.attempt.reference != reference:
        return False
    return withdrawal.status in rules.LOOKED_AT and not payouts.pays_by_file(withdrawal.channel)


def _due(program_id: str, queue: Queue, until: datetime | None) -> Iterator[WithdrawalItem]:
    """What is due in a queue, the first due first, each as it is now: the index may be a moment behind."""
    rows = tables.due_until(program_id, queue, until)
    while some := list(islice(rows, _AT_ONCE)):
        for item in WithdrawalItem.find_many((row.pk, row.sk) for row in some):
            due = item.withdrawal().due
            if due is not None and due.queue is queue and (until is None or due.at <= until):
                yield item


# Releasing


class _Stopped(Exception):
    """The kill switch was turned on: nothing more goes out."""


def _release(program: Program, cutoff: datetime, deadline: float) -> bool:
    """Send what is due; what goes in files is claimed first, then written together."""
    for_files: list[Claimed] = []
    try:
        for item in _due(program.program_id, Queue.RELEASE, cutoff):
            withdrawal = item.withdrawal()
            if _waits_for_its_file(withdrawal):
                for_files.append(Claimed(withdrawal, None))
                continue
            for_files += _sent(program, item, withdrawal)
            if time.monotonic() > deadline:
                return False
    except _Stopped:
        return True
    batches.send(program, for_files)
    return True


def _waits_for_its_file(withdrawal: Withdrawal) -> bool:
    return withdrawal.status is Status.SUBMITTING and payouts.pays_by_file(withdrawal.channel)


def _sent(program: Program, item: WithdrawalItem, withdrawal: Withdrawal) -> Iterable[Claimed]:
    """Claim one and send it, unless something bars it. Given back if it waits, claimed, for its file."""
    if withdrawal.status is Status.SUBMITTING:
        # Whoever claimed it died in the call, or is in it still.
        _look(program, item)
        return ()
    account = _payable(program, withdrawal)
    if account is None:
        _put_off(program, item, withdrawal)
        return ()
    claimed = _claim(program, item, withdrawal)
    if claimed is None:
        return ()
    if _waits_for_its_file(claimed):
        return [Claimed(claimed, account)]
    submit = payouts.channel_of(claimed.channel).submit
    take(program, item, claimed, "submit", ask(program, claimed, submit, account))
    return ()


def _payable(program: Program, withdrawal: Withdrawal) -> Account | None:
    """Where to pay. None: its distributor is suspended or closed, or the account can't be read, and a person is called.

    Found out before it is claimed: what is claimed must go out.
    """
    distributor = distributors.get(program.program_id, withdrawal.distributor_id)
    if distributor.status is not Standing.APPROVED:
        return None
    try:
        return account_of(withdrawal)
    except Unreadable as mistake:
        put_aside(withdrawal, mistake)
        return None


def _put_off(program: Program, item: WithdrawalItem, withdrawal: Withdrawal) -> None:
    """It stays as it is, and is looked at again the next day."""
    again = rules.release_at("daily", program.now(), program.timezone)
    put(program, item, replace(withdrawal, due=Due(Queue.RELEASE, again)))


def _claim(program: Program, item: WithdrawalItem, withdrawal: Withdrawal) -> Withdrawal | None:
    """Release it and write the attempt down, unless the kill switch is on. None: somebody else was faster."""
    now = program.now()
    split = withdrawal.split or rules.split(withdrawal.amount_minor, service.terms_of(withdrawal))
    if withdrawal.status is Status.APPROVED:
        withdrawal = rules.stepped(replace(withdrawal, split=split), Event.RELEASE, now, BY_JOB) or withdrawal
    claimed = rules.claimed(withdrawal, now, BY_JOB)
    if claimed is None:
        return None
    try:
        service.keep(program, item, claimed, programs.withdrawals_allowed(program.program_id))
    except Refused as refused:
        if 0 in refused.which:
            raise _Stopped from None
        overtaken(withdrawal)
        return None
    return claimed


# Looking


def _look(program: Program, item: WithdrawalItem) -> None:
    """Ask the channel what became of an attempt; if it knows nothing of it, tell it the same again."""
    withdrawal = item.withdrawal()
    attempt, channel = withdrawal.attempt, payouts.channel_of(withdrawal.channel)
    if program.now() >= attempt.at + channel.window and _gave_up(program, item, withdrawal):
        return
    answer = ask(program, withdrawal, channel.query)
    asked = rules.with_attempt(withdrawal, replace(attempt, looks=attempt.looks + 1))
    if answer.result is Result.NOT_FOUND and _may_be_told_again(program, withdrawal):
        known = rules.with_evidence(asked.attempt, "query", answer, program.now())
        asked = rules.with_attempt(asked, known)
        take(program, item, asked, "submit", ask(program, asked, channel.submit))
    else:
        take(program, item, asked, "query", answer)


def _may_be_told_again(program: Program, withdrawal: Withdrawal) -> bool:
    return withdrawal.status in (Status.SUBMITTING, Status.UNKNOWN) and not program.kill_switch


def _gave_up(program: Program, item: WithdrawalItem, withdrawal: Withdrawal) -> bool:
    """Leave it to a person: the channel can't be asked any more. False: it isn't one to be given up."""
    if withdrawal.status is Status.PAID:
        put(program, item, replace(withdrawal, due=None))
        return True
    now = program.now()
    if withdrawal.status is Status.SUBMITTING:
        withdrawal = rules.stepped(withdrawal, Event.LOSE, now, BY_JOB) or withdrawal
    given_up = rules.stepped(withdrawal, Event.GIVE_UP, now, BY_JOB)
    if given_up is None:
        return False
    put(program, item, given_up)
    return True
