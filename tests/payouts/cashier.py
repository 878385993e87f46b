"""What tests of payouts do again and again: add methods, ask for payments."""

from datetime import datetime
from typing import Any

from chalicelib.access.model import Caller, Scope
from chalicelib.payouts import service
from chalicelib.payouts.model import Method, Payout
from tests.support import Answer
from tests.support_market import START, Market

ACCOUNT = {"holder_name": "张三", "account_number": "6222 0202 0011 3445", "bank_name": "中国银行"}
SLA = {"sla_hours": 24, "peak_sla_hours": 48}
OPERATOR = Caller("wang", Scope.OPERATOR, "shop-1")


class Cashier:
    """What tests of this room do again and again."""

    def __init__(self, market: Market) -> None:
        self.market, self.api, self.shop = market, market.api, market.shop

    def id(self, name: str) -> str:
        return self.market.id(name)

    def add(
        self, name: str = "seller", channel: str = "bank", account: Any = None, expect: int | None = None, **more: Any
    ) -> Answer:
        """Add a method as an operator does."""
        body = {"distributor_id": self.id(name), "channel": channel, "account": account or ACCOUNT} | more
        answer = self.api.post("/v1/payout-methods", body, key=self.shop.operator)
        assert expect is None or answer.status == expect, answer.text
        return answer

    def method(self, name: str = "seller", channel: str = "bank", account: Any = None) -> Method:
        """A method's noun, as rooms above read it."""
        method_id = self.add(name, channel, account).json["method_id"]
        return service.find_method(self.shop.program_id, self.id(name), method_id)

    def listed(self, name: str = "seller") -> list[Any]:
        path = f"/v1/payout-methods?distributor_id={self.id(name)}"
        rows: list[Any] = self.market.walk(path)
        return rows

    def delete(self, method_id: str, key: str | None = None) -> Answer:
        return self.api.delete(f"/v1/payout-methods/{method_id}", key=key or self.shop.operator)

    def audit(self, action: str) -> list[Any]:
        return [row for row in self.market.walk("/v1/audit", limit=100) if row["action"] == action]


def payout(
    reference: str = "T1", amount_minor: int = 12_345, account: Any = None, at: datetime = START, **more: Any
) -> Payout:
    """A payout to a bank account, unless told otherwise."""
    said: dict[str, Any] = {"program_id": "shop-1", "currency": "CNY"} | more
    return Payout(reference=reference, amount_minor=amount_minor, account=account or ACCOUNT, at=at, **said)
