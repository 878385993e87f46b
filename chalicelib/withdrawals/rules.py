"""What is decided about withdrawals, from what is given."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Final

from msgspec.structs import replace

from chalicelib.accounts.model import Move
from chalicelib.ledger.model import Account, Kind
from chalicelib.payouts.model import Answer, Result
from chalicelib.programs.model import WithdrawalTerms
from chalicelib.shared import clock, ids
from chalicelib.shared.money import BP
from chalicelib.withdrawals.model import Attempt, Due, Event, Evidence, Queue, Split, Status, Step, Withdrawal

ATTEMPTS_MAX: Final = 20
"""How often a withdrawal may be tried; a reference has room for 99."""

BATCH_MAX: Final = 1_000
"""How many payouts a batch file has at most."""

EVIDENCE_FIRST: Final = 2
EVIDENCE_LAST: Final = 3
"""Which answers to an attempt are kept: the first and the last ones, so that the item stays small."""

RELEASED_AT: Final = time(10)
"""When releases are, by the program's wall clock."""

_LOOKS: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1))
"""How long after an attempt, and after each look, the channel is asked again; the last one from then on."""

TRANSITIONS: Final[Mapping[Status, Mapping[Event, Status]]] = {
    Status.REQUESTED: {
        Event.APPROVE: Status.APPROVED,
        Event.REJECT: Status.REJECTED,
        Event.CANCEL: Status.CANCELLED,
    },
    Status.APPROVED: {Event.RELEASE: Status.QUEUED, Event.CANCEL: Status.CANCELLED},
    Status.QUEUED: {Event.CLAIM: Status.SUBMITTING, Event.CANCEL: Status.CANCELLED},
    Status.SUBMITTING: {
        Event.ACCEPT: Status.PROCESSING,
        Event.AWAIT_PAYEE: Status.WAITING_PAYEE,
        Event.LOSE: Status.UNKNOWN,
    },
    Status.UNKNOWN: {
        Event.ACCEPT: Status.PROCESSING,
        Event.AWAIT_PAYEE: Status.WAITING_PAYEE,
        Event.PAY: Status.PAID,
        Event.FAIL: Status.FAILED,
        Event.CALL_OFF: Status.CANCELLED,
        Event.EXPIRE: Status.EXPIRED,
        Event.GIVE_UP: Status.MANUAL,
    },
    Status.PROCESSING: {
        Event.PAY: Status.PAID,
        Event.FAIL: Status.FAILED,
        Event.CALL_OFF: Status.CANCELLED,
        Event.EXPIRE: Status.EXPIRED,
        Event.GIVE_UP: Status.MANUAL,
    },
    Status.WAITING_PAYEE: {
        Event.PAY: Status.PAID,
        Event.FAIL: Status.FAILED,
        Event.CALL_OFF: Status.CANCELLED,
        Event.EXPIRE: Status.EXPIRED,
    },
    Status.MANUAL: {Event.PAY: Status.PAID, Event.FAIL: Status.FAILED},
    Status.FAILED: {Event.RETRY: Status.QUEUED},
    Status.PAID: {Event.RETURN: Status.RETURNED},
    Status.CANCELLED: {},
    Status.EXPIRED: {},
    Status.RETURNED: {},
    Status.REJECTED: {},
}
"""Every step that there is; the design's table, and no other."""

_WITHOUT_AN_ATTEMPT: Final = frozenset({Event.APPROVE, Event.REJECT, Event.CANCEL, Event.RELEASE, Event.RETRY})
"""What happens to a withdrawal and not to its last attempt."""

_TAKEN_ON: Final[Mapping[Result, Event]] = {Result.ACCEPTED: Event.ACCEPT, Result.WAITING_PAYEE: Event.AWAIT_PAYEE}

_FINAL: Final[Mapping[Result, tuple[Event, ...]]] = {
    Result.PAID: (Event.PAY,),
    Result.FAILED: (Event.FAIL,),
    Result.CANCELLED: (Event.CALL_OFF,),
    Result.EXPIRED: (Event.EXPIRE,),
    Result.RETURNED: (Event.PAY, Event.RETURN),
}

LOOKED_AT: Final = frozenset({Status.SUBMITTING, Status.UNKNOWN, Status.PROCESSING, Status.WAITING_PAYEE, Status.PAID})
"""From which statuses a channel's answer leads on."""

