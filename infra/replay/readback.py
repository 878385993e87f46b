"""What the platform says it decided: explanations and commissions, read until they agree with the oracle or rest."""

import time
from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

from infra.replay.client import Api
from infra.replay.journey import Json
from infra.replay.oracle import Difference, Verdict, compare
from infra.replay.player import LANES, Stage
from infra.replay.progress import Teller

REST_SECONDS = 20.0
"""How long nothing may change before a difference counts as one."""
POLL_SECONDS = 0.5


class Readback:
    """Explanations by order id, commissions by order id, as last read."""

    def __init__(self, auditor: Api, stage: Stage) -> None:
        self._auditor = auditor
        self._user_of = {each["distributor_id"]: user_id for user_id, each in stage.distributors.items()}
        self.explanations: dict[str, Json] = {}
        self.commissions: dict[str, list[Json]] = {}

    def read_all(self, order_ids: Collection[str], teller: Teller) -> None:
        """One explanation per order, and all commissions page by page."""
        with teller.step("Explanations", len(order_ids)) as step, ThreadPoolExecutor(LANES) as threads:
            for order_id, explanation in zip(order_ids, threads.map(self._explain, order_ids), strict=True):
                self.explanations[order_id] = explanation
                step.done()
        rows: dict[str, list[Json]] = defaultdict(list)
        with teller.step("Orders with commissions", len(order_ids)) as step:
            for row in self._auditor.all("/v1/commissions"):
                step.done(row["order_id"] not in rows)
                rows[row["order_id"]].append(row)
            step.done(len(order_ids) - len(rows))
        self.commissions = {order_id: rows[order_id] for order_id in order_ids}

    def settle(self, expected: dict[str, Verdict]) -> list[Difference]:
        """What still differs when the last decisions are in; each difference is read again until nothing moves."""
        quiet_since = time.monotonic()
        differences = self._differences(expected)
        while differences and time.monotonic() - quiet_since < REST_SECONDS:
            time.sleep(POLL_SECONDS)
            for each in differences:
                self._read_again(each.order_id)
            before, differences = differences, self._differences(expected)
            if before != differences:
                quiet_since = time.monotonic()
        return differences

    def explained(self, order_id: str) -> Verdict:
        """The order's outcome as its explanation tells it."""
        told = self.explanations[order_id]
        credited = told["credited"]
        tiers = {
            tier["tier"]: (self._user_of[tier["distributor_id"]], tier["target_minor"])
            for tier in told["tiers"]
            if tier["target_minor"]
        }
        return Verdict(told["reason"], self._user_of[told["distributor_id"]] if credited else None, tiers)

    def listed(self, order_id: str) -> dict[int, tuple[str, int]]:
        """The order's commissions as the list tells them; two with an amount in one tier are added, and so found."""
        tiers: dict[int, tuple[str, int]] = {}
        for row in self.commissions[order_id]:
            if row["amount_minor"]:
                _, amount = tiers.get(row["tier"], ("", 0))
                tiers[row["tier"]] = (self._user_of[row["distributor_id"]], amount + row["amount_minor"])
        return tiers

    def _differences(self, expected: dict[str, Verdict]) -> list[Difference]:
        explained = {order_id: self.explained(order_id) for order_id in self.explanations}
        listed = {
            order_id: Verdict(verdict.reason, verdict.seller, self.listed(order_id))
            for order_id, verdict in explained.items()
        }
        found = {each.order_id: each for each in compare(expected, listed) + compare(expected, explained)}
        return list(found.values())

    def _explain(self, order_id: str) -> Json:
        explanation: Json = self._auditor.get(f"/v1/orders/{order_id}/explanation")
        return explanation

    def _read_again(self, order_id: str) -> None:
        self.explanations[order_id] = self._explain(order_id)
        self.commissions[order_id] = list(self._auditor.all("/v1/commissions", order_id=order_id))
