"""One distributor on `rocket-snail-7` whose sales are told over HTTP, under a clock that a worker moves."""

from datetime import datetime
from typing import Any

from chalicelib.access.model import Caller, Scope
from chalicelib.commissions import service as commissions
from chalicelib.operations import jobs
from chalicelib.programs import service as programs
from chalicelib.programs.document import presets
from tests.support import Api, Shop
from tests.support_clock import Worker


def rocket_snail(**track: Any) -> dict[str, Any]:
    """The preset as JSON, its track with another entry, measure, demotion and so on."""
    plan = presets()["rocket-snail-7"].model_dump(mode="json")
    plan["tracks"]["default"] |= track
    return plan


def local(time: str) -> str:
    """`03-04 10:00` of 2026 in Shanghai, as requests tell it."""
    return f"2026-{time.replace(' ', 'T')}:00+08:00"


class Seller:
    """Sells with its code; orders are decided as they are told, unless told otherwise."""

    def __init__(
        self, api: Api, shop: Shop, worker: Worker, track: str = "default", name: str = "mei", **told: Any
    ) -> None:
        self.api, self.shop, self.worker = api, shop, worker
        body = {"user_id": name, "name": name, "track": track} | told
        self.who = self._done(api.post("/v1/distributors", body, shop.storefront), 201)
        self.id = str(self.who["distributor_id"])

    @staticmethod
    def _done(answer: Any, status: int = 200) -> Any:
        assert answer.status == status, answer.text
        return answer.json

    def sells(self, order_id: str, paid_minor: int, paid_at: str, *, decided: bool = True, **told: Any) -> Any:
        """Tell an order of one line."""
        body = {
            "order_id": order_id,
            "customer_id": f"c-{order_id}",
            "currency": "CNY",
            "paid_at": paid_at,
            "lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": paid_minor}],
            "referral_code": self.who["code"],
        } | told
        answer = self._done(self.api.post("/v1/orders", body, self.shop.storefront), 201)
        if decided:
            self.decide(order_id)
        return answer

    def refund(self, order_id: str, refund_id: str, amount_minor: int, at: str, *, decided: bool = True) -> None:
        """Tell a refund of the order's line."""
        line = {"line_id": "1", "quantity": 0, "amount_minor": amount_minor}
        body = {"refund_id": refund_id, "refunded_at": at, "lines": [line]}
        self._done(self.api.post(f"/v1/orders/{order_id}/refunds", body, self.shop.storefront), 201)
        if decided:
            self.decide(order_id)

    def decide(self, order_id: str) -> None:
        """As the stream does."""
        commissions.decide(self.shop.program_id, order_id)

    def clock(self, to: str) -> None:
        """Move the clock, and run what falls due on the way."""
        self._done(self.api.post("/v1/test/clock", {"now": to}, self.shop.operator), 202)
        self.worker.run()
        assert self.get("/v1/test/clock")["moving_to"] is None

    def wait(self, to: str | datetime) -> None:
        """Move the clock without asking first whether every order is decided, which takes a second: they are."""
        caller = Caller("wang", Scope.OPERATOR, self.shop.program_id)
        instant = datetime.fromisoformat(to) if isinstance(to, str) else to
        programs.set_out(caller, programs.get(self.shop.program_id), instant)
        jobs.set_going(self.shop.program_id)
        self.worker.run()

    def post(self, path: str, body: Any, status: int = 200, key: str | None = None, **headers: str) -> Any:
        """As the operator, unless another key is given."""
        return self._done(self.api.post(path, body, key or self.shop.operator, **headers), status)

    def give(self, rank: int, reason: str = "why") -> None:
        """A rank by hand, from the next midnight on."""
        self.post(f"/v1/distributors/{self.id}/level", {"rank": rank, "reason": reason})

    def get(self, path: str, key: str | None = None) -> Any:
        return self._done(self.api.get(path, key or self.shop.operator))

    @property
    def records(self) -> list[dict[str, Any]]:
        """What was decided about the seller, oldest first."""
        return list(self.get(f"/v1/distributors/{self.id}/levels?limit=100")["data"])[::-1]

    @property
    def progress(self) -> dict[str, Any]:
        return dict(self.get(f"/v1/distributors/{self.id}/progress"))

    def level_of(self, order_id: str) -> tuple[int, int, int]:
        """Rank, rate and commission that an order is judged with."""
        (tier, *_) = self.get(f"/v1/orders/{order_id}/explanation")["tiers"]
        return tier["level"], tier["lines"][0]["rate_bp"], tier["target_minor"]

    def changes(self) -> list[tuple[str, int, int, str]]:
        """The seller's changes, oldest first: day, from, to, cause."""
        rows = self.get("/v1/levels/changes")["data"]
        mine = [row for row in rows if row["distributor_id"] == self.id]
        return [(row["day"], row["from_rank"], row["to_rank"], row["cause"]) for row in mine][::-1]
