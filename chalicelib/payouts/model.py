"""The nouns of payouts."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.shared.value import Value

Account = Mapping[str, str]
"""Where a channel pays to, by the names that the channel gives its fields. Personal: in no log and no answer."""


class Method(Value):
    """A way in which a distributor is paid. Its account is kept apart, encrypted, also when it is deleted."""

    method_id: str
    program_id: str
    distributor_id: str
    channel: str
    masked: str
    """What of the account may be shown."""
    created_at: datetime
    """By the program's clock."""
    deleted: bool


class Payout(Value):
    """One payment as a channel is asked for it. What is asked under a reference never changes, but for `at`."""

    program_id: str
    reference: str
    """Of the attempt: 1 to 32 letters and digits, the same whenever it is asked again."""
    amount_minor: int
    currency: str
    account: Account
    at: datetime
    """When it is asked, by the program's clock."""

    def __repr__(self) -> str:
        """Without the account: what is shown of a payout may end in a log."""
        return f"Payout({self.program_id!r}, {self.reference!r}, {self.amount_minor} {self.currency})"


class Result(StrEnum):
    """What a channel says of a payout."""

    ACCEPTED = "accepted"
    """It has it, and will do it."""
    WAITING_PAYEE = "waiting_payee"
    """The payee has to confirm."""
    PAID = "paid"
    FAILED = "failed"
    """It didn't pay, and never will under this reference."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RETURNED = "returned"
    """It had paid, and the money came back."""
    NOT_FOUND = "not_found"
    """It doesn't know the reference: the same may be asked again under it. Not a failure."""
    UNKNOWN = "unknown"
    """It said something that we don't understand."""


class Answer(Value):
    """A channel's answer."""

    result: Result
    evidence: str
    """What it said, without anything personal."""
    look_in: timedelta | None = None
    """After how long it is worth asking again; None: nobody knows."""


class NoAnswer(Exception):
    """The channel didn't answer, or not so that one could trust it. It may have paid."""


class ContentChanged(Exception):
    """Something else was asked for under the same name before. Always a mistake of ours; nothing was done."""


class NotPayable(Exception):
    """This channel keeps methods and can't pay yet. Always a mistake of ours: withdrawals by it are refused."""


class Batch(Value):
    """Payouts in one file, for a bank. The file never changes."""

    batch_id: str
    program_id: str
    channel: str
    created_at: datetime
    count: int
    amount_minor: int
    sha256: str
    """Of the file in UTF-8, in hex."""


class Encoding(StrEnum):
    """How a batch file can be had. GB18030 is what Chinese banks' tools read."""

    UTF_8 = "utf-8"
    GB18030 = "gb18030"


class ResultRow(Value):
    """One row of a bank's file of results. `result`: paid, failed or returned."""

    reference: str
    result: Result
