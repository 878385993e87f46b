"""Withdrawals: asking for one, and what people decide about it. What the worker does is in jobs.py.

A withdrawal, what it moves of money, and the conditions under which it may, are written in one transaction.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from chalicelib.access import service as access
from chalicelib.access.model import Caller, Scope
from chalicelib.accounts import service as accounts
from chalicelib.accounts.service import OpenAccount
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.distributors.model import Status as Standing
from chalicelib.payouts import service as payouts
from chalicelib.payouts.model import Answer, Method, ResultRow
from chalicelib.programs import service as programs
from chalicelib.programs.model import PlanInForce, Program, WithdrawalTerms
from chalicelib.shared import clock, ids, repeats
from chalicelib.shared.errors import Code, Conflict, DomainError, FieldError, Invalid, NotFound, pointer
from chalicelib.shared.tables import Check, Key, Put, Refused, changed_meanwhile, page, transact
from chalicelib.shared.value import Value
from chalicelib.withdrawals import rules
from chalicelib.withdrawals.model import BY_PLAN, Attempt, Due, Event, Queue, Status, Step, Withdrawal
from chalicelib.withdrawals.tables import WITHDRAWAL, BatchItem, WithdrawalItem, batches_pk

_ATTEMPTS: Final = 3
"""How often a write that somebody else was faster with is tried on what is there then."""
_ERRORS_MAX: Final = 100


class Wanted(Value):
    """Which withdrawals a list shows; None: all."""

    status: Status | None = None
    late: bool | None = None


class Applied(Value):
    """What became of a file of results: how many rows changed something, and how many were known."""

    applied: int
    unchanged: int


def get(program_id: str, withdrawal_id: str) -> Withdrawal:
    """A withdrawal as it is now. Raises NotFound."""
    return existing(program_id, withdrawal_id).withdrawal()


def list_withdrawals(
    program: Program, which: Wanted, limit: int, place: Key | None
) -> tuple[list[Withdrawal], Key | None]:
    """A program's withdrawals, newest first, and where the list goes on."""
    listed = WithdrawalItem.sk.startswith(WITHDRAWAL)
    found = WithdrawalItem.query(program.program_id, listed, scan_index_forward=False, last_evaluated_key=place)
    now = program.now()
    items, further = page(found, limit, lambda item: _is_wanted(item.withdrawal(), which, now))
    return [item.withdrawal() for item in items], further


def list_of(
    program: Program, distributor_id: str, which: Wanted, limit: int, place: Key | None
) -> tuple[list[Withdrawal], Key | None]:
    """A distributor's withdrawals, newest first, and where the list goes on; a page may be short. Raises NotFound."""
    distributor = distributors.get(program.program_id, distributor_id)
    found, further = accounts.withdrawals_of(program, distributor, limit, place)
    now = program.now()
    return [each for each in get_many(program.program_id, found) if _is_wanted(each, which, now)], further


def get_many(program_id: str, withdrawal_ids: Iterable[str]) -> list[Withdrawal]:
    """Those of these withdrawals that exist, in this order. A call for a hundred."""
    return [item.withdrawal() for item in WithdrawalItem.find_many((program_id, each) for each in withdrawal_ids)]


def _is_wanted(withdrawal: Withdrawal, which: Wanted, now: datetime) -> bool:
    if which.status not in (None, withdrawal.status):
        return False
    return which.late in (None, rules.is_late(withdrawal, now))


# Asking


