"""Plays a journey to the platform: first the program and its cast, then stop after stop what happened until it."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import TypeVar

from infra.replay.cashier import Cashier
from infra.replay.client import Api, Refused
from infra.replay.clock import DECIDED_SECONDS, SHORT_PAUSE, Clock, wait_until
from infra.replay.journey import Distributor, Journey
from infra.replay.progress import Step, Teller
from infra.replay.stage import Stage
from infra.replay.stops import Click, Fact, Json, Order, Standing, Stop

Item = TypeVar("Item")
LANES = 4
BATCH = 50
"""Half of what is allowed: four batches at once on a busy laptop stay well below API Gateway's 29 seconds."""
SCOPES = {"operator": "olivia", "storefront": "shop", "auditor": "august"}


class Player:
    """Tells the platform a journey. ReplayError or Refused when the platform doesn't take it."""

    def __init__(self, platform: Api, program: Json, teller: Teller) -> None:
        self._platform = platform
        self._program = program
        self._teller = teller
        self.clock_seconds = 0.0

    def play(self, journey: Journey) -> Stage:
        """Everything, in the order of the mapping's clock. How long that moved is then in `clock_seconds`."""
        stage = self._set_the_stage(journey)
        shop, operator = (self._platform.holding(stage.keys[scope]) for scope in ("storefront", "operator"))
        clock = Clock(operator)
        cashier = Cashier(shop, operator, stage, journey.bank_hours)
        with self._teller.step("Payout methods", len(journey.methods)) as step:
            _at_once(cashier.add_method, journey.methods, step)
        scenes = _Scenes(shop, operator, stage, _lanes(journey.orders), cashier)
        for month, group in groupby(journey.stops, key=lambda stop: datetime.fromisoformat(stop.at).strftime("%B")):
            stops = list(group)
            name = f"{month}, {len(stops)} stop{'s' * (len(stops) > 1)}"
            with self._teller.step(name, sum(stop.told for stop in stops)) as step:
                for stop in stops:
                    clock.move_to(stop.at)
                    scenes.play(stop, step)
        with self._teller.step("The aftermath", 1) as step:
            clock.move_to(journey.aftermath.at)
            cashier.answer_for_the_bank(journey.aftermath.at)
            cashier.take_back(journey)
            clock.move_to(journey.ends)
            step.done()
        self.clock_seconds = clock.seconds
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


class _Scenes:
    """What is told while the clock stands."""

    def __init__(self, shop: Api, operator: Api, stage: Stage, lane_of: dict[str, int], cashier: Cashier) -> None:
        self._shop = shop
        self._operator = operator
        self._stage = stage
        self._lane_of = lane_of
        self._cashier = cashier

    def play(self, stop: Stop, step: Step) -> None:
        """In the order in which the stop has it."""
        for standing in _each(stop.standings, step):
            self._stand(standing)
        self._cashier.answer_for_the_bank(stop.at)
        _at_once(self._cashier.ask, stop.asks, step)
        _at_once(self._click, stop.clicks, step)
        self._tell(stop.early, step)
        self._order(stop.orders, step)
        self._tell([(order, fact) for order, fact in stop.late if fact.route == "complete"], step)
        back = [(order, fact) for order, fact in stop.late if fact.route != "complete"]
        # An order that is taken back before it was judged has that as its reason, and what comes back before a release
        # is decided comes out of what is pending: so these are judged first.
        self._wait_for_decisions([order for order, _ in back if order.told_at == stop.at])
        self._tell(back, step)
        # The clock won't move before every order is decided, and asking it is dearer than asking for an order.
        self._wait_for_decisions(self._last_of_each_lane(stop.orders))

    def _stand(self, standing: Standing) -> None:
        path = f"/v1/distributors/{self._stage.id_of(standing.user_id)}/{standing.route}"
        self._operator.post(path, standing.body)

    def _click(self, click: Click) -> None:
        code = self._stage.distributors[click.owner]["code"]
        self._shop.post("/v1/clicks", {"code": code, "visitor_id": click.visitor_id, "at": click.at})

    def _order(self, orders: Sequence[Order], step: Step) -> None:
        """In lanes at once; a customer's orders stay in one lane, in the order of payment, as bindings need it."""
        lanes: list[list[Json]] = [[] for _ in range(LANES)]
        for order in orders:
            lanes[self._lane_of[order.body["customer_id"]]].append(_with_code(order, self._stage))
        with ThreadPoolExecutor(LANES) as threads:
            for answers in threads.map(lambda lane: _send_lane(self._shop, lane, step), lanes):
                self._stage.answers.update(answers)

    def _tell(self, facts: Sequence[tuple[Order, Fact]], step: Step) -> None:
        """Facts of one order stay together and in their order."""
        by_order: dict[str, list[Fact]] = {}
        for order, fact in facts:
            by_order.setdefault(order.order_id, []).append(fact)

        def tell(told: tuple[str, list[Fact]]) -> None:
            order_id, mine = told
            for fact in mine:
                self._shop.post(f"/v1/orders/{order_id}/{fact.route}", fact.body)

        _at_once(tell, list(by_order.items()), step, count=lambda told: len(told[1]))

    def _last_of_each_lane(self, orders: Sequence[Order]) -> list[Order]:
        return list({self._lane_of[order.body["customer_id"]]: order for order in orders}.values())

    def _wait_for_decisions(self, orders: list[Order]) -> None:
        def decided(order: Order) -> bool:
            return bool(self._shop.get(f"/v1/orders/{order.order_id}/explanation")["decided"])

        # The last first: when it is decided the others are too, or soon.
        for order in reversed(orders):
            what = f"order {order.order_id} to be decided"
            wait_until(partial(decided, order), DECIDED_SECONDS, what, SHORT_PAUSE)


def _at_once(
    work: Callable[[Item], None], items: Sequence[Item], step: Step, count: Callable[[Item], int] = lambda _: 1
) -> None:
    """A few at a time. The first that fails ends it: what hasn't begun then is not begun."""

    def done(item: Item) -> None:
        work(item)
        step.done(count(item))

    with ThreadPoolExecutor(LANES) as threads:
        list(threads.map(done, items))


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
