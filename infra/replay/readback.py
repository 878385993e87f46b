"""What the platform says it decided: answers, explanations, commissions, levels, money, until they agree or rest."""

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from itertools import pairwise

from infra.replay.books import Books
from infra.replay.client import Api
from infra.replay.journey import Journey
from infra.replay.oracle import Change, Difference, Expected, Verdict, compare
from infra.replay.player import LANES
from infra.replay.progress import Teller
from infra.replay.stage import Stage
from infra.replay.stops import Json

REST_SECONDS = 20.0
"""How long nothing may change before a difference counts as one."""
POLL_SECONDS = 0.5
WINDOWS = 16
"""The list of commissions is read in so many parts of the year, several at once."""


class Readback:
    """Explanations and commissions by order id, changes of levels by user id and day, the books, as last read."""

    def __init__(self, auditor: Api, stage: Stage, journey: Journey, books: Books) -> None:
        self._auditor = auditor
        self.books = books
        self._answers = stage.answers
        self._user_of = {each["distributor_id"]: user_id for user_id, each in stage.distributors.items()}
        self._explained = [order.order_id for order in journey.orders if order.explained]
        self._windows = _windows(datetime.fromisoformat(journey.starts), datetime.fromisoformat(journey.ends))
        self.explanations: dict[str, Json] = {}
        self.commissions: dict[str, list[Json]] = {order.order_id: [] for order in journey.orders}
        self.changes: dict[str, Change] = {}

    def read_all(self, teller: Teller) -> None:
        """The explanations that the mapping asks for, and all commissions and changes of levels page by page."""
        self.books.begin_to_reconcile()
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
        with teller.step("Changes of levels", 1) as step:
            self._read_changes()
            step.done()
        with teller.step("Balances, statements", 1) as step:
            self.books.read()
            step.done()
        with teller.step("Reconciliation", 1) as step:
            self.books.await_reconciliation()
            step.done()

    def settle(self, expected: Expected) -> list[Difference]:
        """What still differs when the last decisions are in; differences are read again until nothing moves."""
        quiet_since = time.monotonic()
        differences = self._differences(expected)
        while differences and time.monotonic() - quiet_since < REST_SECONDS:
            time.sleep(POLL_SECONDS)
            self._read_changes()
            self.books.read()
            self._read_again(each.about for each in differences if each.about in self.commissions)
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

    def _differences(self, expected: Expected) -> list[Difference]:
        listed = {order_id: self.listed(order_id) for order_id in self.commissions}
        explained = {order_id: self.explained(order_id) for order_id in self.explanations}
        verdicts = {order_id: expected.verdicts[order_id] for order_id in explained}
        ranks = {order_id: rank for order_id, rank in expected.ranks.items() if order_id in explained}
        found = [
            *compare(expected.verdicts, listed),
            *compare(verdicts, explained),
            *compare(ranks, self._ranks()),
            *compare(expected.changes, self.changes),
            *self.books.differences(expected),
        ]
        return list({each.about: each for each in found}.values())

    def _ranks(self) -> dict[str, int]:
        """The sellers' ranks by order, as explained."""
        tiers = ((order_id, tier) for order_id, told in self.explanations.items() for tier in told["tiers"])
        return {order_id: tier["level"] for order_id, tier in tiers if tier["tier"] == 1}

    def _read_changes(self) -> None:
        self.changes = {}
        for row in self._auditor.all("/v1/levels/changes"):
            change = self._change(row)
            about = f"{change.seller} {change.day}"
            while about in self.changes:  # twice on a day would be a mistake, and shows as one
                about += " again"
            self.changes[about] = change

    def _change(self, row: Json) -> Change:
        return Change(
            seller=self._user_of[row["distributor_id"]],
            day=date.fromisoformat(row["day"]),
            from_rank=row["from_rank"],
            to_rank=row["to_rank"],
            cause=row["cause"],
            volume=row["volume"],
            misses=row["misses"],
            plan_version=row["plan_version"],
        )

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
