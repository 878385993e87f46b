"""The `withdrawals` table.

| pk                  | sk            | item                                                                     |
|---------------------|---------------|--------------------------------------------------------------------------|
| program id          | withdrawal id | a withdrawal with its history and its attempts; newest last              |
| `{program}#batches` | batch id      | which attempts a batch has: fixed before its file is written             |

Index `by_due`: `{program}#{review, release, look or manual}` and when, keys only: every withdrawal that somebody or
something has to do with; a terminal one only if its channel is to be asked once more.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from chalicelib.shared import clock
from chalicelib.shared.tables import JsonAttribute, Revised, Table
from chalicelib.withdrawals.model import Attempt, Due, Evidence, Queue, Split, Status, Step, Withdrawal

WITHDRAWAL = "wdr_"


class WithdrawalsTable(Table):
    """What all items of the table share."""

    room = "withdrawals"


class ByDue(GlobalSecondaryIndex[Any]):
    """What is due, by program and queue, in the order in which it falls due. Follows the table with a little delay."""

    class Meta:
        """pynamodb's."""

        index_name = "by_due"
        projection = KeysOnlyProjection()

    due_in = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class WithdrawalItem(WithdrawalsTable, Revised):
    """A withdrawal. A key of the index that stays as it is costs nothing, so `due_at` moves only when it must."""

    class Meta:
        """pynamodb's."""

    due_in = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    distributor_id = UnicodeAttribute()
    status = UnicodeAttribute()
    amount_minor = NumberAttribute(attr_name="amount")
    body = JsonAttribute(attr_name="b")
    done = JsonAttribute(null=True)
    """Of each Idempotency-Key that changed this item (a digest): the digest of what it asked for."""

    by_due = ByDue()

    def becomes(self, withdrawal: Withdrawal) -> None:
        """Take what the withdrawal says."""
        due = withdrawal.due
        self.due_in = due_key(withdrawal.program_id, due.queue) if due else None
        self.due_at = clock.stored(due.at) if due else None
        self.distributor_id, self.status = withdrawal.distributor_id, withdrawal.status.value
        self.amount_minor = withdrawal.amount_minor
        # What newer code has put into the body stays there.
        self.body = (self.body or {}) | _packed(withdrawal)

    def withdrawal(self) -> Withdrawal:
        """The item as the room's noun."""
        return _unpacked(self)


class BatchItem(WithdrawalsTable):
    """The references of the attempts in a batch. Never changed."""

    class Meta:
        """pynamodb's."""

    references = JsonAttribute(attr_name="r")


def due_key(program_id: str, queue: Queue) -> str:
    """A queue's partition of the index."""
    return f"{program_id}#{queue}"


def batches_pk(program_id: str) -> str:
    """The partition of a program's batches."""
    return f"{program_id}#batches"


def due_until(
    program_id: str, queue: Queue, until: datetime | None, *, limit: int | None = None
) -> Iterator[WithdrawalItem]:
    """The withdrawals of a queue that are due by an instant (None: all), the first due first, as the index has them."""
    by = None if until is None else WithdrawalItem.due_at <= clock.stored(until)
    return iter(WithdrawalItem.by_due.query(due_key(program_id, queue), by, limit=limit))


def _packed(withdrawal: Withdrawal) -> dict[str, Any]:
    split = withdrawal.split
    return {
        "currency": withdrawal.currency,
        "method": withdrawal.method_id,
        "channel": withdrawal.channel,
        "masked": withdrawal.masked,
        "plan": withdrawal.plan_version,
        "promised": _stored(withdrawal.promised_by),
        "split": split and [split.net_minor, split.tax_minor, split.fee_minor],
        "history": [[step.status.value, clock.stored(step.at), step.actor, step.reason] for step in withdrawal.history],
        "attempts": [_packed_attempt(attempt) for attempt in withdrawal.attempts],
    }


def _packed_attempt(attempt: Attempt) -> list[Any]:
    """All but its number, which its place tells."""
    return [
        clock.stored(attempt.at),
        attempt.reference,
        attempt.amount_minor,
        attempt.content,
        attempt.status.value,
        attempt.batch_id,
        attempt.looks,
        [[clock.stored(each.at), each.what, each.sha256, each.text] for each in attempt.evidence],
    ]


def _unpacked(item: WithdrawalItem) -> Withdrawal:
    body = item.body
    return Withdrawal(
        program_id=item.pk,
        withdrawal_id=item.sk,
        distributor_id=item.distributor_id,
        amount_minor=int(item.amount_minor),
        currency=body["currency"],
        method_id=body["method"],
        channel=body["channel"],
        masked=body["masked"],
        plan_version=body["plan"],
        promised_by=_read(body["promised"]),
        split=Split(*body["split"]) if body["split"] else None,
        history=tuple(Step(Status(status), clock.read(at), who, why) for status, at, who, why in body["history"]),
        attempts=tuple(_unpacked_attempt(n, packed) for n, packed in enumerate(body["attempts"], start=1)),
        due=Due(Queue(item.due_in.rpartition("#")[2]), clock.read(item.due_at)) if item.due_in else None,
    )


def _unpacked_attempt(n: int, packed: list[Any]) -> Attempt:
    at, reference, amount_minor, content, status, batch_id, looks, evidence = packed
    found = tuple(Evidence(clock.read(seen), what, sha256, text) for seen, what, sha256, text in evidence)
    return Attempt(n, reference, clock.read(at), amount_minor, content, Status(status), batch_id, looks, found)


def _stored(at: datetime | None) -> str | None:
    return clock.stored(at) if at else None


def _read(text: str | None) -> datetime | None:
    return clock.read(text) if text else None