def request(
    caller: Caller, program: Program, distributor_id: str, amount_minor: int, method_id: str, idempotency_key: str
) -> tuple[Withdrawal, bool]:
    """Ask for a withdrawal, and say whether it is new: what this key asked for before is answered as it is now.

    Up to the plan's limit it is approved at once. Raises Invalid `unknown_distributor`, `unknown_method`,
    `unknown_channel`, `channel_not_available`, `amount_out_of_range`; Conflict `distributor_not_approved`,
    `withdrawals_stopped`, `method_too_new`, `too_many_withdrawals`, `insufficient_balance`, `no_plan_in_force`,
    `exists_with_different_content`, `changed_meanwhile`.
    """
    distributor = distributors.find(program.program_id, distributor_id)
    if distributor is None:
        raise _wrong("distributor_id", Code.UNKNOWN_DISTRIBUTOR, "There is no such distributor.")
    content = (distributor_id, str(amount_minor), method_id)
    for _ in range(_ATTEMPTS):
        # Read before anything is counted: whoever changes what is counted moves the account, and this one is refused.
        account = accounts.open_account(program, distributor)
        made_before = account.asked(caller.actor, idempotency_key, *content)
        if made_before is not None:
            return get(program.program_id, made_before), False
        wanted = _new(caller, program, distributor, amount_minor, method_id)
        account.remember(caller.actor, idempotency_key, wanted.withdrawal_id, *content)
        if _put_new(caller, program, wanted, account):
            return wanted, True
    raise changed_meanwhile()


def _put_new(caller: Caller, program: Program, wanted: Withdrawal, account: OpenAccount) -> bool:
    """Put all of a new withdrawal. False: the account was moved meanwhile. Raises Conflict `withdrawals_stopped`."""
    item = WithdrawalItem(wanted.program_id, wanted.withdrawal_id)
    about: dict[str, object] = {"distributor_id": wanted.distributor_id, "amount_minor": wanted.amount_minor}
    # What a distributor does with its own money is in the withdrawal's history; only others' doing is audited.
    row = access.audit_row(caller, program.now(), "withdrawal.request", wanted.withdrawal_id, detail=about)
    rows = [] if caller.scope is Scope.DISTRIBUTOR else [Put(row)]
    try:
        keep(program, item, wanted, programs.withdrawals_allowed(program.program_id), *rows, account=account)
    except Refused as refused:
        if 0 in refused.which:
            raise _stopped() from None
        return False
    return True


def _new(caller: Caller, program: Program, distributor: Distributor, amount_minor: int, method_id: str) -> Withdrawal:
    if program.kill_switch:
        raise _stopped()
    if distributor.status is not Standing.APPROVED:
        words = f"A distributor that is {distributor.status} can't withdraw."
        raise Conflict(Code.DISTRIBUTOR_NOT_APPROVED, words)
    now = program.now()
    plan = programs.plan_at(program, now)
    terms = plan.plan.withdrawal
    method = _usable(program, distributor, terms, method_id)
    _refuse_amount(amount_minor, terms)
    _refuse_too_many(program, distributor, terms)
    wanted = _asked_for(caller, program, method, amount_minor, plan)
    if amount_minor > terms.review_above_minor:
        return replace(wanted, due=Due(Queue.REVIEW, now))
    return _approved(program, wanted, terms, BY_PLAN, None)


def _usable(program: Program, distributor: Distributor, terms: WithdrawalTerms, method_id: str) -> Method:
    try:
        method = payouts.find_method(program.program_id, distributor.distributor_id, method_id)
    except NotFound:
        raise _no_method() from None
    if method.deleted:
        raise _no_method()
    if method.channel not in terms.channels:
        raise _wrong("method_id", Code.UNKNOWN_CHANNEL, f"The plan in force has no channel {method.channel}.")
    if not payouts.channel_of(method.channel).payable:
        raise _wrong("method_id", Code.CHANNEL_NOT_AVAILABLE, f"Nothing can be paid through {method.channel} yet.")
    usable_from = payouts.usable_from(program, method)
    if program.now() < usable_from:
        raise Conflict(Code.METHOD_TOO_NEW, f"This method can be used from {clock.shown(usable_from)} on.")
    return method


def _refuse_amount(amount_minor: int, terms: WithdrawalTerms) -> None:
    in_range = terms.min_minor <= amount_minor <= terms.max_minor
    if not in_range or rules.split(amount_minor, terms).net_minor <= 0:
        words = f"An amount is {terms.min_minor} to {terms.max_minor}, and more than its fee."
        raise _wrong("amount_minor", Code.AMOUNT_OUT_OF_RANGE, words)


def _refuse_too_many(program: Program, distributor: Distributor, terms: WithdrawalTerms) -> None:
    today = program.midnight(program.local_day(program.now()))
    asked = get_many(program.program_id, accounts.holds_since(program, distributor, today))
    if sum(each.status not in (Status.REJECTED, Status.CANCELLED) for each in asked) >= terms.per_day:
        raise Conflict(Code.TOO_MANY_WITHDRAWALS, f"At most {terms.per_day} withdrawals a day can be asked for.")


