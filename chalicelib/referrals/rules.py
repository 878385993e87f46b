"""What is decided about whose customer and whose order it is, from what is given. Source: docs/plan.md, attribution.

Days are 24 hours, inclusive: evidence that is exactly so many days old still counts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from chalicelib.distributors.model import Distributor, Status
from chalicelib.programs.model import AttributionTerms, BindingTerms, Evidence, SelfPurchase, Takeover
from chalicelib.referrals.model import Attribution, Known, Reason, Result, Standing, Tried, Verdict, Why
from chalicelib.shared.value import Value

Claim = Distributor | Reason | None
"""What evidence says: the distributor it names, why it names nobody, or None: the order doesn't have it."""

_MOMENT: Final = timedelta(microseconds=1)
_SELF: Final = "self_purchase"


class Stretch(Value):
    """The terms of bindings from an instant until the next stretch's. `days` 0: for ever."""

    since: datetime
    days: int
    records: bool
    """Whether renewals were recorded."""


def records(terms: AttributionTerms) -> bool:
    """Whether something depends on a customer's last credited order, so that renewals are recorded."""
    if Evidence.BINDING not in terms.precedence:
        return False
    return terms.binding.days > 0 or terms.binding.takeover is Takeover.AFTER_DAYS


def effects(terms: AttributionTerms, reason: Reason) -> tuple[bool, bool]:
    """Whether an order credited for `reason` may bind its customer, and whether it may renew a binding."""
    if Evidence.BINDING not in terms.precedence or reason.value not in terms.precedence:
        return False, False
    return terms.binding.bind_on_order and reason is not Reason.BINDING, records(terms)


def stretches(versions: Iterable[tuple[datetime, AttributionTerms]]) -> tuple[Stretch, ...]:
    """Plan versions, told in their order, as terms in time; of two with one `effective_at` the later version.

    A version that binds nobody lets no binding run out.
    """
    by_time = {at: terms for at, terms in versions}
    return tuple(
        Stretch(at, terms.binding.days if Evidence.BINDING in terms.precedence else 0, records(terms))
        for at, terms in sorted(by_time.items(), key=lambda version: version[0])
    )


def counted_from(last: datetime, terms: Sequence[Stretch], at: datetime) -> datetime:
    """From when a binding's days count, as of `at`. `last`: the binding, or the last renewal before `at`.

    While no renewals were recorded, nobody knows the last credited order; then the days count from the first
    instant at which they were.
    """
    return max((since for stretch, since in _counted(last, terms) if stretch.since <= at), default=last)


def lives_until(last: datetime, terms: Sequence[Stretch]) -> datetime | None:
    """A binding's last instant, None: it has none. `last`: the binding, or a renewal; `terms`: from then on.

    A version with fewer days may end a binding at the instant before it takes effect; none revives one.
    """
    ends = [*(stretch.since for stretch in terms[1:]), None]
    for (stretch, since), end in zip(_counted(last, terms), ends, strict=True):
        if stretch.days:
            until = max(since + timedelta(days=stretch.days), stretch.since - _MOMENT)
            if end is None or until < end:
                return until
    return None


def _counted(last: datetime, terms: Sequence[Stretch]) -> Iterator[tuple[Stretch, datetime]]:
    recorded = True
    for stretch in terms:
        last = last if recorded else max(last, stretch.since)
        recorded = stretch.records
        yield stretch, last


def decide(known: Known, distributor_id: str, at: datetime, terms: AttributionTerms) -> Verdict:
    """What a distributor's referral of a customer at `at` does, given what is known of the customer as of `at`."""
    if Evidence.BINDING not in terms.precedence:
        return Verdict(Result.NONE, Why.PLAN_BINDS_NOBODY)
    if known.newer_than(at):
        return Verdict(Result.KEPT, Why.NEWER_BINDING)
    if known.standing is None:
        return Verdict(Result.BOUND, Why.FIRST_BINDING)
    if not known.standing.lives_at(at):
        return Verdict(Result.BOUND, Why.BINDING_EXPIRED)
    if known.standing.binding.distributor_id == distributor_id:
        return Verdict(Result.KEPT, Why.ALREADY_BOUND)
    return _takeover(known.standing, at, terms.binding)


def _takeover(standing: Standing, at: datetime, terms: BindingTerms) -> Verdict:
    if terms.takeover is Takeover.ALWAYS:
        return Verdict(Result.TAKEN, Why.TAKEOVER_ALWAYS)
    if terms.takeover is Takeover.NEVER:
        return Verdict(Result.KEPT, Why.TAKEOVER_NEVER)
    if standing.counted_from + timedelta(days=terms.takeover_after_days) <= at:
        return Verdict(Result.TAKEN, Why.TAKEOVER_AFTER_DAYS)
    return Verdict(Result.KEPT, Why.TAKEOVER_TOO_EARLY)


def objection(distributor: Distributor, at: datetime) -> Reason | None:
    """Why a distributor couldn't be credited at an instant; None: it could."""
    if distributor.approved_at(at):
        return None
    suspended = distributor.status_at(at) is Status.SUSPENDED
    return Reason.DISTRIBUTOR_SUSPENDED if suspended else Reason.DISTRIBUTOR_NOT_APPROVED


def is_self_purchase(buyer: Distributor | None, at: datetime) -> bool:
    """Whether an order's customer took part as a distributor when it paid."""
    return buyer is not None and buyer.status_at(at) in (Status.APPROVED, Status.SUSPENDED)


def self_purchase(
    mode: SelfPurchase, buyer: Distributor, sponsor: Callable[[], Distributor | None], at: datetime
) -> Attribution:
    """Whose a distributor's own order is. `sponsor` reads the buyer's, if it is needed."""
    named = buyer if mode is SelfPurchase.SELF else sponsor() if mode is SelfPurchase.SPONSOR else None
    lost = None if named is None else objection(named, at)
    if named is None or lost is not None:
        reason = lost or Reason.SELF_PURCHASE_EXCLUDED
        return Attribution(False, None, reason, (Tried(_SELF, reason.value),))
    return Attribution(True, named.distributor_id, Reason.SELF_PURCHASE, (Tried(_SELF, _SELF),))


def judge(precedence: Sequence[Evidence], claim: Callable[[Evidence], Claim], at: datetime) -> Attribution:
    """The first evidence that names a distributor approved at `at` wins; what lost before it is told with why.

    `claim` reads one piece of evidence, and is asked no further than needed.
    """
    tried: list[Tried] = []
    for evidence in precedence:
        named = claim(evidence)
        if named is None:
            continue
        lost = named if isinstance(named, Reason) else objection(named, at)
        tried.append(Tried(evidence.value, evidence.value if lost is None else lost.value))
        if lost is None and isinstance(named, Distributor):
            return Attribution(True, named.distributor_id, Reason(evidence.value), tuple(tried))
    return Attribution(False, None, _first_loss(tried), tuple(tried))


def _first_loss(tried: Sequence[Tried]) -> Reason:
    losses = (Reason(each.result) for each in tried)
    return next((reason for reason in losses if reason is not Reason.NO_REFERRAL), Reason.NO_REFERRAL)
