"""A shop that sells and pays, whose clock is moved over HTTP: a worker does what falls due on the way."""

from datetime import datetime, timedelta
from typing import Any, Final

from chalicelib.accounts import proof as accounts_proof
from chalicelib.withdrawals import proof
from tests.support_clock import Worker
from tests.support_market import START, Market
from tests.withdrawals.teller import Teller

DAY: Final = timedelta(days=1)


class Till(Teller):
    """A market whose clock is moved over HTTP, and a worker that does what falls due on the way."""

    def __init__(self, market: Market, worker: Worker) -> None:
        super().__init__(market)
        self.worker = worker

    def set_out(self, to: datetime) -> Any:
        """Have the clock move; the message that moves it."""
        answer = self.api.post("/v1/test/clock", {"now": to.isoformat()}, self.shop.operator)
        assert answer.status == 202, answer.text
        (message,) = self.worker.waiting()
        return message

    def clock(self, days: float) -> None:
        """Move the clock, counted from `START`, and do what falls due."""
        self.worker.deliver(self.set_out(START + days * DAY))
        self.worker.run()

    def sells(self, order_id: str, paid_minor: int, *, completed: bool = True) -> None:
        """An order paid now, decided, and marked completed a minute ago."""
        now = self.program.now()
        told = {"paid_at": now.isoformat(), "completed_at": now.isoformat() if completed else None}
        self.market.tell(order_id, ("x", paid_minor), **told)
        self.market.decide(order_id)

    def runs(self, job: str) -> list[tuple[str, str]]:
        """First and last day of a job's runs, the first due first."""
        found = self.market.walk(f"/v1/jobs?job={job}", limit=100)
        return [(run["first_day"][5:], run["last_day"][5:]) for run in found][::-1]

    def answer(self, name: str = "seller") -> tuple[int, int, int, int]:
        """Pending, available, held and paid, as the distributor reads them."""
        found = self.market.get(f"/v1/distributors/{self.market.id(name)}/balance")
        pending, available, held, paid = (found[f"{part}_minor"] for part in ("pending", "available", "held", "paid"))
        return pending, available, held, paid

    def check(self, name: str = "seller") -> None:
        """The balance is what its statement and its withdrawals come to."""
        proven = accounts_proof.of_account(self.program, self.distributor(name))
        assert list(proven.differences) == []
        assert list(proof.of_account(self.program, self.distributor(name), proven.balance)) == []
