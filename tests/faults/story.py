"""A seeded story: orders, refunds, attributions, payouts and the clock, in any order, with something going wrong.

Whoever got no answer asks again; a message or a batch of the stream that failed comes again, and some come twice. All
chance is one `Random`, so a seed is a story.
"""

import hmac
import json
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError
from pynamodb.exceptions import PynamoDBException

from chalicelib.shared.errors import DomainError
from chalicelib.shared.streams import Unfinished
from tests.faults.mirror import Mirror
from tests.faults.wire import CALM, Fault, drawn, faulty
from tests.faults.world import NAMES, World
from tests.support import Answer
from tests.support_faults import Crash
from tests.support_stream import Record

FAILURES = (Crash, Unfinished, PynamoDBException, BotoCoreError, DomainError)
"""What a piece of work may end with when something goes wrong on the wire; anything else is a bug."""

BEHAVIOURS = ("accept", "delay", "lose_request", "lose_answer", "fail", "return", "bank")
PRICES = (999, 10_000, 25_001, 40_000, 100_007)
REFUNDS = (1, 333, 999, 5_003, 100_007)
RESULTS = ("paid", "paid", "failed", "returned")


@dataclass(frozen=True)
class Asked:
    """A request, which may be sent again."""

    method: str
    path: str
    body: Any
    key: str
    headers: dict[str, str] = field(default_factory=dict)


