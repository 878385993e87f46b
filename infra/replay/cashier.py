"""Money going out: payout methods, what distributors ask for, what an operator and the bank say to it."""

import csv
import io
from datetime import datetime, timedelta

from infra.replay.client import Api
from infra.replay.journey import Journey
from infra.replay.payday import PayoutMethod
from infra.replay.stage import Stage
from infra.replay.stops import Ask, Json, Order

REVIEWED = "looked at: fine"
REJECTED = "ask again with the next statement"


class Cashier:
    """Tells the platform of withdrawals. Refused when it doesn't take them."""

    def __init__(self, shop: Api, operator: Api, stage: Stage, bank_hours: int) -> None:
        self._shop = shop
        self._operator = operator
        self._stage = stage
        self._bank_takes = timedelta(hours=bank_hours)
        self._methods: dict[tuple[str, str], str] = {}
        self._answered: set[str] = set()

    def add_method(self, method: PayoutMethod) -> None:
        """Keep a way to pay a distributor."""
        whose = self._stage.id_of(method.user_id)
        body = {"distributor_id": whose, "channel": method.channel, "account": method.account}
        answer = self._operator.post("/v1/payout-methods", body)
        self._methods[method.user_id, method.channel] = answer["method_id"]

    def ask(self, ask: Ask) -> None:
        """A distributor asks for its part of what is available; an operator decides at once what has to be reviewed."""
        whose = self._stage.id_of(ask.user_id)
        itself = self._shop.holding(self._shop.post(f"/v1/distributors/{whose}/sessions", {})["token"])
        amount = itself.get(f"/v1/distributors/{whose}/balance")["available_minor"] * ask.part_bp // 10000
        if amount < ask.min_minor:
            return
        method = self._methods[ask.user_id, ask.channel]
        body = {"distributor_id": whose, "amount_minor": amount, "method_id": method}
        made = itself.post("/v1/withdrawals", body, key=ask.name.replace(" ", "-"))
        self._stage.withdrawals[made["withdrawal_id"]] = ask
        if made["status"] == "requested":
            self._review(made["withdrawal_id"], ask)

    def _review(self, withdrawal_id: str, ask: Ask) -> None:
        what, why = ("reject", REJECTED) if ask.rejected else ("approve", REVIEWED)
        self._operator.post(f"/v1/withdrawals/{withdrawal_id}/{what}", {"reason": why}, key=f"{what}-{withdrawal_id}")

    def answer_for_the_bank(self, now: str) -> None:
        """Download each batch file that the bank has had long enough, and bring back its results."""
        latest = datetime.fromisoformat(now) - self._bank_takes
        for batch in self._unanswered():
            if datetime.fromisoformat(batch["created_at"]) <= latest:
                path = f"/v1/payouts/batches/{batch['batch_id']}"
                self._operator.post_csv(f"{path}/results", self._results(self._operator.get_text(f"{path}/file")))
                self._answered.add(batch["batch_id"])

    def _unanswered(self) -> list[Json]:
        if not any(ask.channel == "bank" for ask in self._stage.withdrawals.values()):
            return []
        batches = self._operator.all("/v1/payouts/batches")
        return [batch for batch in batches if batch["batch_id"] not in self._answered]

    def _results(self, file: str) -> str:
        """What the bank says to each row of a batch file."""
        says = {
            attempt["reference"]: self._stage.withdrawals[withdrawal["withdrawal_id"]].bank_says
            for withdrawal in self._operator.all("/v1/withdrawals", status="processing")
            for attempt in withdrawal["attempts"]
        }
        references = [row["reference"] for row in csv.DictReader(io.StringIO(file))]
        return "".join(f"{line}\n" for line in ("reference,result", *(f"{each},{says[each]}" for each in references)))

    def take_back(self, journey: Journey) -> None:
        """Everything comes back of an order whose commission was paid out."""
        order = self._best_sold(journey)
        if order is None:
            return
        names = {"line_id": "line_id", "quantity": "quantity", "amount_minor": "paid_minor"}
        lines = [{name: line[of] for name, of in names.items()} for line in order.body["lines"]]
        aftermath = journey.aftermath
        body = {"refund_id": aftermath.refund_id, "refunded_at": aftermath.at, "lines": lines}
        self._shop.post(f"/v1/orders/{order.order_id}/refunds", body)
        self._stage.taken_back.append(order)

    def _best_sold(self, journey: Journey) -> Order | None:
        """The order that the mapping means; None: there is none such."""
        before = datetime.fromisoformat(journey.aftermath.sold_before)
        fitting = {order.order_id: order for order in journey.orders if _is_old(order, before) and _is_kept(order)}
        whose = self._stage.id_of(journey.aftermath.user_id)
        rows = self._operator.all("/v1/commissions", distributor_id=whose)
        sold = [row for row in rows if row["tier"] == 1 and row["order_id"] in fitting]
        best = max(sold, key=lambda row: (row["amount_minor"], row["order_id"]), default=None)
        return best and fitting[best["order_id"]]


def _is_old(order: Order, before: datetime) -> bool:
    return datetime.fromisoformat(order.body["paid_at"]) < before


def _is_kept(order: Order) -> bool:
    """Whether nothing of it came back."""
    return all(fact.route == "complete" for fact in order.facts)
