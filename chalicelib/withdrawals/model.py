"""The nouns of withdrawals."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from chalicelib.shared.value import Value

BY_PLAN: Final = "plan"
"""The actor of an approval that the plan gives by itself."""

BY_JOB: Final = "job"
"""The actor of what the worker does: release, send, look."""


class Status(StrEnum):
    """Where a withdrawal stands."""

    REQUESTED = "requested"
    """An operator has to look at it."""
    APPROVED = "approved"
    """It waits for the next release."""
    QUEUED = "queued"
    """Released; fee and tax are known."""
    SUBMITTING = "submitting"
    """An attempt is written down, and is being told to the channel."""
    WAITING_PAYEE = "waiting_payee"
    """The payee has to accept it."""
    PROCESSING = "processing"
    """The channel has taken it on."""
    UNKNOWN = "unknown"
    """Nobody here knows whether the channel has it: it is asked until it says."""
    MANUAL = "manual"
    """The channel can't be asked any more: an operator finds out."""
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RETURNED = "returned"
    """It was paid and came back."""
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        """Whether nothing of it is held any more."""
        return self in _TERMINAL


_TERMINAL: Final = frozenset(
    {Status.PAID, Status.FAILED, Status.CANCELLED, Status.EXPIRED, Status.RETURNED, Status.REJECTED}
)


class Event(StrEnum):
    """What can happen to a withdrawal."""

    APPROVE = "approve"
    REJECT = "reject"
    CANCEL = "cancel"
    """Somebody here doesn't want it any more."""
    RELEASE = "release"
    CLAIM = "claim"
    """A worker takes it, and writes down what it is going to tell the channel."""
    ACCEPT = "accept"
    """The channel has taken it on."""
    AWAIT_PAYEE = "await_payee"
    LOSE = "lose"
    """No answer, or none that says anything: time-out, broken connection, crash."""
    PAY = "pay"
    FAIL = "fail"
    CALL_OFF = "call_off"
    """The channel says that it was cancelled there."""
    EXPIRE = "expire"
    RETURN = "return"
    GIVE_UP = "give_up"
    """The channel can't be asked any more."""
    RETRY = "retry"


class Queue(StrEnum):
    """For what an open withdrawal is waiting; the partitions of the index of what is due."""

    REVIEW = "review"
    RELEASE = "release"
    LOOK = "look"
    MANUAL = "manual"


class Due(Value):
    """What happens to it next, and when."""

    queue: Queue
    at: datetime


class Step(Value):
    """One change of status: when, by whom, and why, if a person said so."""

    status: Status
    at: datetime
    actor: str
    reason: str | None = None


class Split(Value):
    """What becomes of the amount. All in minor units; together the amount."""

    net_minor: int
    tax_minor: int
    fee_minor: int


class Evidence(Value):
    """What a channel answered: the hash of the whole answer, and its text without personal things."""

    at: datetime
    what: str
    """What was asked, and what the answer means: `query: paid`."""
    sha256: str
    text: str


class Attempt(Value):
    """One try to pay, under a reference of its own. What is asked for is frozen before the channel is called."""

    n: int
    reference: str
    at: datetime
    amount_minor: int
    content: str
    """Digest of what is asked for: a reference never asks for anything else."""
    status: Status
    batch_id: str | None = None
    """The file that it went out in; None: it was told by itself, or hasn't been told yet."""
    looks: int = 0
    """How often the channel was asked about it."""
    evidence: tuple[Evidence, ...] = ()


class Withdrawal(Value):
    """A distributor's request to be paid, and everything that became of it."""

    program_id: str
    withdrawal_id: str
    distributor_id: str
    amount_minor: int
    currency: str
    method_id: str
    channel: str
    masked: str
    """The account that is paid, as it may be shown."""
    plan_version: int
    """The version in force when it was asked for: it says fee, rhythm and promise."""
    promised_by: datetime | None
    split: Split | None
    """None until it is released."""
    history: tuple[Step, ...]
    """Oldest first; the first one is the request."""
    attempts: tuple[Attempt, ...]
    due: Due | None

    @property
    def status(self) -> Status:
        """Where it stands."""
        return self.history[-1].status

    @property
    def requested_at(self) -> datetime:
        """When it was asked for."""
        return self.history[0].at

    @property
    def requested_by(self) -> str:
        """Who asked for it: the distributor itself, or an operator."""
        return self.history[0].actor

    @property
    def approved_at(self) -> datetime | None:
        """When it was approved; None: it wasn't."""
        return next((step.at for step in self.history if step.status is Status.APPROVED), None)

    @property
    def paid_at(self) -> datetime | None:
        """When it was found to be paid; None: it isn't, or not yet."""
        return next((step.at for step in self.history if step.status is Status.PAID), None)

    @property
    def reason(self) -> str | None:
        """The last reason that somebody gave."""
        return next((step.reason for step in reversed(self.history) if step.reason), None)

    @property
    def attempt(self) -> Attempt:
        """The last one. Only of a withdrawal that was claimed."""
        return self.attempts[-1]