def _asked_for(caller: Caller, program: Program, method: Method, amount_minor: int, plan: PlanInForce) -> Withdrawal:
    return Withdrawal(
        program_id=program.program_id,
        withdrawal_id=ids.new("wdr"),
        distributor_id=method.distributor_id,
        amount_minor=amount_minor,
        currency=program.currency,
        method_id=method.method_id,
        channel=method.channel,
        masked=method.masked,
        plan_version=plan.version,
        promised_by=None,
        split=None,
        history=(Step(Status.REQUESTED, program.now(), caller.actor),),
        attempts=(),
        due=None,
    )


# Deciding


def approve(
    caller: Caller, program: Program, withdrawal_id: str, reason: str | None, idempotency_key: str | None
) -> Withdrawal:
    """Let a withdrawal that is above the plan's limit go out with the next release.

    Raises NotFound, Conflict `same_actor`, `wrong_status`, `exists_with_different_content`, `changed_meanwhile`.
    """

    def change(withdrawal: Withdrawal) -> Withdrawal:
        _refuse_requester(caller, withdrawal)
        return _approved(program, withdrawal, terms_of(withdrawal), caller.actor, reason)

    return _change(caller, program, withdrawal_id, change, idempotency_key, "approve", reason)


def reject(
    caller: Caller, program: Program, withdrawal_id: str, reason: str, idempotency_key: str | None
) -> Withdrawal:
    """Don't pay it; the money is available again. Raises as `approve` does."""

    def change(withdrawal: Withdrawal) -> Withdrawal:
        _refuse_requester(caller, withdrawal)
        return _stepped(program, withdrawal, Event.REJECT, caller.actor, reason)

    return _change(caller, program, withdrawal_id, change, idempotency_key, "reject", reason)


def cancel(
    caller: Caller, program: Program, withdrawal_id: str, reason: str | None, idempotency_key: str | None
) -> Withdrawal:
    """Call it off before it is sent; the money is available again. A distributor calls off its own.

    Raises NotFound, Conflict `wrong_status`, `exists_with_different_content`, `changed_meanwhile`.
    """

    def change(withdrawal: Withdrawal) -> Withdrawal:
        return _stepped(program, withdrawal, Event.CANCEL, caller.actor, reason)

    return _change(caller, program, withdrawal_id, change, idempotency_key, "cancel", reason)


def retry(
    caller: Caller, program: Program, withdrawal_id: str, reason: str | None, idempotency_key: str | None
) -> Withdrawal:
    """Try one that has failed again, under a new reference, with the next release; the money is held again.

    Raises NotFound, Conflict `wrong_status`, `insufficient_balance`, `too_many_changes`,
    `exists_with_different_content`, `changed_meanwhile`.
    """

    def change(withdrawal: Withdrawal) -> Withdrawal:
        if len(withdrawal.attempts) >= rules.ATTEMPTS_MAX:
            raise Conflict(Code.TOO_MANY_CHANGES, f"It was tried {rules.ATTEMPTS_MAX} times, and no more are kept.")
        queued = _stepped(program, withdrawal, Event.RETRY, caller.actor, reason)
        return _to_release(program, queued, terms_of(withdrawal))

    return _change(caller, program, withdrawal_id, change, idempotency_key, "retry", reason)


def resolve(
    caller: Caller, program: Program, withdrawal_id: str, paid: bool, reason: str, idempotency_key: str | None
) -> Withdrawal:
    """Say what became of one whose channel can't be asked any more: it was paid, or it failed.

    Raises as `approve` does.
    """

    def change(withdrawal: Withdrawal) -> Withdrawal:
        _refuse_requester(caller, withdrawal)
        if withdrawal.status is not Status.MANUAL:
            raise _wrong_status(withdrawal, "resolve")
        return _stepped(program, withdrawal, Event.PAY if paid else Event.FAIL, caller.actor, reason)

    outcome = "paid" if paid else "failed"
    return _change(caller, program, withdrawal_id, change, idempotency_key, f"resolve.{outcome}", reason)