_IN_A_BATCH: Final = frozenset({Status.SUBMITTING, Status.PROCESSING, Status.MANUAL})

_APPLIED: Final = frozenset(
    {
        (Status.PAID, Result.PAID),
        (Status.FAILED, Result.FAILED),
        (Status.RETURNED, Result.PAID),
        (Status.RETURNED, Result.RETURNED),
    }
)


def after(status: Status, event: Event) -> Status | None:
    """The status that an event leads to. None: it can't happen in this status."""
    return TRANSITIONS[status].get(event)


def stepped(
    withdrawal: Withdrawal, event: Event, at: datetime, actor: str, reason: str | None = None
) -> Withdrawal | None:
    """The withdrawal after an event; where it is due next is for the caller to say. None: it can't happen now."""
    status = after(withdrawal.status, event)
    if status is None:
        return None
    changed = replace(withdrawal, history=(*withdrawal.history, Step(status, at, actor, reason)))
    if event not in _WITHOUT_AN_ATTEMPT:
        changed = with_attempt(changed, replace(changed.attempt, status=status))
    if status is Status.MANUAL:
        return replace(changed, due=Due(Queue.MANUAL, at))
    return replace(changed, due=None) if status.terminal else changed


def with_attempt(withdrawal: Withdrawal, attempt: Attempt) -> Withdrawal:
    """The withdrawal with its last attempt as it is now."""
    return replace(withdrawal, attempts=(*withdrawal.attempts[:-1], attempt))


def claimed(withdrawal: Withdrawal, at: datetime, actor: str) -> Withdrawal | None:
    """The withdrawal with a new attempt, all of whose content is fixed. None: it can't be claimed now.

    It stays where it was due: if the worker dies, the next one finds it there.
    """
    if after(withdrawal.status, Event.CLAIM) is None or withdrawal.split is None:
        return None
    n, net = len(withdrawal.attempts) + 1, withdrawal.split.net_minor
    name = reference(withdrawal.withdrawal_id, n)
    attempt = Attempt(n, name, at, net, content(withdrawal, name, net), Status.QUEUED)
    return stepped(replace(withdrawal, attempts=(*withdrawal.attempts, attempt)), Event.CLAIM, at, actor)


def content(withdrawal: Withdrawal, name: str, net_minor: int) -> str:
    """Digest of what a channel is asked to pay under a reference. A method's account never changes: its id will do."""
    asked = (name, str(net_minor), withdrawal.currency, withdrawal.channel, withdrawal.method_id)
    return ids.digest(*asked).hex()


def reference(withdrawal_id: str, n: int) -> str:
    """The reference of an attempt: 29 of A-Z 0-9, which every channel takes."""
    return f"T{withdrawal_id.removeprefix('wdr_')}{n:02}"


def withdrawal_of(name: str) -> str:
    """Whose attempt's reference this is."""
    return f"wdr_{name[1:-2]}"


def split(amount_minor: int, terms: WithdrawalTerms) -> Split:
    """What becomes of an amount: the fee comes out of it, the rest is paid. A plan's `tax` can only be `none` yet."""
    fee_minor = amount_minor * terms.fee_bp // BP + terms.fee_minor
    return Split(amount_minor - fee_minor, 0, fee_minor)


def promised_by(terms: WithdrawalTerms, channel: str, approved_at: datetime, timezone: str) -> datetime:
    """When what is approved now has arrived at the latest."""
    promise = terms.channels[channel]
    peak = clock.local_day(approved_at, timezone) in terms.peak_days
    return approved_at + clock.hours(promise.peak_sla_hours if peak else promise.sla_hours)


def release_at(rhythm: str, since: datetime, timezone: str) -> datetime:
    """The first release after an instant: 10:00 by the wall clock, on a day of the rhythm.

    `rhythm`: `daily`, `weekly:1..7` (Monday is 1), `monthly:1..28`.
    """
    return next(at for at in _tens(since, timezone) if at > since and _is_on(rhythm, clock.local_day(at, timezone)))


def _tens(since: datetime, timezone: str) -> Iterator[datetime]:
    first = clock.local_day(since, timezone)
    for days in range(40):
        local = datetime.combine(first + timedelta(days=days), RELEASED_AT, clock.zone(timezone))
        yield local.astimezone(since.tzinfo)


