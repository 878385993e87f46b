"""What a replay came to, in plain words and aligned columns."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from zoneinfo import ZoneInfo

from infra.replay import levels_report, money_report
from infra.replay.fall import Fall
from infra.replay.journey import Journey
from infra.replay.oracle import Difference, Expected
from infra.replay.readback import Readback
from infra.replay.stage import Stage
from infra.replay.stops import Json, Order
from infra.replay.words import money

MEANING = {
    "binding": "the customer belongs to a distributor",
    "code": "the order carried a distributor's code",
    "coupon": "the order used a distributor's coupon",
    "click": "the visitor had clicked a distributor's link",
    "self_purchase": "a distributor bought; the plan says who earns",
    "manual": "an operator said so",
    "no_referral": "nobody brought this customer",
    "binding_expired": "the customer stayed away too long",
    "unknown_code": "nobody has that code",
    "distributor_not_approved": "the distributor wasn't approved",
    "distributor_suspended": "the distributor was suspended",
    "self_purchase_excluded": "a distributor bought; the plan pays nobody",
    "product_not_eligible": "none of its products earns for this distributor",
    "program_paused": "the program was paused",
    "cancelled": "cancelled before it was judged",
    "fully_refunded": "refunded before it was judged",
    "zero_amount": "nothing was paid for it",
}
TOP = 8
SHOWN_DIFFERENCES = 10


@dataclass(frozen=True)
class Seconds:
    """How long the whole replay took, and the moving of the clock in it."""

    all: float
    clock: float


@dataclass(frozen=True)
class Outcome:
    """A replay that ended; `differences` is empty when the oracle agrees."""

    url: str
    journey: Journey
    stage: Stage
    readback: Readback
    expected: Expected
    fall: Fall | None
    differences: list[Difference]
    currency: str
    zone: ZoneInfo
    seconds: Seconds

    @property
    def oracle_says(self) -> str:
        """The proof in a line."""
        commissions = sum(len(verdict.tiers) for verdict in self.expected.verdicts.values())
        return (
            f"oracle: {len(self.expected.verdicts):,} orders, {commissions:,} commissions, "
            f"{len(self.expected.changes):,} level changes, {len(self.expected.purses):,} balances, "
            f"{len(self.expected.withdrawals):,} withdrawals, {len(self.differences):,} differences"
        )


def report(outcome: Outcome) -> Iterator[str]:
    """The whole report, line by line."""
    for section in SECTIONS:
        yield ""
        yield from section(outcome)


def _orders(outcome: Outcome) -> Iterator[str]:
    credited: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for order in outcome.journey.orders:
        was_credited, reason = outcome.readback.credited(order.order_id)
        (credited if was_credited else others)[reason] += 1
    orders = credited.total() + others.total()
    yield f"Orders          {orders:>6,}"
    for name, reasons in (("credited", credited), ("not credited", others)):
        yield f"  {name:<14}{reasons.total():>6,}"
        for reason, count in reasons.most_common():
            yield f"    {reason:<26}{count:>6,}  {MEANING.get(reason, '')}".rstrip()
    for what, count in outcome.journey.left_out.items():
        if count:
            yield f"  left out: {count:,} {what}"


def _tiers(outcome: Outcome) -> Iterator[str]:
    by_tier: dict[int, list[Json]] = defaultdict(list)
    for rows in outcome.readback.commissions.values():
        for row in rows:
            by_tier[row["tier"]].append(row)
    yield f"Commissions    count{outcome.currency:>14}"
    for tier, rows in sorted(by_tier.items()):
        earning = [row for row in rows if row["amount_minor"]]
        yield f"  tier {tier}     {len(earning):>7,}{money(sum(row['amount_minor'] for row in earning)):>14}"
    everything = [row for rows in by_tier.values() for row in rows if row["amount_minor"]]
    yield f"  all        {len(everything):>7,}{money(sum(row['amount_minor'] for row in everything)):>14}"


def _top(outcome: Outcome) -> Iterator[str]:
    earned: Counter[str] = Counter()
    orders: Counter[str] = Counter()
    for rows in outcome.readback.commissions.values():
        for row in rows:
            earned[row["distributor_id"]] += row["amount_minor"]
            orders[row["distributor_id"]] += row["tier"] == 1
    by_id = {each["distributor_id"]: each for each in outcome.stage.distributors.values()}
    yield f"Top distributors  track      own orders{outcome.currency:>14}"
    for distributor_id, amount in earned.most_common(TOP):
        each = by_id[distributor_id]
        yield f"  {each['name']:<16}{each['track']:<11}{orders[distributor_id]:>10,}{money(amount):>14}"


def _one_explained(outcome: Outcome) -> Iterator[str]:
    order = _most_telling(outcome)
    told = outcome.readback.explanations[order.order_id]
    names = {each["distributor_id"]: each["name"] for each in outcome.stage.distributors.values()}
    yield f"One commission explained: order {order.order_id}"
    yield f"  credited by {told['reason']}, judged by plan version {told['plan_version']}"
    bought = {line["line_id"]: line for line in order.body["lines"]}
    for tier in told["tiers"]:
        yield f"  tier {tier['tier']}: {names[tier['distributor_id']]}"
        yield from _explained_lines(tier, bought)
    refunds = sum(fact.route == "refunds" for fact in order.facts)
    if refunds:
        yield f"  base = paid less what came back in {refunds} refund{'s' * (refunds > 1)}"


def _explained_lines(tier: Json, bought: dict[str, Json]) -> Iterator[str]:
    if not tier["lines"]:
        yield f"    nothing: {tier['reason']}"
        return
    yield "    line  product   category         base  rule       rate %  fixed     exact minor"
    exact = Fraction(0)
    for line in tier["lines"]:
        what = bought[line["line_id"]]
        exact += Fraction(line["exact"])
        yield (
            f"    {line['line_id']:>4}  {what['sku']:<9} {what['category'] or '':<13}{line['base_minor']:>8}  "
            f"{line['rule']:<9}{_percent(line['rate_bp']):>8}{line['fixed_minor']:>7}{line['exact']:>16}"
        )
    whole = int(exact)
    yield f"    sum {exact} = {float(exact):.2f}, rounded down once: {whole}"
    if whole > tier["target_minor"]:
        yield f"    the cap takes {whole - tier['target_minor']}: {tier['target_minor']}"


def _most_telling(outcome: Outcome) -> Order:
    """The order whose explanation shows most: three tiers, a product's rule, a refund, and few lines."""

    def telling(order: Order) -> tuple[int, int]:
        told = outcome.readback.explanations[order.order_id]
        rules = {line["rule"] for tier in told["tiers"][:1] for line in tier["lines"]}
        earning = sum(tier["target_minor"] > 0 for tier in told["tiers"])
        refunded = any(fact.route == "refunds" for fact in order.facts)
        few = 3 <= len(order.body["lines"]) <= 6
        return 2 * earning + 2 * (len(rules) > 1) + refunded + 3 * few, -len(order.body["lines"])

    return max((order for order in outcome.journey.orders if order.explained), key=telling)


