"""A provider that pretends to pay, for test programs. Like a real one it keeps a book of its own."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from chalicelib.payouts.model import Account, Answer, ContentChanged, NoAnswer, Payout, Result
from chalicelib.payouts.tables import BookItem, pretend_key
from chalicelib.shared import clock, ids
from chalicelib.shared.value import Value

DAY: Final = timedelta(hours=24)
"""How long it delays, and how long after a payment it returns one."""


class Booked(Value):
    """A line of the provider's book: a payout that reached it, and what it did or will do with it."""

    reference: str
    amount_minor: int
    currency: str
    behaviour: str
    at: datetime


class Pretend:
    """Does what its method's account says; the book is by the program's clock."""

    name = "pretend"
    payable = True
    file_columns: tuple[str, ...] = ()
    window = timedelta(days=30)

    def masked(self, account: Account) -> str:
        """The behaviour: there is nothing to hide."""
        return account["behaviour"]

    def identity(self, account: Account, distributor_id: str) -> str:
        """The behaviour, for each distributor: many may pretend alike."""
        return f"{distributor_id}#{account['behaviour']}"

    def submit(self, payout: Payout) -> Answer:
        """Book it, unless it is booked. `lose_request` loses the first request, `lose_answer` its answer."""
        behaviour = payout.account["behaviour"]
        booked_at = None if behaviour == "lose_request" else clock.stored(payout.at)
        item = _item(payout, booked_at)
        if item.put_new():
            if behaviour in ("lose_request", "lose_answer"):
                raise NoAnswer(f"{behaviour} {payout.reference}")
            return _accepted(behaviour)
        before = _found(payout)
        if before is None or before.content != item.content:
            raise ContentChanged(payout.reference)
        if before.booked_at is None:
            before.booked_at = clock.stored(payout.at)
            before.replace()
        return _accepted(behaviour)

    def query(self, payout: Payout) -> Answer:
        """What the book says."""
        item = _found(payout)
        if item is None or item.booked_at is None:
            return _said(Result.NOT_FOUND)
        return _as_of(item.behaviour, payout.at - clock.read(item.booked_at))


def book(program_id: str) -> Iterator[Booked]:
    """Every payout that reached the provider, by reference."""
    for item in BookItem.query(pretend_key(program_id), consistent_read=True):
        if item.booked_at is not None:
            at = clock.read(item.booked_at)
            yield Booked(item.sk, int(item.amount_minor), item.currency, item.behaviour, at)


def _as_of(behaviour: str, since: timedelta) -> Answer:
    """What is said of a payout so long after it was booked."""
    over = since >= DAY
    if behaviour == "fail":
        return _said(Result.FAILED)
    if behaviour == "delay" and not over:
        return _said(Result.ACCEPTED, DAY - since)
    if behaviour == "return":
        return _said(Result.RETURNED) if over else _said(Result.PAID, DAY - since)
    return _said(Result.PAID)


def _accepted(behaviour: str) -> Answer:
    return _said(Result.ACCEPTED, DAY if behaviour == "delay" else timedelta())


def _said(result: Result, look_in: timedelta | None = None) -> Answer:
    return Answer(result, f"pretend: {result}", look_in)


def _found(payout: Payout) -> BookItem | None:
    return BookItem.find(pretend_key(payout.program_id), payout.reference, consistent=True)


def _item(payout: Payout, booked_at: str | None) -> BookItem:
    behaviour = payout.account["behaviour"]
    return BookItem(
        pretend_key(payout.program_id),
        payout.reference,
        content=ids.digest(str(payout.amount_minor), payout.currency, behaviour).hex(),
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        behaviour=behaviour,
        booked_at=booked_at,
        revision=1,
    )