class Story:
    """One seed's story, told to a world."""

    def __init__(self, world: World, mirror: Mirror, seed: int) -> None:
        self.world, self.mirror, self.random = world, mirror, Random(seed)
        self.log: list[str] = []
        self.unanswered: list[Asked] = []
        self.asked: list[Asked] = []
        self.messages: list[dict[str, Any]] = []
        self.undelivered: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
        self.delivered: list[Record] = []
        self._seen = len(world.stream.records)
        self.orders: dict[str, dict[str, Any]] = {}
        self.days = 0.0

    # Steps, by chance

    def tell(self, steps: int, draw: Callable[[Random, bool], Fault] = drawn) -> None:
        """So many steps of it."""
        names, weights = zip(*WEIGHTS.items(), strict=True)
        for _ in range(steps):
            (name,) = self.random.choices(names, weights)
            self.step(name, draw(self.random, name == "clock"))

    def step(self, name: str, fault: Fault = CALM) -> None:
        """One step, with what goes wrong in it."""
        self.log.append(f"{name}{fault}")
        with faulty(self.mirror, fault, self._meanwhile):
            try:
                getattr(self, f"_{name}")()
            except FAILURES as failure:
                self.log[-1] += f": {type(failure).__name__}"
        self._listen()

    def _meanwhile(self) -> None:
        """What overtakes a piece of work: another worker with a message, or with a part of the stream."""
        name = self.random.choice(("stream", "work", "again", "order"))
        self.log.append(f"  meanwhile {name}")
        getattr(self, f"_{name}")()

    def _listen(self) -> None:
        """What came into the queue and the stream."""
        self.messages += self.world.worker.waiting()
        records = self.world.stream.records
        for record in records[self._seen :]:
            keys = record["dynamodb"]["Keys"]
            self.undelivered[keys["pk"]["S"], keys["sk"]["S"]].append(record)
        self._seen = len(records)

    def send(self, asked: Asked) -> Answer | None:
        """Ask; without an answer, or with one of 5xx, it will be asked again."""
        if asked not in self.unanswered:
            self.unanswered.append(asked)
        answer = self.world.api.send(asked.method, asked.path, asked.body, asked.key, **asked.headers)
        assert self.world.others_secret not in answer.text, "invariant 36: another program's data"
        if answer.status < 500:
            self.unanswered = [other for other in self.unanswered if other is not asked]
            self.asked.append(asked)
        return answer

    def _post(self, path: str, body: Any, key: str | None = None, **headers: str) -> Answer | None:
        return self.send(Asked("POST", path, body, key or self.world.shop.storefront, headers))

    # What storefronts and people do

    def _order(self) -> None:
        number = len(self.orders)
        paid_at = self.world.now - timedelta(minutes=self.random.choice((0, 0, 7, 50, 1_500)))
        seller = self.random.choice(NAMES)
        told = {"paid_at": paid_at.isoformat(), "referral_code": self.world.market.code(seller)}
        if self.random.random() < 0.2:
            told["completed_at"] = self.world.now.isoformat()
        body = self.world.market.body(f"A-{number}", ("x", self.random.choice(PRICES)), **told)
        self.orders[body["order_id"]] = body
        self._post("/v1/orders", body)

    def _again(self) -> None:
        """What got no answer, or what had one, once more."""
        known = self.unanswered or self.asked
        if known:
            self.send(self.random.choice(known))

    def _some_order(self) -> str:
        """One that was told, or the next one: what is about it may come first."""
        return self.random.choice([*self.orders, f"A-{len(self.orders)}"])

    def _refund(self) -> None:
        order_id, amount = self._some_order(), self.random.choice(REFUNDS)
        lines = [{"line_id": "1", "quantity": 0, "amount_minor": amount}]
        body = {"refund_id": f"r-{len(self.asked)}", "refunded_at": self.world.now.isoformat(), "lines": lines}
        self._post(f"/v1/orders/{order_id}/refunds", body)

    def _complete(self) -> None:
        self._post(f"/v1/orders/{self._some_order()}/complete", {"completed_at": self.world.now.isoformat()})

    def _cancel(self) -> None:
        self._post(f"/v1/orders/{self._some_order()}/cancel", {"cancelled_at": self.world.now.isoformat()})

    def _attribute(self) -> None:
        name = self.random.choice((*NAMES, None))
        body = {"distributor_id": name and self.world.market.id(name), "reason": f"word {len(self.asked)}"}
        self._post(f"/v1/orders/{self._some_order()}/attribution", body, self.world.shop.operator)

    def _withdraw(self) -> None:
        name, behaviour = self.random.choice(self.world.payees), self.random.choice(BEHAVIOURS)
        amount = self.random.choice((100, 1_000, 9_999, 60_000))
        body = {
            "distributor_id": self.world.market.id(name),
            "amount_minor": amount,
            "method_id": self.world.methods[name, behaviour],
        }
        key = self.random.choice((self.world.sessions[name], self.world.shop.operator))
        self._post("/v1/withdrawals", body, key, idempotency_key=f"w-{len(self.asked)}-{len(self.unanswered)}")

    def _people(self) -> None:
        """An operator, or the second one, decides about a withdrawal."""
        known = sorted(withdrawal.withdrawal_id for withdrawal in self.world.all())
        if known:
            action = self.random.choice(("approve", "approve", "reject", "cancel", "retry"))
            says = {"reason": "so"} if action == "reject" else {}
            self._post(f"/v1/withdrawals/{self.random.choice(known)}/{action}", says, self.world.shop.second)

    def _switch(self) -> None:
        """The kill switch, mostly off."""
        on = self.random.random() < 0.3
        asked = Asked("PATCH", "/v1/program", {"kill_switch": on}, self.world.shop.operator)
        self.send(asked)

    # The outside world

    def _bank(self) -> None:
        """The bank's file of results for some batch, of some of its payouts."""
        waiting = [each for each in self.world.all() if each.attempts and each.attempt.batch_id]
        if waiting:
            batch_id = self.random.choice(sorted({str(each.attempt.batch_id) for each in waiting}))
            rows = [each.attempt.reference for each in waiting if each.attempt.batch_id == batch_id]
            some = self.random.sample(sorted(rows), self.random.randint(1, len(rows)))
            file = "reference,result\n" + "".join(f"{one},{self.random.choice(RESULTS)}\n" for one in some)
            path = f"/v1/payouts/batches/{batch_id}/results"
            self.send(Asked("POST", path, file.encode(), self.world.shop.operator, {"content_type": "text/csv"}))

    def _notice(self) -> None:
        """A late word of the provider, signed; a forged one changes nothing."""
        sent = [each for each in self.world.all() if each.attempts and each.channel == "pretend"]
        if sent:
            body = {"program_id": self.world.shop.program_id, "reference": self.random.choice(sent).attempt.reference}
            raw, at = json.dumps(body).encode(), str(int(time.time()))
            good = hmac.new(self.world.notice_secret.encode(), at.encode() + b"." + raw, "sha256").hexdigest()
            path = "/v1/payouts/notices/pretend"
            before = dict(self.mirror.items)
            forged = self.world.api.post(path, raw, x_timestamp=at, x_signature="0" * 64)
            assert (forged.status, before) == (401, self.mirror.items), "invariant 39"
            self.world.api.post(path, raw, x_timestamp=at, x_signature=good)

    # The cloud

    def _stream(self) -> None:
        """A batch of the stream: any records, those of one item in their order, and some that came before."""
        wanted, batch = self.random.randint(1, 8), []
        while len(batch) < wanted and any(self.undelivered.values()):
            item = self.random.choice(sorted(key for key, records in self.undelivered.items() if records))
            batch.append(self.undelivered[item].pop(0))
        again = self.random.sample(self.delivered, min(len(self.delivered), self.random.choice((0, 0, 1, 3))))
        if not batch and not again:
            return
        try:
            self.world.stream.deliver([*again, *batch])
        except FAILURES:
            for record in reversed(batch):
                keys = record["dynamodb"]["Keys"]
                self.undelivered[keys["pk"]["S"], keys["sk"]["S"]].insert(0, record)
            raise
        self.delivered += batch

    def _work(self) -> None:
        """A message of the queue, perhaps for the first time, perhaps not the last."""
        if not self.messages:
            return
        message = self.messages.pop(self.random.randrange(len(self.messages)))
        try:
            self.world.worker.deliver(message)
        except FAILURES:
            self.messages.append(message)
            raise
        if self.random.random() < 0.15:
            self.messages.append(message)

    def _clock(self) -> None:
        """On by hours or a day, and what falls due; refused while something that was told isn't decided."""
        if self.random.random() < 0.8:
            self._deliver_all()
        hours = self.random.choice((6, 17, 24))
        to = max(self.world.now, self.world.program.moving_to or self.world.now) + timedelta(hours=hours)
        self._post("/v1/test/clock", {"now": to.isoformat()}, self.world.shop.operator)
        self.unanswered = [asked for asked in self.unanswered if asked.path != "/v1/test/clock"]
        self._listen()
        self._work()

    def _deliver_all(self) -> None:
        self._listen()
        while any(self.undelivered.values()):
            self._stream()

    # The end

    def come_to_rest(self) -> None:
        """Nothing goes wrong any more: everybody gets an answer, everything is delivered, and days pass."""
        self.log.append("come to rest")
        with faulty(self.mirror, CALM):
            self._everything()
            self.send(Asked("PATCH", "/v1/program", {"kill_switch": False}, self.world.shop.operator))
            self.world.clock_on(timedelta(days=6))
            self._everything()

    def _everything(self) -> None:
        for asked in list(self.unanswered):
            self.send(asked)
        self._listen()
        self.replay([record for records in self.undelivered.values() for record in records])
        self.undelivered.clear()
        self.world.worker.deliver(*self.messages)
        self.messages.clear()
        self.world.worker.run()
        if self.world.program.moving_to is not None:
            self.world.worker.deliver({"job": "tick"})
            self.world.worker.run()

    def replay(self, records: list[Record]) -> None:
        """Deliver these, by the hundred."""
        for first in range(0, len(records), 100):
            self.world.stream.deliver(records[first : first + 100])


WEIGHTS = {
    "order": 8,
    "refund": 6,
    "complete": 4,
    "cancel": 0.5,
    "attribute": 1,
    "again": 3,
    "stream": 5,
    "work": 3,
    "clock": 5,
    "withdraw": 6,
    "people": 4,
    "bank": 2,
    "notice": 1,
    "switch": 0.7,
}
"""How often each step comes."""
