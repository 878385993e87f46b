"""What the platform says of money: everybody's balance and statement, the withdrawals, and its own reconciliation."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from infra.replay.client import Api
from infra.replay.clock import SHORT_PAUSE, wait_until
from infra.replay.oracle import Difference, Expected, Purse, Withdrawal, compare
from infra.replay.player import LANES
from infra.replay.stage import Stage
from infra.replay.stops import Json

RECONCILED_SECONDS = 600
PURSE = ("pending", "available", "held", "paid_out", "tax_payable", "fee")
"""The accounts that a purse has, in its order."""


class Books:
    """Balances and statements by user id, withdrawals by the platform's id, as last read."""

    def __init__(self, auditor: Api, stage: Stage, zone: ZoneInfo) -> None:
        self._auditor = auditor
        self._stage = stage
        self._zone = zone
        self.balances: dict[str, Json] = {}
        self.lines: dict[str, list[Json]] = {}
        self.withdrawals: dict[str, Json] = {}
        self.reconciled: Json = {}
        self._begun: Json = {}

    def read(self) -> None:
        """Everybody's balance and statement, and all withdrawals."""
        with ThreadPoolExecutor(LANES) as threads:
            read = list(threads.map(self._account, self._stage.distributors))
        self.balances = {user_id: balance for user_id, balance, _ in read}
        self.lines = {user_id: lines for user_id, _, lines in read}
        self.withdrawals = {each["withdrawal_id"]: each for each in self._auditor.all("/v1/withdrawals")}

    def _account(self, user_id: str) -> tuple[str, Json, list[Json]]:
        path = f"/v1/distributors/{self._stage.id_of(user_id)}"
        return user_id, self._auditor.get(f"{path}/balance"), list(self._auditor.all(f"{path}/statement"))

    def begin_to_reconcile(self) -> None:
        """Have the platform hold everything against everything; a worker does, meanwhile."""
        self._begun = self._auditor.post("/v1/reports/reconciliation", {})

    def await_reconciliation(self) -> None:
        """Read what it found once it is finished. ReplayError if that takes long."""
        wait_until(self._is_reconciled, RECONCILED_SECONDS, "the reconciliation", SHORT_PAUSE)

    def _is_reconciled(self) -> bool:
        """Whether the one that was begun is the last one that is finished."""
        self.reconciled = self._auditor.get("/v1/reports/reconciliation")
        return bool(self.reconciled["as_of"] == self._begun["as_of"])

    def totals(self) -> Counter[str]:
        """What all lines of all statements come to, by account."""
        totals: Counter[str] = Counter()
        for lines in self.lines.values():
            totals.update(_sums(lines))
        return totals

    def differences(self, expected: Expected) -> list[Difference]:
        """Where purses by statement, balances, or withdrawals aren't as expected; or the reconciliation is red."""
        purses = {f"{user_id} statement": self._purse(user_id) for user_id in expected.purses}
        wanted = {f"{user_id} statement": purse for user_id, purse in expected.purses.items()}
        told = {f"{user_id} balance": self._told(user_id) for user_id in expected.purses}
        balances = {f"{user_id} balance": _balance(purse) for user_id, purse in expected.purses.items()}
        asked = dict(map(self._withdrawal, self.withdrawals.values()))
        red = [] if self.reconciled["ok"] else [Difference("reconciliation", "ok", self.reconciled["differences"])]
        return [*compare(wanted, purses), *compare(balances, told), *compare(expected.withdrawals, asked), *red]

    def _purse(self, user_id: str) -> Purse:
        sums = _sums(self.lines[user_id])
        return Purse(*(sums[account] for account in PURSE))

    def _told(self, user_id: str) -> dict[str, int]:
        balance = self.balances[user_id]
        return {name: balance[name] for name in _balance(Purse())}

    def _withdrawal(self, told: Json) -> tuple[str, Withdrawal]:
        ask = self._stage.withdrawals[told["withdrawal_id"]]
        asked = datetime.fromisoformat(told["requested_at"]).astimezone(self._zone).date()
        fee = told["fee_minor"] or 0
        found = Withdrawal(ask.user_id, asked, told["channel"], told["amount_minor"], fee, told["status"])
        return f"{found.seller} asks {found.asked}", found


def _sums(lines: list[Json]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for line in lines:
        sums[line["credit_account"]] += line["amount_minor"]
        sums[line["debit_account"]] -= line["amount_minor"]
    return sums


def _balance(purse: Purse) -> dict[str, int]:
    """What a balance says of a purse."""
    parts = asdict(purse)
    paid = parts.pop("paid_out") + parts.pop("tax") + parts.pop("fee")
    return {f"{name}_minor": amount for name, amount in {**parts, "paid": paid}.items()}
