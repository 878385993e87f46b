"""A shop with three distributors in a chain, whose orders are told over HTTP and decided at once when asked."""

import copy
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from chalicelib.commissions import service as commissions
from chalicelib.commissions.model import Decision
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Entry
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from tests.support import Answer, Api, Shop
from tests.support_clock import jump
from tests.support_engine import Held
from tests.support_state import held, new_since, put_in

START = datetime.fromisoformat("2026-03-04T10:00:00+08:00")
"""Where the clock of a test shop first stands."""


def at(days: float = 0, minutes: float = 0) -> str:
    """An instant, counted from `START`, as requests tell it."""
    return (START + timedelta(days=days, minutes=minutes)).isoformat()


class Kept:
    """Markets made before: what making one has written is put into the tables again, which is twenty times faster."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Market, Held]] = {}

    def get(self, name: str, make: Callable[[], "Market"]) -> "Market":
        """The market of this name, in this test's tables."""
        if name not in self._made:
            before = held()
            market = make()
            self._made[name] = (market, new_since(before))
        market, written = self._made[name]
        put_in(written)
        return market.again()


class Market:
    """`seller` was brought by `middle`, `middle` by `top`; orders carry the seller's code unless they say otherwise."""

    def __init__(self, api: Api, shop: Shop) -> None:
        self.api, self.shop = api, shop
        self.who: dict[str, dict[str, Any]] = {}
        for name, sponsor in (("top", None), ("middle", "top"), ("seller", "middle")):
            self.join(name, sponsor)

    def again(self) -> "Market":
        """The same market, for a test to add to."""
        copied = copy.copy(self)
        copied.who = dict(self.who)
        return copied

    def join(self, name: str, sponsor: str | None = None) -> str:
        """A new distributor's id."""
        body = {"user_id": f"u-{name}", "name": name, "sponsor_code": self.code(sponsor) if sponsor else None}
        answer = self.api.post("/v1/distributors", body, key=self.shop.storefront)
        assert answer.status == 201, answer.text
        self.who[name] = answer.json
        return self.id(name)

    def id(self, name: str) -> str:
        return str(self.who[name]["distributor_id"])

    def code(self, name: str) -> str:
        return str(self.who[name]["code"])

    def name(self, distributor_id: str) -> str:
        return next(name for name, one in self.who.items() if one["distributor_id"] == distributor_id)

    def session(self, name: str) -> str:
        """A distributor's token."""
        answer = self.api.post(f"/v1/distributors/{self.id(name)}/sessions", {}, key=self.shop.storefront)
        return str(answer.json["token"])

    @property
    def program(self) -> Program:
        return programs.get(self.shop.program_id)

    def move_to(self, days: float = 0, minutes: float = 0) -> None:
        """Move the program's clock, counted from `START`."""
        jump(self.shop.program_id, START + timedelta(days=days, minutes=minutes))

    def rule(self, sku: str, **says: Any) -> None:
        answer = self.api.put(f"/v1/products/{sku}", {"mode": "replace"} | says, key=self.shop.operator)
        assert answer.status in (200, 201), answer.text

    def body(self, order_id: str, *lines: tuple[Any, ...], **says: Any) -> dict[str, Any]:
        """An order paid at `START`. Lines: (sku, paid[, quantity]); one of 10000 unless given."""
        told = [
            {"line_id": str(i), "sku": sku, "paid_minor": paid, "quantity": quantity[0] if quantity else 1}
            for i, (sku, paid, *quantity) in enumerate(lines or [("x", 10_000)], start=1)
        ]
        return {
            "order_id": order_id,
            "customer_id": f"c-{order_id}",
            "currency": "CNY",
            "paid_at": at(),
            "lines": told,
            "referral_code": self.code("seller"),
        } | says

    def tell(self, order_id: str, *lines: tuple[Any, ...], expect: int | None = 201, **says: Any) -> Answer:
        return self.post("/v1/orders", self.body(order_id, *lines, **says), expect)

    def refund(
        self, order_id: str, refund_id: str, *lines: tuple[Any, ...], expect: int | None = 201, **says: Any
    ) -> Answer:
        """Lines: (line id, amount[, units])."""
        back = [
            {"line_id": line_id, "amount_minor": amount, "quantity": units[0] if units else 0}
            for line_id, amount, *units in lines
        ]
        body = {"refund_id": refund_id, "refunded_at": at(), "lines": back} | says
        return self.post(f"/v1/orders/{order_id}/refunds", body, expect)

    def complete(self, order_id: str, completed_at: str | None = None, expect: int | None = 200) -> Answer:
        return self.post(f"/v1/orders/{order_id}/complete", {"completed_at": completed_at or at()}, expect)

    def cancel(self, order_id: str, cancelled_at: str | None = None, expect: int | None = 200) -> Answer:
        return self.post(f"/v1/orders/{order_id}/cancel", {"cancelled_at": cancelled_at or at()}, expect)

    def attribute(self, order_id: str, name: str | None, reason: str = "mistake", expect: int | None = 200) -> Answer:
        body = {"distributor_id": name and self.id(name), "reason": reason}
        return self.post(f"/v1/orders/{order_id}/attribution", body, expect, self.shop.operator)

    def post(self, path: str, body: Any, expect: int | None = None, key: str | None = None) -> Answer:
        answer = self.api.post(path, body, key=key or self.shop.storefront)
        assert expect is None or answer.status == expect, answer.text
        return answer

    def get(self, path: str, key: str | None = None, expect: int | None = 200) -> Any:
        answer = self.api.get(path, key=key or self.shop.operator)
        assert expect is None or answer.status == expect, answer.text
        return answer.json

    def walk(self, path: str, key: str | None = None, limit: int = 1) -> list[Any]:
        """All rows of a list, `limit` at a time."""
        rows: list[Any] = []
        cursor, joint = "", "&" if "?" in path else "?"
        for _ in range(500):
            page = self.get(f"{path}{joint}limit={limit}{cursor}", key)
            assert len(page["data"]) <= limit
            rows += page["data"]
            if page["next_cursor"] is None:
                return rows
            cursor = f"&cursor={page['next_cursor']}"
        raise AssertionError(f"{path} has no end")

    def order(self, order_id: str) -> Any:
        return self.get(f"/v1/orders/{order_id}")

    def decide(self, order_id: str) -> None:
        commissions.decide(self.shop.program_id, order_id)

    def explained(self, order_id: str) -> Any:
        """The explanation, once decided."""
        self.decide(order_id)
        answer = self.get(f"/v1/orders/{order_id}/explanation")
        assert answer["decided"]
        return answer

    def targets(self, order_id: str) -> list[int]:
        return [tier["target_minor"] for tier in self.explained(order_id)["tiers"]]

    def journal(self, order_id: str) -> Sequence[Decision]:
        return commissions.journal_of(self.shop.program_id, order_id)

    def entries(self, name: str) -> list[Entry]:
        return list(ledger.all_of(ledger.Holder(self.shop.program_id, self.id(name), "CNY", 1)))

    def balance(self, name: str, account: Account) -> int:
        """The sum of a distributor's entries on an account, whatever their bucket."""
        entries = self.entries(name)
        credited = sum(entry.amount_minor for entry in entries if entry.credit is account)
        return credited - sum(entry.amount_minor for entry in entries if entry.debit is account)
