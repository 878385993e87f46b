"""Plays a journey to the platform: first the program and its cast, then the clock, then the orders and what follows."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from infra.replay.client import Api, Refused, ReplayError
from infra.replay.journey import Distributor, Fact, Journey, Json, Order
from infra.replay.progress import Step, Teller

Item = TypeVar("Item")
LANES = 4
BATCH = 50
"""Half of what is allowed: four batches at once on a busy laptop stay well below API Gateway's 29 seconds."""
CLOCK_SECONDS = 300
DECIDED_SECONDS = 600
POLL_SECONDS = 0.5
SCOPES = {"operator": "olivia", "storefront": "shop", "auditor": "august"}


@dataclass(frozen=True)
class Stage:
    """The program that was made: its keys by scope, its distributors by user id, what was answered to orders by id."""

    program_id: str
    keys: dict[str, str]
    distributors: dict[str, Json]
    answers: dict[str, Json] = field(default_factory=dict)


class Player:
    """Tells the platform a journey. ReplayError or Refused when the platform doesn't take it."""

    def __init__(self, platform: Api, program: Json, teller: Teller) -> None:
        self._platform = platform
        self._program = program
        self._teller = teller

    def play(self, journey: Journey) -> Stage:
        """Everything, in the order of the mapping's clock."""
        stage = self._set_the_stage(journey)
        shop, operator = (self._platform.holding(stage.keys[scope]) for scope in ("storefront", "operator"))
        self._move_clock(operator, journey, stage)
        self._click(shop, journey, stage)
        early = [(order, fact) for order in journey.orders for fact in order.facts if fact.early]
        self._tell("Facts before their orders", shop, early)
        self._order(shop, journey, stage)
        late = [(order, fact) for order in journey.orders for fact in order.facts if not fact.early]
        self._tell("Completions", shop, [each for each in late if each[1].route == "complete"])
        self._wait_for_first_decisions(shop, [order for order in journey.orders if order.taken_back])
        self._tell("Cancellations and refunds", shop, [each for each in late if each[1].route != "complete"])
        return stage

    # The stage

    def _set_the_stage(self, journey: Journey) -> Stage:
        told = (journey.plans, journey.distributors, journey.products, journey.coupons, journey.bindings)
        with self._teller.step("Program, distributors, rules", sum(map(len, told))) as step:
            program_id = self._make_program(journey.starts)
            keys = {scope: self._make_key(program_id, scope) for scope in SCOPES}
            operator, shop = self._platform.holding(keys["operator"]), self._platform.holding(keys["storefront"])
            for plan in _each(journey.plans, step):
                operator.post("/v1/program/plans", plan)
            distributors: dict[str, Json] = {}
            for each in _each(journey.distributors, step):
                distributors[each.user_id] = self._enlist(shop, operator, each, distributors)
            for sku, rule in _each(journey.products, step):
                operator.put(f"/v1/products/{sku}", rule)
            for code, owner in _each(journey.coupons.items(), step):
                operator.put(f"/v1/coupons/{code}", {"distributor_id": distributors[owner]["distributor_id"]})
            for customer, owner, at in _each(journey.bindings, step):
                whose = distributors[owner]["distributor_id"]
                body = {"customer_id": customer, "distributor_id": whose, "source": "link", "at": at}
                shop.post("/v1/referrals", body)
        return Stage(program_id, keys, distributors)

    def _make_program(self, starts: str) -> str:
        """The first `journey-<year>-<n>` that is free; an equal one answers like a new one, so it counts as taken."""
        wanted = {key: self._program[key] for key in ("name", "currency", "timezone", "country", "mode")}
        taken = {each["program_id"] for each in self._platform.all("/v1/programs")}
        number = 1
        while (program_id := f"journey-{starts[:4]}-{number}") in taken:
            number += 1
        self._platform.post("/v1/programs", {"program_id": program_id, **wanted, "now": starts})
        return program_id

    def _make_key(self, program_id: str, scope: str) -> str:
        body = {"actor": SCOPES[scope], "scope": scope, "program_id": program_id}
        return str(self._platform.post("/v1/keys", body)["secret"])

    def _enlist(self, shop: Api, operator: Api, each: Distributor, made: dict[str, Json]) -> Json:
        body: Json = {"user_id": each.user_id, "name": each.name, "track": each.track}
        if each.sponsor:
            body["sponsor_code"] = made[each.sponsor]["code"]
        answer: Json = shop.post("/v1/distributors", body)
        if answer["status"] == "pending" and not each.pending:
            path = f"/v1/distributors/{answer['distributor_id']}/approve"
            answer = operator.post(path, {"reason": "known to the shop"})
        return answer

    # Time

    def _move_clock(self, operator: Api, journey: Journey, stage: Stage) -> None:
        stops = {each.suspended_at for each in journey.distributors if each.suspended_at} | {journey.ends}
        with self._teller.step("The year goes by, in stops", len(stops)) as step:
            for now in _each(sorted(stops), step):
                self._clock_to(operator, now)
                for each in journey.distributors:
                    if each.suspended_at == now:
                        path = f"/v1/distributors/{stage.distributors[each.user_id]['distributor_id']}/suspend"
                        operator.post(path, {"reason": "sold outside the agreed shops"})

    def _clock_to(self, operator: Api, now: str) -> None:
        operator.post("/v1/test/clock", {"now": now})
        wait_until(
            lambda: operator.get("/v1/test/clock")["moving_to"] is None, CLOCK_SECONDS, f"the clock to reach {now}"
        )

    # The orders

    def _click(self, shop: Api, journey: Journey, stage: Stage) -> None:
        with self._teller.step("Clicks", len(journey.clicks)) as step:
            for visitor, owner, at in _each(journey.clicks, step):
                code = stage.distributors[owner]["code"]
                shop.post("/v1/clicks", {"code": code, "visitor_id": visitor, "at": at})

    def _order(self, shop: Api, journey: Journey, stage: Stage) -> None:
        """In lanes at once; a customer's orders stay in one lane, in the order of payment, as bindings need it."""
        lane_of = _lanes(journey.orders)
        lanes: list[list[Json]] = [[] for _ in range(LANES)]
        for order in journey.orders:
            lanes[lane_of[order.body["customer_id"]]].append(_with_code(order, stage))
        with self._teller.step("Orders", len(journey.orders)) as step, ThreadPoolExecutor(LANES) as threads:
            for answers in threads.map(lambda lane: _send_lane(shop, lane, step), lanes):
                stage.answers.update(answers)

    def _tell(self, name: str, shop: Api, facts: Sequence[tuple[Order, Fact]]) -> None:
        """Facts of one order stay together and in their order."""
        by_order: dict[str, list[Fact]] = {}
        for order, fact in facts:
            by_order.setdefault(order.order_id, []).append(fact)

        def tell(order_id: str) -> None:
            for fact in _each(by_order[order_id], step):
                shop.post(f"/v1/orders/{order_id}/{fact.route}", fact.body)

        with self._teller.step(name, len(facts)) as step, ThreadPoolExecutor(LANES) as threads:
            list(threads.map(tell, by_order))

    def _wait_for_first_decisions(self, shop: Api, orders: list[Order]) -> None:
        """An order that is taken back before it was judged has that as its reason, so these are judged first."""

        def decided(order: Order) -> bool:
            return bool(shop.get(f"/v1/orders/{order.order_id}/explanation")["decided"])

        with self._teller.step("First decisions", len(orders)) as step:
            # The last first: when it is decided the others are too, or soon.
            for order in _each(reversed(orders), step):
                wait_until(partial(decided, order), DECIDED_SECONDS, f"order {order.order_id} to be decided")


