"""A shop that pays its distributors: what journeys about balances and withdrawals do again and again."""

from itertools import count
from typing import Any

from tests.journeys.client import NOW, Cloud, Shop, done, pick, until
from tests.journeys.plans import plan
from tests.support import Answer

MORNING = "2026-03-05T02:30:00+08:00"
"""The day after `NOW`, once its settlement has run."""
AFTER_TEN = "2026-03-05T10:05:00+08:00"
"""After the first release that follows, and the looks of its first minutes."""

CARD = {"holder_name": "张三", "account_number": "6222 0202 0011 3445", "bank_name": "中国银行"}
SLA = {"sla_hours": 24, "peak_sla_hours": 48}

_numbers = count(1)
_SHOWN = {"pending": "pending", "available": "available", "held": "held"} | dict.fromkeys(
    ("paid_out", "tax_payable", "fee"), "paid"
)
"""In which part of the balance an account of the statement is shown."""

Distributor = dict[str, Any]


def paying(**terms: Any) -> dict[str, Any]:
    """One level of 8 %, no uplines; no fee; three channels, whose methods can be used at once."""
    document = plan(800, ())
    channels = dict.fromkeys(("bank", "pretend", "wechat"), SLA)
    document["withdrawal"] |= {"channels": channels, "method_age_hours": 0, "per_day": 20} | terms
    return document


class Till:
    """Balances, adjustments, payout methods and withdrawals of a shop; operators ask unless a key is given."""

    def __init__(self, cloud: Cloud, document: dict[str, Any]) -> None:
        self.shop = shop = Shop(cloud, None)
        self.api, self.keys = shop.api, shop.keys
        # No sooner: a reconciliation looks at each day since.
        shop.publish(document, NOW)

    def session(self, distributor: Distributor) -> str:
        """A token for a distributor's own things."""
        path = f"/v1/distributors/{pick(distributor)}/sessions"
        return str(done(self.api.post(path, {}, key=self.keys.storefront), 201)["token"])

    def switch(self, on: bool) -> None:
        """Turn the kill switch on or off."""
        body = {"kill_switch": on, "reason": "something looks wrong"}
        assert done(self.api.patch("/v1/program", body, key=self.keys.operator))["kill_switch"] is on

    # Balances and adjustments

    def stands(self, distributor: Distributor) -> tuple[int, int, int, int]:
        """Pending, available, held and paid: the balance, to which the statement's lines sum."""
        told = self.shop.get(f"/v1/distributors/{pick(distributor)}/balance")
        balance = {part: told[f"{part}_minor"] for part in ("pending", "available", "held", "paid")}
        summed = dict.fromkeys(balance, 0)
        for _, debit, credit, amount in self.shop.statement(distributor):
            for account, signed in ((debit, -amount), (credit, amount)):
                if account in _SHOWN:
                    summed[_SHOWN[account]] += signed
        assert summed == balance
        return balance["pending"], balance["available"], balance["held"], balance["paid"]

    def adjust(self, distributor: Distributor, amount_minor: int, **headers: str) -> Answer:
        """Ask for an adjustment."""
        body = {"distributor_id": pick(distributor), "amount_minor": amount_minor, "reason": "as agreed"}
        return self.api.post("/v1/adjustments", body, self.keys.operator, **_keyed(headers))

    def write_off(self, distributor: Distributor, **headers: str) -> Answer:
        """Ask to give up a debt."""
        path = f"/v1/distributors/{pick(distributor)}/write-off"
        return self.api.post(path, {"reason": "gone for good"}, self.keys.operator, **_keyed(headers))

    def agree(self, asked: Answer, key: str | None = None) -> Answer:
        """Approve an adjustment, as another operator."""
        path = f"/v1/adjustments/{asked.json['adjustment_id']}/approve"
        return self.api.post(path, {}, key=key or self.keys.second)

    def fund(self, amount_minor: int, *names: str) -> list[Distributor]:
        """Distributors that have money once the next settlement has run; how it was earned doesn't matter."""
        made = [self.shop.distributor(name) for name in names]
        for each in made:
            done(self.agree(self.adjust(each, amount_minor)))
        return made

    # Methods

    def add(self, distributor: Distributor, channel: str, account: dict[str, str], key: str | None = None) -> Answer:
        """Keep a way to pay somebody."""
        body = {"distributor_id": pick(distributor), "channel": channel, "account": account}
        return self.api.post("/v1/payout-methods", body, key=key or self.keys.operator)

    def method(self, distributor: Distributor, channel: str, **account: str) -> str:
        """The id of a new method."""
        return str(done(self.add(distributor, channel, account), 201)["method_id"])

    # Withdrawals

    def ask(
        self, distributor: Distributor, amount_minor: int, method_id: str, key: str | None = None, **headers: str
    ) -> Answer:
        """Ask for a withdrawal."""
        body = {"distributor_id": pick(distributor), "amount_minor": amount_minor, "method_id": method_id}
        return self.api.post("/v1/withdrawals", body, key or self.keys.operator, **_keyed(headers))

    def asked(self, distributor: Distributor, amount_minor: int, method_id: str) -> str:
        """The id of a new withdrawal."""
        return str(done(self.ask(distributor, amount_minor, method_id), 201)["withdrawal_id"])

    def do(self, action: str, withdrawal_id: str, key: str | None = None, **says: str) -> Answer:
        """Approve, reject, cancel, retry, resolve."""
        return self.api.post(f"/v1/withdrawals/{withdrawal_id}/{action}", says, key=key or self.keys.operator)

    def shown(self, withdrawal_id: str) -> dict[str, Any]:
        """A withdrawal as an auditor sees it."""
        return dict(self.shop.get(f"/v1/withdrawals/{withdrawal_id}"))

    def status(self, withdrawal_id: str) -> str:
        """Where a withdrawal stands."""
        return str(self.shown(withdrawal_id)["status"])

    def way(self, withdrawal_id: str) -> list[str]:
        """Where a withdrawal has stood, from its request on."""
        return [step["status"] for step in self.shown(withdrawal_id)["history"]]

    # Reconciliation

    def reconciled(self) -> dict[str, Any]:
        """What holding everything against everything finds now."""
        path = "/v1/reports/reconciliation"
        begun = done(self.api.post(path, None, key=self.keys.auditor), 202)

        def is_this_one(answer: Answer) -> bool:
            return answer.status == 200 and answer.json["started_at"] == begun["started_at"]

        return dict(done(until(lambda: self.api.get(path, key=self.keys.auditor), is_this_one)))

    def balances(self) -> bool:
        """Whether nothing differs, and all statements together come to zero."""
        found = self.reconciled()
        return found["ok"] and found["differences"] == [] and sum(found["totals_minor"].values()) == 0


def _keyed(headers: dict[str, str]) -> dict[str, str]:
    """With an Idempotency-Key of its own, unless one is told; an empty one is left out."""
    keyed = {"idempotency_key": f"key-{next(_numbers)}"} | headers
    return {name: value for name, value in keyed.items() if value}
