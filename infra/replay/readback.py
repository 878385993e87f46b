"""What the platform says it decided: its answers, explanations and commissions, read until they agree or rest."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise

from infra.replay.client import Api
from infra.replay.journey import Journey, Json
from infra.replay.oracle import Difference, Verdict, compare
from infra.replay.player import LANES, Stage
from infra.replay.progress import Teller

REST_SECONDS = 20.0
"""How long nothing may change before a difference counts as one."""
POLL_SECONDS = 0.5
WINDOWS = 16
"""The list of commissions is read in so many parts of the year, several at once."""


class Readback:
    """Explanations by order id, commissions by order id, as last read."""

    def __init__(self, auditor: Api, stage: Stage, journey: Journey) -> None:
        self._auditor = auditor
        self._answers = stage.answers
        self._user_of = {each["distributor_id"]: user_id for user_id, each in stage.distributors.items()}
        self._explained = [order.order_id for order in journey.orders if order.explained]
        self._windows = _windows(datetime.fromisoformat(journey.starts), datetime.fromisoformat(journey.ends))
        self.explanations: dict[str, Json] = {}
        self.commissions: dict[str, list[Json]] = {order.order_id: [] for order in journey.orders}

    def read_all(self, teller: Teller) -> None:
        """The explanations that the mapping asks for, and all commissions page by page."""
        with teller.step("Explanations", len(self._explained)) as step, ThreadPoolExecutor(LANES) as threads:
            told = threads.map(self._explain, self._explained)
            for order_id, explanation in zip(self._explained, told, strict=True):
                self.explanations[order_id] = explanation
                step.done()
        with teller.step("Commissions, in windows", len(self._windows)) as step, ThreadPoolExecutor(LANES) as threads:
            for rows in threads.map(self._list, self._windows):
                for row in rows:
                    self.commissions[row["order_id"]].append(row)
                step.done()

    def settle(self, expected: dict[str, Verdict]) -> list[Difference]:
        """What still differs when the last decisions are in; differences are read again until nothing moves."""
        quiet_since = time.monotonic()
        differences = self._differences(expected)
        while differences and time.monotonic() - quiet_since < REST_SECONDS:
            time.sleep(POLL_SECONDS)
            self._read_again(each.order_id for each in differences)
            before, differences = differences, self._differences(expected)
            if before != differences:
                quiet_since = time.monotonic()
        return differences

    def credited(self, order_id: str) -> tuple[bool, str]:
        """Whether somebody was credited with the order, and the reason: by its explanation, else by its answer."""
        told = self.explanations.get(order_id) or self._answers[order_id]["attribution"]
        return told["credited"], told["reason"]

    def listed(self, order_id: str) -> Verdict:
        """The order's outcome as the answer to it and the list of commissions tell it."""
        told = self.explanations.get(order_id) or self._answers[order_id]["attribution"]
        tiers: dict[int, tuple[str, int]] = {}
        for row in self.commissions[order_id]:
            if row["amount_minor"]:
                # Two rows with an amount in one tier would be a mistake: added, they show as one.
                _, amount = tiers.get(row["tier"], ("", 0))
                tiers[row["tier"]] = (self._user_of[row["distributor_id"]], amount + row["amount_minor"])
        return Verdict(told["reason"], self._seller(told), tiers)

    def explained(self, order_id: str) -> Verdict:
        """The order's outcome as its explanation tells it."""
        told = self.explanations[order_id]
        tiers = {
            tier["tier"]: (self._user_of[tier["distributor_id"]], tier["target_minor"])
            for tier in told["tiers"]
            if tier["target_minor"]
        }
        return Verdict(told["reason"], self._seller(told), tiers)

    def _seller(self, told: Json) -> str | None:
        return self._user_of[told["distributor_id"]] if told["credited"] else None

    def _differences(self, expected: dict[str, Verdict]) -> list[Difference]:
        listed = {order_id: self.listed(order_id) for order_id in self.commissions}
        explained = {order_id: self.explained(order_id) for order_id in self.explanations}
        explained_too = {order_id: expected[order_id] for order_id in explained}
        found = {each.order_id: each for each in compare(expected, listed) + compare(explained_too, explained)}
        return list(found.values())

    def _explain(self, order_id: str) -> Json:
        explanation: Json = self._auditor.get(f"/v1/orders/{order_id}/explanation")
        return explanation

    def _list(self, window: tuple[str, str]) -> list[Json]:
        since, until = window
        return list(self._auditor.all("/v1/commissions", **{"from": since, "to": until}))

    def _read_again(self, order_ids: Iterable[str]) -> None:
        def read(order_id: str) -> None:
            self.explanations[order_id] = self._explain(order_id)
            self.commissions[order_id] = list(self._auditor.all("/v1/commissions", order_id=order_id))

        with ThreadPoolExecutor(LANES) as threads:
            list(threads.map(read, order_ids))


def _windows(starts: datetime, ends: datetime) -> list[tuple[str, str]]:
    """The time between, cut into equal parts."""
    part = (ends - starts) / WINDOWS
    cuts = [(starts + number * part).isoformat() for number in range(WINDOWS)]
    return list(pairwise([*cuts, ends.isoformat()]))
