"""One plan at one cloud, from the first request to the last comparison."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, Final

from infra.local_cloud import LocalStage
from infra.paths import LOCAL
from infra.replay.progress import Teller
from infra.stage import Stage
from tests.journeys.client import Cloud, Http, Shop, done, pick, until
from tests.journeys.plans import plan as document
from tests.load.crowd import CLIENTS, Crowd, Patient
from tests.load.oracle import Money, differences, expect
from tests.load.plan import RATES_BP, Kill, Plan
from tests.load.reaper import Reaper

AT_ONCE: Final = 16
"""How many requests the API works on at once; AWS has such a bound, too. Others are told 429, and come again."""
AGAIN_SECONDS: Final = 20
"""When the queue gives out again what a killed worker had; a stage waits twelve minutes."""
WORKERS_KILLED: Final = 2
"""While the clock moves. A message that dies five times is put aside."""
KILL_EVERY_SECONDS: Final = 1.5
HOLDS_END: Final = "2026-03-14T10:00:00+08:00"
"""Ten days on: for orders that are completed, not for those that will complete themselves."""
PATIENCE_SECONDS: Final = 600.0
POLL_SECONDS: Final = 0.5
LOGS: Final = LOCAL / "load-errors.log"


class Load:
    """A shop of its own, whose clients do what is planned."""

    def __init__(self, plan: Plan, stage: LocalStage, teller: Teller) -> None:
        self._plan, self._teller = plan, teller
        self._stage = Stage(stage.stage, stage.endpoint)
        self._reaper = Reaper(self._stage, plan.kills)
        rate, *uplines = RATES_BP
        self._shop = Shop(Cloud(stage, Patient(stage.url)), document(rate, tuple(uplines), precedence=("code",)))
        self._crowd = Crowd(Http(stage.url, CLIENTS), self._shop.keys.storefront, self._reaper.answered)
        self._sellers: list[dict[str, Any]] = []
        self._seconds: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def run(self) -> list[str]:
        """Everything, in its order; what is wrong then."""
        self._bound()
        self._join()
        requests = self._plan.requests([each["code"] for each in self._sellers])
        with self._timed("told"), self._teller.step("Told", sum(each.copies for each in requests)) as step:
            self._crowd.tell(requests, step)
        with self._timed("decided, and ten days settled"), self._teller.step("Ten days on", 1) as step:
            self._ten_days_on()
            step.done()
        with self._timed("looked at"), self._teller.step("Everything looked at", 1) as step:
            wrong = [*self._crowd.wrong, *self._crowd.made_twice(), *self._differences(), *self._reconciled()]
            self._keep_logs()
            step.done()
        return wrong

    def _bound(self) -> None:
        name = self._stage.function("api_handler")
        functions, queue = self._stage.client("lambda"), self._stage.client("sqs")
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=AT_ONCE)
        url = queue.get_queue_url(QueueName=f"tributary-{self._stage.name}-jobs")["QueueUrl"]
        queue.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(AGAIN_SECONDS)})

    def _join(self) -> None:
        with self._teller.step("Sellers", len(self._plan.sponsors)) as step:
            for number, sponsor in enumerate(self._plan.sponsors):
                above = None if sponsor is None else self._sellers[sponsor]
                self._sellers.append(self._shop.distributor(f"u-{number}", above))
                step.done()

    def _ten_days_on(self) -> None:
        """Once all is decided; on the way workers are killed."""
        set_out = until(
            lambda: self._shop.set_out(HOLDS_END),
            lambda said: said.status != 409 or said.code != "orders_undecided",
            PATIENCE_SECONDS,
            POLL_SECONDS,
        )
        done(set_out, 202)
        with self._killing():
            until(self._shop.clock, lambda it: it["moving_to"] is None, PATIENCE_SECONDS, POLL_SECONDS)

    @contextmanager
    def _killing(self) -> Iterator[None]:
        over = Event()

        def kill() -> None:
            while not over.wait(KILL_EVERY_SECONDS) and self._reaper.killed["work"] < WORKERS_KILLED:
                self._reaper.kill(Kill(0, "work", 0), aged=1)

        killer = Thread(target=kill)
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()

    def _differences(self) -> list[str]:
        expected = expect(self._plan)
        number = {pick(each): at for at, each in enumerate(self._sellers)}
        commissions: dict[tuple[str, int], tuple[int, int]] = {}
        twice = []
        for row in self._shop.all("/v1/commissions"):
            name = row["order_id"], row["tier"]
            twice += [f"{name} is listed twice"] if name in commissions else []
            commissions[name] = number[row["distributor_id"]], row["amount_minor"]
        paying = {name: paid for name, paid in commissions.items() if paid[1]}
        return [
            *twice,
            *differences(expected.commissions, paying),
            *differences(expected.money, {at: self._money(each) for at, each in enumerate(self._sellers)}),
            *(f"quarantined: {each}" for each in self._shop.all("/v1/quarantine")),
        ]

    def _money(self, seller: dict[str, Any]) -> Money:
        told = self._shop.get(f"/v1/distributors/{pick(seller)}/balance")
        return told["pending_minor"], told["available_minor"], told["held_minor"], told["paid_minor"]

    def _reconciled(self) -> list[str]:
        asked = done(self._shop.api.post("/v1/reports/reconciliation", None, key=self._shop.keys.operator), 202)
        report = until(
            lambda: self._shop.get("/v1/reports/reconciliation"),
            lambda found: found["started_at"] >= asked["started_at"] and found["finished_at"],
            PATIENCE_SECONDS,
            POLL_SECONDS,
        )
        self._counts = report["counts"]
        lost = differences({"orders": len(self._plan.orders)}, {"orders": self._counts["orders"]})
        red = [] if report["ok"] else ["it is red", *report["differences"]]
        return [f"reconciliation: {each}" for each in (*lost, *red)]

    def _keep_logs(self) -> None:
        """What the functions logged as errors, traces too: whatever is wrong may be found there."""
        logs = self._stage.client("logs")
        with LOGS.open("w") as kept:
            for handler in ("api_handler", "decide_orders", "work"):
                group = f"/aws/lambda/{self._stage.function(handler)}"
                for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern="ERROR"):
                    kept.writelines(event["message"] + "\n" for event in page["events"])

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[what] = time.monotonic() - began

    def figures(self) -> dict[str, int]:
        """What was done, and what was counted."""
        crowd, killed = self._crowd, self._reaper.killed
        return {
            "orders": len(self._plan.orders),
            "requests answered": crowd.sent,
            **{f"  with {status}": count for status, count in sorted(crowd.answers.items())},
            "sent again": crowd.again.total(),
            **{f"  because of {why}": count for why, count in sorted(crowd.again.items())},
            "workers killed": killed.total(),
            **{f"  of {function}": count for function, count in sorted(killed.items())},
            **{f"seconds until {what}": round(seconds) for what, seconds in self._seconds.items()},
            **{f"reconciled {what}": count for what, count in sorted(self._counts.items())},
        }
