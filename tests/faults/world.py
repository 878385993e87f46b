"""The shop in which the stories happen: three distributors in a chain, levels, a short hold, two ways to be paid."""

from datetime import datetime, timedelta
from typing import Any

from tests.operations.till import Till
from tests.support_clock import Worker
from tests.support_laws import document
from tests.support_market import Market
from tests.support_stream import Stream

NAMES = ("seller", "middle", "top")
"""Who sells, and may be brought by the one after."""

RATES_BP = (1_000, 1_200, 1_500)
TARGETS = (0, 40_000, 120_000)
UPLINES_BP = (200, 100)
PER_DAY = 4
SLA = {"sla_hours": 24, "peak_sla_hours": 48}
OTHERS_SECRET = "canary of another program"
CANARIES = ("张三", "6222020200")
"""Of an account: in no request of the store in plain text."""


def plan() -> dict[str, Any]:
    """10, 12 or 15 % for the seller, 2 % and 1 % for the uplines; a hold of a day."""
    made = document(
        uplines=UPLINES_BP,
        hold={"days": 1, "auto_complete_days": 3},
        attribution={"precedence": ["code"]},
        withdrawal={
            "channels": dict.fromkeys(["bank", "pretend"], SLA),
            "method_age_hours": 0,
            "per_day": PER_DAY,
            "review_above_minor": 9_000,
            "fee_bp": 50,
            "fee_minor": 3,
        },
    )
    made["tracks"]["default"]["levels"] = [
        {"rank": rank, "name": f"V{rank}", "rate_bp": rate, "target": target}
        for rank, (rate, target) in enumerate(zip(RATES_BP, TARGETS, strict=True), start=1)
    ]
    return made


class World(Till):
    """A till with the stream, everybody's methods, and the secrets of whoever speaks."""

    def __init__(self, market: Market, worker: Worker, stream: Stream) -> None:
        super().__init__(market, worker)
        self.stream = stream
        self.others_secret = OTHERS_SECRET
        self.payees = ("seller", "middle")
        for name in self.payees:
            self.give(50_000, name)
            for behaviour in ("accept", "delay", "lose_request", "lose_answer", "fail", "return", "bank"):
                self.method(behaviour, name)
        self.sessions = {name: self.market.session(name) for name in self.payees}
        self.notice_secret = str(self.market.get("/v1/payouts/notices/pretend/secret")["secret"])

    @classmethod
    def found(cls, market: Market, worker: Worker, stream: Stream) -> "World":
        """A world that is there already: nobody's money is made, and no method is added."""
        world = cls.__new__(cls)
        Till.__init__(world, market, worker)
        world.stream, world.others_secret = stream, OTHERS_SECRET
        return world

    @property
    def now(self) -> datetime:
        """Where the clock stands."""
        return self.program.now()

    def clock_on(self, by: timedelta) -> None:
        """Move the clock, and do what falls due; a tick makes up for a message that was lost."""
        answer = self.api.post("/v1/test/clock", {"now": (self.now + by).isoformat()}, self.shop.operator)
        assert answer.status == 202, answer.text
        self.worker.run()
        for _ in range(20):
            if self.program.moving_to is None:
                return
            self.worker.deliver({"job": "tick"})
            self.worker.run()
        raise AssertionError("invariant 40: the clock never arrives")


class Turn:
    """Ids in turn instead of by chance."""

    def __init__(self) -> None:
        self.next = 0

    def new(self, prefix: str) -> str:
        """The next id."""
        self.next += 1
        return f"{prefix}_{self.next:026}"
