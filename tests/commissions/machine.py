"""The journal as a pure machine: facts come one by one, deciding happens after some of them, nothing is stored."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from msgspec.structs import replace

from chalicelib.commissions.model import Beneficiary, Decision, Snapshot
from chalicelib.commissions.rules import journal as rules
from chalicelib.commissions.rules.journal import Case, Opening
from chalicelib.ledger.model import Account, Entry
from chalicelib.levels.model import Rank
from chalicelib.orders.model import Facts, HandAttribution, Order, Refund, Told
from chalicelib.orders.rules import own_reason
from chalicelib.programs.model import Plan
from chalicelib.referrals.model import Reason
from tests.support_laws import SELLERS, facts, product, program

PRODUCTS = {"ruled": product("replace", 1500, 70), "least": product("at_least", 300, 400)}
PROGRAM = program()


def snapshot(seller: str, paid_at: datetime, by: Plan) -> Snapshot:
    """The first seller has two uplines, the second a skipped one and may not sell "no", the others none."""
    uplines = {
        SELLERS[0]: [(SELLERS[1], None), (SELLERS[2], None)],
        SELLERS[1]: [(SELLERS[0], Reason.DISTRIBUTOR_SUSPENDED), (SELLERS[2], None)],
    }.get(seller, [])
    chain = [(seller, None), *uplines[: len(by.tracks["default"].upline_rates_bp)]]
    return Snapshot(
        plan_version=1,
        track="default",
        currency="CNY",
        paid_at=paid_at,
        chain=tuple(Beneficiary(tier, who, 0, reason) for tier, (who, reason) in enumerate(chain, start=1)),
        products=PRODUCTS,
        barred=frozenset({"no"} if seller == SELLERS[1] else ()),
    )


def opening(case: Case) -> Opening:
    """How the attribution that is judged next judges the order, by what the test knows of the sellers."""
    if not case.judged_next:
        day = case.opens_on()
        against = own_reason(case.program, case.order.content, case.until(day, day))
        return Opening(None, against, None, None) if against else _for(SELLERS[0], Reason.CODE, case)
    return _for(case.facts.hand_attributions[case.judged_next - 1].distributor_id, Reason.MANUAL, case)


def _for(seller: str | None, reason: Reason, case: Case) -> Opening:
    made = None if seller is None else snapshot(seller, case.paid_at, case.plan)
    return Opening(seller, reason, made, None if made is None else Rank(1, decided=True))


@dataclass
class Machine:
    """One order's facts, journal and entries."""

    plan: Plan
    facts: Facts = field(default_factory=lambda: facts(None))
    journal: list[Decision] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)

    def tell(self, fact: Any) -> None:
        """Add a fact to those that are told."""
        match fact:
            case Order():
                self.facts = replace(self.facts, order=fact)
            case Refund():
                self.facts = replace(self.facts, refunds=(*self.facts.refunds, fact))
            case HandAttribution():
                self.facts = replace(self.facts, hand_attributions=(*self.facts.hand_attributions, fact))
            case "cancel", Told() as told:
                self.facts = replace(self.facts, cancellation=self.facts.cancellation or told)
            case "complete", Told() as told:
                self.facts = replace(self.facts, completions=(*self.facts.completions, told))

    @property
    def case(self) -> Case:
        told = self.facts.order
        assert told is not None
        assert told.content.paid_at is not None
        return Case(PROGRAM, self.plan, told, told.content.paid_at, self.facts, tuple(self.journal))

    def decide(self, at: datetime) -> int:
        """As the service does, at an instant. How many decisions that took."""
        before = len(self.journal)
        while self.facts.order is not None and (decision := self._next(at)) is not None:
            self.entries += rules.entries_of(self.case, decision)
            self.journal.append(decision)
            assert len(self.journal) < 1000
        return len(self.journal) - before

    def _next(self, at: datetime) -> Decision | None:
        if rules.must_open(self.case):
            return rules.opened(self.case, opening(self.case), at)
        return rules.next_decision(self.case, at)

    def balances(self) -> dict[tuple[str, int, Account], int]:
        """What stands on each account, by distributor and tier."""
        sums: dict[tuple[str, int, Account], int] = defaultdict(int)
        for entry in self.entries:
            sums[entry.distributor_id, entry.tier, entry.credit] += entry.amount_minor
            sums[entry.distributor_id, entry.tier, entry.debit] -= entry.amount_minor
        return sums

    def volumes(self) -> dict[tuple[str, date], tuple[int, int]]:
        """Base and count by distributor and day, as booked; days without a change left out."""
        sums: dict[tuple[str, date], tuple[int, int]] = {}
        for entry in self.entries:
            if entry.counts_on is not None:
                base, count = sums.get((entry.distributor_id, entry.counts_on), (0, 0))
                sums[entry.distributor_id, entry.counts_on] = (base + entry.base_minor, count + entry.count)
        return {key: value for key, value in sums.items() if value != (0, 0)}


def expected_volumes(plan: Plan, told: Facts) -> dict[tuple[str, date], tuple[int, int]]:
    """What the counting rule says: of what stood at the end of a day, what didn't at the end of the day before."""
    assert told.order is not None
    case = Case(PROGRAM, plan, told.order, told.order.content.paid_at or told.order.received_at, told, ())
    changes = [(case.day_of(told.order.received_at), SELLERS[0])]
    changes += [(case.day_of(hand.received_at), hand.distributor_id or "") for hand in told.hand_attributions]
    days = sorted({day for day, _ in changes} | set(case.days_from(changes[0][0])))
    volumes: dict[tuple[str, date], tuple[int, int]] = {}
    before: tuple[str, int] = ("", 0)
    for day in days:
        after = _standing(case, changes, day)
        for who, sign in ((before, -1), (after, 1)):
            if who[0] and who[1]:
                base, count = volumes.get((who[0], day), (0, 0))
                volumes[who[0], day] = (base + sign * who[1], count + sign)
        before = after
    return {key: value for key, value in volumes.items() if value != (0, 0)}


def _standing(case: Case, changes: Sequence[tuple[date, str]], day: date) -> tuple[str, int]:
    whose = [who for since, who in changes if since <= day][-1]
    if not whose:
        return "", 0
    barred = snapshot(whose, case.paid_at, case.plan).barred
    left = case.until(date.min, day).remaining()
    return whose, sum(each.base_minor for each in left if each.line.sku not in barred)