def _movements(outcome: Outcome) -> Iterator[str]:
    return levels_report.movements(outcome.journey, list(outcome.readback.changes.values()))


def _histories(outcome: Outcome) -> Iterator[str]:
    return levels_report.histories(outcome.journey, outcome.stage, list(outcome.readback.changes.values()))


def _fall(outcome: Outcome) -> Iterator[str]:
    return levels_report.explained(outcome.fall, outcome.journey, outcome.currency)


def _withdrawals(outcome: Outcome) -> Iterator[str]:
    return money_report.withdrawals(outcome.readback.books)


def _one_life(outcome: Outcome) -> Iterator[str]:
    return money_report.one_life(outcome.readback.books, outcome.stage, outcome.currency, outcome.zone)


def _after_payout(outcome: Outcome) -> Iterator[str]:
    return money_report.after_payout(outcome.readback.books, outcome.journey, outcome.stage, outcome.zone)


def _whereabouts(outcome: Outcome) -> Iterator[str]:
    return money_report.whereabouts(outcome.readback.books, outcome.currency)


def _proof(outcome: Outcome) -> Iterator[str]:
    yield f"Replay took {outcome.seconds.all:.0f} s, {outcome.seconds.clock:.0f} of them to move the clock"
    yield outcome.oracle_says
    for each in outcome.differences[:SHOWN_DIFFERENCES]:
        yield f"  {each.about}"
        yield f"    expected {each.expected}"
        yield f"    found    {each.found}"


def _next_steps(outcome: Outcome) -> Iterator[str]:
    stage, order = outcome.stage, _most_telling(outcome)
    yield f"URL      {outcome.url}"
    yield f"Program  {stage.program_id}, a test program; its clock stands at {outcome.journey.ends}"
    yield "Keys"
    for scope, secret in stage.keys.items():
        yield f"  {scope:<12}{secret}"
    yield "Try"
    yield from _curls(outcome, order, stage)


def _curls(outcome: Outcome, order: Order, stage: Stage) -> Iterable[str]:
    first = next(iter(stage.distributors.values()))
    new = {
        "order_id": "my-first-order",
        "customer_id": "me",
        "currency": outcome.currency,
        "placed_at": outcome.journey.ends,
        "paid_at": outcome.journey.ends,
        "lines": [{"line_id": "1", "sku": "1082185", "quantity": 2, "paid_minor": 1998}],
        "referral_code": first["code"],
    }
    auditor = f"-H 'Authorization: Bearer {stage.keys['auditor']}'"
    shop = f"-H 'Authorization: Bearer {stage.keys['storefront']}' -H 'Content-Type: application/json'"
    operator = f"-H 'Authorization: Bearer {stage.keys['operator']}'"
    whose = f"{outcome.url}/v1/distributors/{first['distributor_id']}"
    earner = f"distributor_id={first['distributor_id']}&limit=3"
    attempts = (attempt for each in outcome.readback.books.withdrawals.values() for attempt in each["attempts"])
    batches = [attempt["batch_id"] for attempt in attempts if attempt["batch_id"]]
    files = [f"  curl -s {operator} '{outcome.url}/v1/payouts/batches/{batch}/file'" for batch in batches]
    return (
        f"  curl -s {auditor} '{outcome.url}/v1/orders/{order.order_id}/explanation'",
        f"  curl -s {auditor} '{outcome.url}/v1/commissions?{earner}'",
        f"  curl -s {auditor} '{outcome.url}/v1/distributors/{first['distributor_id']}/progress'",
        f"  curl -s {auditor} '{whose}/balance'",
        f"  curl -s {auditor} '{whose}/statement?limit=5'",
        f"  curl -s {auditor} '{outcome.url}/v1/exports/statement.csv?distributor_id={first['distributor_id']}'",
        *files[:1],
        f"  curl -s {auditor} '{outcome.url}/v1/levels/changes?limit=5'",
        f"  curl -s {shop} '{outcome.url}/v1/orders' -d '{json.dumps(new)}'",
    )


def _percent(rate_bp: int) -> str:
    return f"{rate_bp // 100}.{rate_bp % 100:02}"


SECTIONS = (
    _orders,
    _tiers,
    _top,
    _one_explained,
    _movements,
    _histories,
    _fall,
    _withdrawals,
    _one_life,
    _after_payout,
    _whereabouts,
    _proof,
    _next_steps,
)
"""In the order in which they are told."""