def _refuse_requester(caller: Caller, withdrawal: Withdrawal) -> None:
    if caller.actor == withdrawal.requested_by:
        raise Conflict(Code.SAME_ACTOR, f"{caller.actor} asked for this withdrawal; another one decides about it.")


def _approved(
    program: Program, withdrawal: Withdrawal, terms: WithdrawalTerms, actor: str, reason: str | None
) -> Withdrawal:
    approved = _stepped(program, withdrawal, Event.APPROVE, actor, reason)
    promised_by = rules.promised_by(terms, withdrawal.channel, approved.history[-1].at, program.timezone)
    return _to_release(program, replace(approved, promised_by=promised_by), terms)


def _to_release(program: Program, withdrawal: Withdrawal, terms: WithdrawalTerms) -> Withdrawal:
    at = rules.release_at(terms.release, withdrawal.history[-1].at, program.timezone)
    return replace(withdrawal, due=Due(Queue.RELEASE, at))


def _stepped(program: Program, withdrawal: Withdrawal, event: Event, actor: str, reason: str | None) -> Withdrawal:
    changed = rules.stepped(withdrawal, event, program.now(), actor, reason)
    if changed is None:
        raise _wrong_status(withdrawal, event)
    return changed


def _change(
    caller: Caller,
    program: Program,
    withdrawal_id: str,
    change: Callable[[Withdrawal], Withdrawal],
    idempotency_key: str | None,
    action: str,
    reason: str | None,
) -> Withdrawal:
    """Change a withdrawal, and leave an audit row; what the same key has done before is done."""
    for _ in range(_ATTEMPTS):
        item = existing(program.program_id, withdrawal_id)
        before = item.withdrawal()
        if caller.distributor_id not in (None, before.distributor_id):
            raise _not_there(withdrawal_id)
        new = repeats.newly_asked(item.done or {}, caller.actor, idempotency_key, action, reason or "")
        if new is None:
            return before
        changed = change(before)
        item.done = {**(item.done or {}), **new} or None
        about: dict[str, object] = {"distributor_id": before.distributor_id, "amount_minor": before.amount_minor}
        row = access.audit_row(
            caller, program.now(), f"withdrawal.{action}", withdrawal_id, reason=reason, detail=about
        )
        try:
            keep(program, item, changed, Put(row))
        except Refused:
            continue
        return changed
    raise changed_meanwhile()


# A bank's results


def apply_results(caller: Caller, program: Program, batch_id: str, rows: Sequence[ResultRow]) -> Applied:
    """Take what a bank says became of a batch's payouts: all rows, or none if one of them can't be.

    Told again it changes nothing; broken off, it is told again. Raises NotFound, Invalid `invalid_results` with row
    pointers, Conflict `changed_meanwhile`.
    """
    batch = BatchItem.find(batches_pk(program.program_id), batch_id, consistent=True)
    if batch is None:
        raise NotFound(Code.NOT_FOUND, f"There is no batch {batch_id}.")
    news = _news(program.program_id, set(batch.references), rows)
    if news:
        # Before the first is applied: whatever becomes of the rest, the log tells who brought the file.
        about: dict[str, object] = {"rows": len(rows), "news": len(news)}
        access.audit_row(caller, program.now(), "batch.results", batch_id, detail=about).put_new()
    applied = sum(_apply(caller, program, batch_id, row) for row in news)
    return Applied(applied, len(rows) - applied)


def _news(program_id: str, references: set[str], rows: Sequence[ResultRow]) -> list[ResultRow]:
    """The rows that tell something new. Raises Invalid `invalid_results` if one can't be."""
    found = get_many(program_id, (rules.withdrawal_of(row.reference) for row in rows if row.reference in references))
    known = {attempt.reference: attempt for each in found for attempt in each.attempts}
    news, wrong = [], []
    for place, row in enumerate(rows):
        if row.reference not in references:
            wrong.append(_wrong_row(place, "reference", "No payout of this batch has this reference."))
            continue
        status = known[row.reference].status
        meaning = rules.events_of_file(status, row.result)
        if meaning is None:
            wrong.append(_wrong_row(place, "result", f"This payout is {status}: it can't be {row.result} now."))
        elif meaning:
            news.append(row)
    if wrong:
        said = "The file can't be taken; see errors. Nothing was applied."
        raise Invalid(Code.INVALID_RESULTS, said, wrong[:_ERRORS_MAX])
    return news