def _each(items: Iterable[Item], step: Step) -> Iterable[Item]:
    for item in items:
        yield item
        step.done()


def _with_code(order: Order, stage: Stage) -> Json:
    if order.code_of is None:
        return order.body
    return {**order.body, "referral_code": stage.distributors[order.code_of]["code"]}


def _lanes(orders: Iterable[Order]) -> dict[str, int]:
    """Each customer's lane: whoever buys most first, always into the shortest."""
    lengths = [0] * LANES
    lane_of = {}
    for buyer, count in Counter(order.body["customer_id"] for order in orders).most_common():
        lane_of[buyer] = lengths.index(min(lengths))
        lengths[lane_of[buyer]] += count
    return lane_of


def _send_lane(shop: Api, lane: list[Json], step: Step) -> dict[str, Json]:
    answered: dict[str, Json] = {}
    for start in range(0, len(lane), BATCH):
        batch = lane[start : start + BATCH]
        answers = shop.post("/v1/orders/batch", {"orders": batch})["data"]
        for order, answer in zip(batch, answers, strict=True):
            if answer["status"] not in (200, 201):
                raise Refused("POST", f"/v1/orders/batch, {order['order_id']}", answer["status"], answer["problem"])
            answered[order["order_id"]] = answer["order"]
        step.done(len(batch))
    return answered


def wait_until(true: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise ReplayError(f"waited {seconds:.0f} s for {what}")
        time.sleep(POLL_SECONDS)
