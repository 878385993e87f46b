"""The deployed API over HTTP, and a shop of its own for each test to drive it with."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import urllib3

from infra.local_cloud import Judgement, LocalStage
from infra.policies import POLICIES
from infra.stage import Stage
from tests.support import Answer, Api
from tests.support import Shop as Keys

NOW = "2026-03-04T10:00:00+08:00"
"""Where a test program's clock stands at first."""

PATIENCE_SECONDS = 60.0
"""How long an answer, or the stream, may take; they mostly take milliseconds."""

HEARD_MAX = 20
"""How many answers of one kind are kept, to be held against the API's description."""

_numbers = count(1)


class Http(Api):
    """The deployed app: what `tests.support.Api` is in process, over kept connections. Safe for several threads."""

    def __init__(self, url: str, connections: int = 20) -> None:
        self._url = url
        patience = urllib3.Timeout(connect=5, read=PATIENCE_SECONDS)
        self._pool = urllib3.PoolManager(maxsize=connections, retries=False, timeout=patience)
        self.heard: defaultdict[tuple[str, str, int], list[Answer]] = defaultdict(list)
        """Some answers by method, path without its query, and status."""

    def send(self, method: str, path: str, body: Any, key: str | None, **headers: str) -> Answer:
        """See `tests.support.Api.send`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent.setdefault("content-type", "application/json")
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        said = self._pool.request(method, self._url + path, headers=sent, body=raw)
        # What isn't UTF-8 keeps its bytes: `file_of` gives them back.
        answer = Answer(said.status, said.headers, said.data.decode(errors="surrogateescape"))
        alike = self.heard[method, path.partition("?")[0], answer.status]
        if len(alike) < HEARD_MAX:
            alike.append(answer)
        return answer


@dataclass(frozen=True)
class Cloud:
    """The platform, deployed once for all journeys."""

    stage: LocalStage
    api: Http

    @property
    def url(self) -> str:
        """Where the API is."""
        return self.stage.url

    @property
    def platform_key(self) -> str:
        """The secret of a platform key."""
        return self.stage.platform_key

    def judged(self) -> set[Judgement]:
        """What the functions asked of AWS so far."""
        stage = Stage(self.stage.stage, self.stage.endpoint)
        functions = {stage.function(handler) for handler in POLICIES}
        return {one for one in self.stage.judgements() if one.function in functions}

    def refused(self) -> set[Judgement]:
        """What of it their policies don't allow."""
        return {one for one in self.judged() if one.decision != "Allow"}