def _apply(caller: Caller, program: Program, batch_id: str, row: ResultRow) -> bool:
    """Apply one row. False: somebody else applied the same meanwhile."""
    for _ in range(_ATTEMPTS):
        item = existing(program.program_id, rules.withdrawal_of(row.reference))
        withdrawal = item.withdrawal()
        attempt = next(each for each in withdrawal.attempts if each.reference == row.reference)
        meaning = rules.events_of_file(attempt.status, row.result)
        if meaning == ():
            return False
        if meaning is None:
            break
        changed = told(program, withdrawal, attempt, "results", Answer(row.result, batch_id), meaning, caller.actor)
        try:
            keep(program, item, changed)
        except Refused:
            continue
        return True
    raise changed_meanwhile()


# What jobs use, too


def existing(program_id: str, withdrawal_id: str) -> WithdrawalItem:
    """The item of a withdrawal, read consistently. Raises NotFound."""
    item = WithdrawalItem.find(program_id, withdrawal_id, consistent=True)
    if item is None or not withdrawal_id.startswith(WITHDRAWAL):
        raise _not_there(withdrawal_id)
    return item


def terms_of(withdrawal: Withdrawal) -> WithdrawalTerms:
    """The terms it goes by: those in force when it was asked for."""
    return programs.plan(withdrawal.program_id, withdrawal.plan_version).withdrawal


def told(
    program: Program,
    withdrawal: Withdrawal,
    attempt: Attempt,
    what: str,
    answer: Answer,
    meaning: Sequence[Event],
    actor: str,
) -> Withdrawal:
    """The withdrawal once its last attempt's channel has answered, and the answer is kept as evidence."""
    now = program.now()
    changed = rules.with_attempt(withdrawal, rules.with_evidence(attempt, what, answer, now))
    for event in meaning:
        changed = _stepped(program, changed, event, actor, None)
    return changed


def keep(
    program: Program,
    item: WithdrawalItem,
    changed: Withdrawal,
    *besides: Put | Check,
    account: OpenAccount | None = None,
) -> None:
    """Put a changed withdrawal, what its new steps move of money, and what belongs to it besides: all or nothing.

    Raises `Refused`, whose positions begin with those of `besides`; Conflict `insufficient_balance`.
    """
    steps = len(item.body["history"]) if item.body else 0
    moves = rules.moves(changed, steps)
    parts: list[Put | Check] = list(besides)
    if moves:
        account = account or _account(program, changed.distributor_id)
        parts += account.move(moves, changed.withdrawal_id, steps + 1, changed.history[steps].at)
    item.becomes(changed)
    condition = item.next_revision()
    if parts:
        transact(*parts, Put(item, condition))
    elif not item.put_if(condition):
        raise Refused([0])


def _account(program: Program, distributor_id: str) -> OpenAccount:
    return accounts.open_account(program, distributors.get(program.program_id, distributor_id))


def _wrong(field: str, code: Code, message: str) -> Invalid:
    return Invalid(code, message, [FieldError(pointer(field), code, message)])


def _wrong_row(place: int, field: str, message: str) -> FieldError:
    return FieldError(pointer("rows", place, field), Code.INVALID_RESULTS, message)


def _no_method() -> Invalid:
    return _wrong("method_id", Code.UNKNOWN_METHOD, "The distributor has no such payout method.")


def _not_there(withdrawal_id: str) -> NotFound:
    return NotFound(Code.NOT_FOUND, f"There is no withdrawal {withdrawal_id}.")


def _wrong_status(withdrawal: Withdrawal, action: str) -> DomainError:
    return Conflict(Code.WRONG_STATUS, f"Can't {action} a withdrawal that is {withdrawal.status}.")


def _stopped() -> Conflict:
    return Conflict(Code.WITHDRAWALS_STOPPED, "The program's kill switch is on: no withdrawal is asked for or sent.")
