"""One attempt and its channel: what the channel is asked, what it answers, and what that makes of the withdrawal."""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chalicelib.payouts import service as payouts
from chalicelib.payouts.model import Account, Answer, ContentChanged, NoAnswer, Payout, Result
from chalicelib.programs.model import Program
from chalicelib.shared import log, quarantine
from chalicelib.shared.keys import Unreadable
from chalicelib.shared.tables import Refused
from chalicelib.withdrawals import rules, service
from chalicelib.withdrawals.model import BY_JOB, Attempt, Due, Queue, Withdrawal
from chalicelib.withdrawals.tables import WithdrawalItem

SOURCE: Final = "withdrawals"
"""Where what can't be sent stands in the quarantine."""


def account_of(withdrawal: Withdrawal) -> Account:
    """Where a withdrawal is paid to. Raises `Unreadable`."""
    method = payouts.find_method(withdrawal.program_id, withdrawal.distributor_id, withdrawal.method_id)
    return payouts.account_of(withdrawal.program_id, method)


def payout_of(program: Program, withdrawal: Withdrawal, attempt: Attempt, account: Account | None) -> Payout:
    """What a channel is asked for, exactly as it was written down. `account` None: it is read.

    Raises `ContentChanged`, `Unreadable`.
    """
    if rules.content(withdrawal, attempt.reference, attempt.amount_minor) != attempt.content:
        raise ContentChanged(attempt.reference)
    to = account_of(withdrawal) if account is None else account
    return Payout(program.program_id, attempt.reference, attempt.amount_minor, withdrawal.currency, to, program.now())


def ask(
    program: Program, withdrawal: Withdrawal, call: Callable[[Payout], Answer], account: Account | None = None
) -> Answer:
    """What a channel answers about the last attempt. None at all is as good as one that says nothing: it may have paid.

    What can't be asked at all is our mistake: a person is called, and nothing is decided meanwhile.
    """
    try:
        return call(payout_of(program, withdrawal, withdrawal.attempt, account))
    except NoAnswer:
        return Answer(Result.UNKNOWN, "no answer")
    except (ContentChanged, Unreadable) as mistake:
        put_aside(withdrawal, mistake)
        return Answer(Result.UNKNOWN, type(mistake).__name__)


def put_aside(withdrawal: Withdrawal, mistake: Exception) -> None:
    """Call a person to a withdrawal that can't be sent."""
    reason = f"{type(mistake).__name__}: {mistake}"
    quarantine.keep(withdrawal.program_id, SOURCE, withdrawal.withdrawal_id, reason, {})


def take(program: Program, item: WithdrawalItem, withdrawal: Withdrawal, what: str, answer: Answer) -> None:
    """Take what a channel has answered about the last attempt, and say when to ask again."""
    meaning = rules.events(withdrawal.status, answer.result)
    changed = service.told(program, withdrawal, withdrawal.attempt, what, answer, meaning, BY_JOB)
    if rules.is_asked_again(changed.status, answer):
        at = rules.look_at(changed.attempt, answer, program.now())
        changed = replace(changed, due=Due(Queue.LOOK, at))
    elif changed.status.terminal:
        changed = replace(changed, due=None)
    put(program, item, changed)


def put(program: Program, item: WithdrawalItem, changed: Withdrawal) -> None:
    """Put what came of it; if somebody else was faster, what they found counts, and the next pass sees it."""
    try:
        service.keep(program, item, changed)
    except Refused:
        overtaken(changed)


def overtaken(withdrawal: Withdrawal) -> None:
    """Tell that somebody else was faster."""
    log.info("overtaken", program_id=withdrawal.program_id, withdrawal_id=withdrawal.withdrawal_id)