def _is_on(rhythm: str, day: date) -> bool:
    kind, _, number = rhythm.partition(":")
    on = {"daily": "", "weekly": str(day.isoweekday()), "monthly": str(day.day)}
    return on[kind] == number


def is_late(withdrawal: Withdrawal, now: datetime) -> bool:
    """Whether it should have arrived by now, and hasn't."""
    promised = withdrawal.promised_by
    return promised is not None and promised < now and not withdrawal.status.terminal


def look_at(attempt: Attempt, answer: Answer, at: datetime) -> datetime:
    """When the channel is asked next: when it says itself, else ever less often."""
    backed_off = _LOOKS[min(attempt.looks, len(_LOOKS) - 1)]
    return at + (answer.look_in if answer.look_in is not None else backed_off)


def is_asked_again(status: Status, answer: Answer) -> bool:
    """Whether a channel has more to tell of an attempt that is in a status after it answered.

    Of what is paid only if it says so itself, or doesn't confirm it any more.
    """
    if status is Status.PAID:
        return answer.look_in is not None or answer.result is not Result.PAID
    return status in LOOKED_AT


def events(status: Status, result: Result) -> tuple[Event, ...]:
    """What a channel's answer means for an attempt in a status of `LOOKED_AT`: mostly one event, often nothing new.

    An answer that is final at once passes through being accepted. Not found is not failed; and what is paid can only
    come back: as a return, or as the channel's late failure.
    """
    if status is Status.PAID:
        return (Event.RETURN,) if result in (Result.RETURNED, Result.FAILED) else ()
    if result in _TAKEN_ON:
        return (_TAKEN_ON[result],) if status in (Status.SUBMITTING, Status.UNKNOWN) else ()
    if result in _FINAL:
        return ((Event.ACCEPT,) if status is Status.SUBMITTING else ()) + _FINAL[result]
    return (Event.LOSE,) if status is Status.SUBMITTING else ()


def events_of_file(status: Status, result: Result) -> tuple[Event, ...] | None:
    """What a row of a file of results means for its attempt. Nothing: it was applied before. None: it can't be."""
    if (status, result) in _APPLIED:
        return ()
    if status in _IN_A_BATCH or (status is Status.PAID and result is Result.RETURNED):
        return events(status, result)
    return None


def with_evidence(attempt: Attempt, what: str, answer: Answer, at: datetime) -> Attempt:
    """The attempt with what the channel answered; the same again leaves it as it is."""
    found = Evidence(at, f"{what}: {answer.result}", ids.digest(answer.evidence).hex(), answer.evidence[:200])
    kept = attempt.evidence
    if kept and (kept[-1].what, kept[-1].sha256) == (found.what, found.sha256):
        return attempt
    return replace(attempt, evidence=(*kept[:EVIDENCE_FIRST], *kept[EVIDENCE_FIRST:][-(EVIDENCE_LAST - 1) :], found))


def moves(withdrawal: Withdrawal, steps: int) -> Sequence[Move]:
    """What the steps after the first `steps` of its history move. Amounts of 0 too; entries are made of the others."""
    found: list[Move] = []
    for n in range(steps, len(withdrawal.history)):
        before = withdrawal.history[n - 1].status if n else None
        found += _moves_of(withdrawal, before, withdrawal.history[n].status)
    return found


def _moves_of(withdrawal: Withdrawal, before: Status | None, status: Status) -> Sequence[Move]:
    available, held = Account.AVAILABLE, Account.HELD
    if before is None or before is Status.FAILED:
        return [Move(Kind.HOLD, available, held, withdrawal.amount_minor)]
    if status is Status.PAID:
        return [Move(Kind.PAYOUT, held, account, amount) for account, amount in _parts(withdrawal)]
    if status is Status.RETURNED:
        return [Move(Kind.RETURN, account, available, amount) for account, amount in _parts(withdrawal)]
    return [Move(Kind.UNHOLD, held, available, withdrawal.amount_minor)] if status.terminal else []


def _parts(withdrawal: Withdrawal) -> Sequence[tuple[Account, int]]:
    parts = withdrawal.split
    if parts is None:
        return ()
    return (
        (Account.PAID_OUT, parts.net_minor),
        (Account.TAX_PAYABLE, parts.tax_minor),
        (Account.FEE, parts.fee_minor),
    )