def until(
    what: Callable[[], Any], wanted: Callable[[Any], bool], seconds: float = PATIENCE_SECONDS, every: float = 0.02
) -> Any:
    """Ask until the answer is the wanted one, `every` so many seconds."""
    deadline = time.monotonic() + seconds
    while not wanted(found := what()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still {found}"
        time.sleep(every)
    return found


class Shop:
    """A program nobody else uses, with a key of each scope. `api`, `keys` and paths are there for what has no verb."""

    def __init__(self, cloud: Cloud, plan: dict[str, Any] | None, **program: Any) -> None:
        self.cloud, self.api = cloud, cloud.api
        self.program_id = f"shop-{next(_numbers)}"
        about = {"name": "A shop", "currency": "CNY", "country": "US", "mode": "test", "now": NOW}
        self._made("/v1/programs", {"program_id": self.program_id} | about | program)
        wanted = (("wang", "operator"), ("zhao", "operator"), ("store", "storefront"), ("an", "auditor"))
        self.keys = Keys(self.program_id, *(self._key(actor, scope) for actor, scope in wanted))
        if plan is not None:
            self.publish(plan, "2026-03-01T00:00:00+08:00")

    def _made(self, path: str, body: Any) -> Any:
        return done(self.api.post(path, body, key=self.cloud.platform_key), 201)

    def _key(self, actor: str, scope: str) -> str:
        made = self._made("/v1/keys", {"actor": actor, "scope": scope, "program_id": self.program_id})
        return str(made["secret"])

    def get(self, path: str) -> Any:
        """What an auditor sees, or what an operator does where auditors may not look."""
        return done(self.api.get(path, key=self.keys.auditor))

    def all(self, path: str, limit: int = 100) -> Iterator[Any]:
        """Every item of a list."""
        page: dict[str, Any] = {"next_cursor": ""}
        while page["next_cursor"] is not None:
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit={limit}{cursor}")
            yield from page["data"]

    def publish(self, plan: dict[str, Any], effective_at: str) -> int:
        """Publish a plan; its version."""
        body = {"plan": plan, "effective_at": effective_at}
        return int(done(self.api.post("/v1/program/plans", body, key=self.keys.operator), 201)["version"])

    def product(self, sku: str, **rule: Any) -> None:
        """Give a sku a rule, from now on."""
        done(self.api.put(f"/v1/products/{sku}", {"mode": "replace"} | rule, key=self.keys.operator), 201)

    def coupon(self, code: str, distributor_id: str) -> None:
        """Make a coupon somebody's."""
        body = {"distributor_id": distributor_id}
        done(self.api.put(f"/v1/coupons/{code}", body, key=self.keys.operator), 201)

    def distributor(self, user_id: str, sponsor: dict[str, Any] | None = None, **told: Any) -> dict[str, Any]:
        """Have somebody apply, below a sponsor or not."""
        code = {"sponsor_code": sponsor["code"]} if sponsor else {}
        body = {"user_id": user_id, "name": user_id} | code | told
        return dict(done(self.api.post("/v1/distributors", body, key=self.keys.storefront), 201))

    def chain(self) -> list[dict[str, Any]]:
        """A seller, its sponsor, and the sponsor's."""
        top = self.distributor("top")
        middle = self.distributor("middle", top)
        return [self.distributor("seller", middle), middle, top]

    def stands(self, distributor: dict[str, Any], action: str) -> None:
        """Approve, suspend, reinstate, close."""
        path = f"/v1/distributors/{distributor['distributor_id']}/{action}"
        done(self.api.post(path, {"reason": "so decided"}, key=self.keys.operator))

    def order(self, order_id: str, *lines: Any, **told: Any) -> dict[str, Any]:
        """Tell a new order; see `order`."""
        return dict(done(self.tell(order(order_id, *lines, **told)), 201))

    def tell(self, body: dict[str, Any]) -> Answer:
        """Tell an order."""
        return self.api.post("/v1/orders", body, key=self.keys.storefront)

    def sells(self, order_id: str, paid_minor: int, at: str, seller: dict[str, Any]) -> dict[str, Any]:
        """Tell an order of one line, placed and paid at a time, by somebody's code."""
        return self.order(order_id, paid_minor, code=seller["code"], placed_at=at, paid_at=at)

    def refund(
        self, order_id: str, refund_id: str, *lines: tuple[str, int, int], status: int = 201, at: str = NOW
    ) -> Any:
        """Tell a refund; lines are (line id, amount, quantity)."""
        told = [{"line_id": line, "amount_minor": amount, "quantity": quantity} for line, amount, quantity in lines]
        body = {"refund_id": refund_id, "refunded_at": at, "lines": told}
        return done(self.api.post(f"/v1/orders/{order_id}/refunds", body, key=self.keys.storefront), status)

    def complete(self, order_id: str, at: str = NOW) -> Any:
        """Tell that an order is completed."""
        return done(self.api.post(f"/v1/orders/{order_id}/complete", {"completed_at": at}, key=self.keys.storefront))

    def cancel(self, order_id: str, at: str = NOW) -> Any:
        """Tell that an order is cancelled."""
        return done(self.api.post(f"/v1/orders/{order_id}/cancel", {"cancelled_at": at}, key=self.keys.storefront))

    def attribute(self, order_id: str, distributor: dict[str, Any] | None) -> Answer:
        """Say by hand whose an order is."""
        body = {"distributor_id": distributor and distributor["distributor_id"], "reason": "the customer called"}
        return self.api.post(f"/v1/orders/{order_id}/attribution", body, key=self.keys.operator)

    def refer(self, customer_id: str, distributor: dict[str, Any], at: str = NOW) -> dict[str, Any]:
        """Tell by whom a customer came."""
        body = {"customer_id": customer_id, "code": distributor["code"], "source": "link", "at": at}
        answer = self.api.post("/v1/referrals", body, key=self.keys.storefront)
        assert answer.status in (200, 201), answer.text
        return dict(answer.json)

    def click(self, visitor_id: str, distributor: dict[str, Any], at: str = NOW) -> Any:
        """Tell that a visitor followed a link."""
        body = {"code": distributor["code"], "visitor_id": visitor_id, "at": at}
        return done(self.api.post("/v1/clicks", body, key=self.keys.storefront), 201)

    def move_clock(self, to: str) -> None:
        """Put the program's clock forward once all orders are decided, and wait until what became due has run."""
        done(until(partial(self.set_out, to), lambda said: said.status != 409 or said.code != "orders_undecided"), 202)
        until(self.clock, lambda it: it["moving_to"] is None)

    def set_out(self, to: str) -> Answer:
        """Ask for the program's clock to be put forward."""
        return self.api.post("/v1/test/clock", {"now": to}, key=self.keys.operator)

    def clock(self) -> dict[str, str | None]:
        """Where the program's clock stands, and where it is moving to."""
        return dict(done(self.api.get("/v1/test/clock", key=self.keys.operator)))

    def give(self, distributor: dict[str, Any], rank: int) -> None:
        """Give somebody a rank by hand."""
        path = f"/v1/distributors/{distributor['distributor_id']}/level"
        done(self.api.post(path, {"rank": rank, "reason": "so decided"}, key=self.keys.operator))

    def progress(self, distributor: dict[str, Any]) -> dict[str, Any]:
        """Where somebody stands."""
        return dict(self.get(f"/v1/distributors/{distributor['distributor_id']}/progress"))

    def changes(self, distributor: dict[str, Any]) -> list[tuple[str, int, int, str]]:
        """Somebody's changes of rank, oldest first: day, from, to, cause."""
        mine = [row for row in self.all("/v1/levels/changes") if row["distributor_id"] == distributor["distributor_id"]]
        return [(row["day"], row["from_rank"], row["to_rank"], row["cause"]) for row in mine][::-1]

    def level_of(self, order_id: str) -> tuple[int, int, int]:
        """The seller's rank, rate and commission that an order is judged with, once it is decided."""
        seller, *_ = self.explained(order_id)["tiers"]
        return seller["level"], seller["lines"][0]["rate_bp"], seller["target_minor"]

    def explained(self, order_id: str) -> dict[str, Any]:
        """An order's explanation, once the stream has decided it."""
        found = until(lambda: self.get(f"/v1/orders/{order_id}/explanation"), lambda it: it["decided"])
        return dict(found)

    def targets(self, order_id: str) -> list[int]:
        """What each tier of an order gets, once it is decided."""
        return [tier["target_minor"] for tier in self.explained(order_id)["tiers"]]

    def statement(self, distributor: dict[str, Any]) -> list[tuple[str, str, str, int]]:
        """Kind, accounts and amount of a distributor's entries, oldest first."""
        lines = self.all(f"/v1/distributors/{distributor['distributor_id']}/statement")
        told = [(e["kind"], e["debit_account"], e["credit_account"], e["amount_minor"]) for e in lines]
        return told[::-1]


def order(order_id: str, *lines: Any, code: str | None = None, **told: Any) -> dict[str, Any]:
    """An order of `NOW`. A line is what was paid for it, (sku, paid) or (sku, paid, quantity); ids count from 1."""
    return {
        "order_id": order_id,
        "customer_id": f"c-{order_id}",
        "currency": "CNY",
        "placed_at": NOW,
        "paid_at": NOW,
        "lines": [line(str(i), *_parts(it)) for i, it in enumerate(lines, start=1)],
        "referral_code": code,
    } | told


def line(line_id: str, sku: str, paid_minor: int, quantity: int = 1) -> dict[str, Any]:
    """A line of an order."""
    return {"line_id": line_id, "sku": sku, "quantity": quantity, "paid_minor": paid_minor}


def _parts(told: Any) -> tuple[Any, ...]:
    return told if isinstance(told, tuple) else ("any", told)


def done(answer: Answer, status: int = 200) -> Any:
    """The body of an answer that must have this status."""
    assert answer.status == status, f"{answer.status}: {answer.text}"
    return answer.json


def file_of(answer: Answer) -> bytes:
    """The bytes of an answer that must be a success."""
    assert answer.status == 200, answer.text
    return answer.text.encode(errors="surrogateescape")


def pick(distributor: dict[str, Any]) -> str:
    """A distributor's id."""
    return str(distributor["distributor_id"])
