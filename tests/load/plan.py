"""What is told, and how often: everything that is chosen is chosen by the seed alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from tests.journeys.client import NOW, order

RATES_BP: Final = (800, 200, 100)
"""Of the seller, of who brought the seller, and of who brought that one."""
SELLERS: Final = 30
STAR: Final = 2
"""Sells every second order. Two are above it, whose accounts half of all orders write to, too."""
AGAIN: Final = 0.1
"""The share of requests that are sent twice: half of these twice at once, half again at some other time."""
FATES: Final = {"paid": 35, "completed": 40, "back in part": 15, "back wholly": 5, "cancelled": 5}
KILLED: Final = {"api_handler": 6, "decide_orders": 4}
"""Whose workers are killed while orders come in, and how often of ten."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Order:
    """An order as it stands when all is told; amounts in minor units, by line."""

    order_id: str
    seller: int
    paid: tuple[int, ...]
    back: tuple[int, ...]
    completed: bool
    cancelled: bool


@dataclass(frozen=True)
class Request:
    """Something to be told; `copies` of it at once."""

    path: str
    body: Json
    copies: int = 1


@dataclass(frozen=True)
class Kill:
    """A worker to be killed once so many requests are answered: of which function, and which of its workers."""

    after: int
    function: str
    which: int


class Plan:
    """Orders, requests in the order in which they are sent, kills; sellers are numbers."""

    def __init__(self, seed: int, orders: int, kills: int) -> None:
        self._random = Random(seed)
        self.sponsors = [self._sponsor(seller) for seller in range(SELLERS)]
        self.orders = [self._order(number) for number in range(orders)]
        self._refunds = {each.order_id: self._refunds_of(each) for each in self.orders}
        self._again = Random(self._random.random())
        self.kills = sorted(self._kills(orders, kills), key=lambda kill: kill.after)

    def requests(self, codes: list[str]) -> list[Request]:
        """Everything that is told, given the sellers' codes. Nothing waits for its order: facts may come before it."""
        told = [request for each in self.orders for request in self._told(each, codes[each.seller])]
        again = [request for request in told if self._again.random() < AGAIN]
        twice = {id(request) for request in again if self._again.random() < 0.5}
        told = [replace(request, copies=2) if id(request) in twice else request for request in told]
        told += [request for request in again if id(request) not in twice]
        self._again.shuffle(told)
        return told

    def _sponsor(self, seller: int) -> int | None:
        if seller <= STAR:
            return seller - 1 if seller else None
        return self._random.choice([None, *range(seller), *range(seller)])

    def _order(self, number: int) -> Order:
        others = [seller for seller in range(SELLERS) if seller != STAR]
        seller = self._random.choice(others) if number % 2 else STAR
        paid = tuple(self._random.randint(1, 50_000) for _ in range(self._random.randint(1, 4)))
        (fate,) = self._random.choices(list(FATES), list(FATES.values()))
        back = {
            "back in part": tuple(self._random.choice([0, self._random.randint(1, amount)]) for amount in paid),
            "back wholly": paid,
        }.get(fate, (0,) * len(paid))
        completed = fate == "completed" or (fate.startswith("back") and self._random.random() < 0.5)
        return Order(f"o-{number}", seller, paid, back, completed, fate == "cancelled")

    def _refunds_of(self, order: Order) -> list[list[tuple[str, int]]]:
        """Lines and amounts of each refund: what came back came back at once, or in two parts."""
        first = [self._random.choice([amount, self._random.randint(0, amount)]) for amount in order.back]
        second = [amount - part for amount, part in zip(order.back, first, strict=True)]
        parts = ([(str(n), part) for n, part in enumerate(each, start=1) if part] for each in (first, second))
        return [part for part in parts if part]

    def _told(self, order_: Order, code: str) -> Iterator[Request]:
        path = f"/v1/orders/{order_.order_id}"
        yield Request("/v1/orders", order(order_.order_id, *order_.paid, code=code))
        if order_.completed:
            yield Request(f"{path}/complete", {"completed_at": NOW})
        if order_.cancelled:
            yield Request(f"{path}/cancel", {"cancelled_at": NOW})
        for n, lines in enumerate(self._refunds[order_.order_id], start=1):
            back = [{"line_id": line_id, "amount_minor": amount, "quantity": 0} for line_id, amount in lines]
            yield Request(f"{path}/refunds", {"refund_id": f"r-{n}", "refunded_at": NOW, "lines": back})

    def _kills(self, orders: int, kills: int) -> Iterator[Kill]:
        for _ in range(kills):
            (function,) = self._random.choices(list(KILLED), list(KILLED.values()))
            yield Kill(self._random.randrange(3 * orders // 2), function, self._random.randrange(1_000))
