"""Whose customer it is, and whose order: clicks, bindings, attribution.

Attribution happens in the request that tells of the order, and its answer is stored with the order.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

from chalicelib.access import service as access
from chalicelib.access.model import Caller, Scope
from chalicelib.catalog import service as catalog
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.programs import service as programs
from chalicelib.programs.model import Evidence, Plan, Program
from chalicelib.referrals import rules
from chalicelib.referrals.model import (
    BY_ORDER,
    Attribution,
    Binding,
    Click,
    Customer,
    History,
    Known,
    OrderEvidence,
    Outcome,
    Reason,
    Referral,
    Result,
    Standing,
    Verdict,
    Visit,
)
from chalicelib.referrals.tables import (
    BindingItem,
    ClickItem,
    KeyItem,
    RenewalItem,
    binding_key,
    customer_key,
    distributor_key,
    visitor_key,
)
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, Conflict, FieldError, Invalid
from chalicelib.shared.tables import Key as Place
from chalicelib.shared.tables import Put, Refused, changed_meanwhile, page, transact

HISTORY_MAX: Final = 100
"""How many bindings of a customer are shown."""
TRIES: Final = 5
"""How often a binding is decided anew because somebody else bound the customer meanwhile."""
_AT_ONCE: Final = 10
"""Items a read asks for: what it wants is nearly always among the newest."""
_LAST: Final = "~"
"""Sorts after everything that follows an instant in a key."""


def attribute(program: Program, plan: Plan, order: OrderEvidence) -> Attribution:
    """Whose order it is, by the evidence as of `paid_at`, in the plan's precedence. `plan`: in force at `paid_at`.

    Judges evidence only: what the order itself says (not paid, paused, other currency) is the caller's to judge.
    """
    buyer = distributors.by_user(program.program_id, order.customer_id)
    if buyer is not None and rules.is_self_purchase(buyer, order.paid_at):
        return _self_purchase(program, plan, buyer, order.paid_at)
    terms = plan.attribution

    def claim(evidence: Evidence) -> rules.Claim:
        if evidence is Evidence.BINDING:
            return _bound(program, order)
        if evidence is Evidence.CODE:
            return _named_by_code(program.program_id, order.referral_code)
        if evidence is Evidence.COUPON:
            return _named_by_coupon(program.program_id, order)
        return _clicked(program.program_id, order, terms.click_days)

    return rules.judge(terms.precedence, claim, order.paid_at)


def _self_purchase(program: Program, plan: Plan, buyer: Distributor, at: datetime) -> Attribution:
    def sponsor() -> Distributor | None:
        sponsor_id = buyer.sponsor_at(at)
        return None if sponsor_id is None else distributors.find(program.program_id, sponsor_id)

    return rules.self_purchase(plan.commission.self_purchase, buyer, sponsor, at)


def _bound(program: Program, order: OrderEvidence) -> rules.Claim:
    # What the order itself has bound, in a request that didn't get through, is no evidence for it.
    standing = _known(program, order.customer_id, order.paid_at, but_order=order.order_id).standing
    if standing is None:
        return None
    if not standing.lives_at(order.paid_at):
        return Reason.BINDING_EXPIRED
    return _distributor(program.program_id, standing.binding.distributor_id)


def _named_by_code(program_id: str, code: str | None) -> rules.Claim:
    if code is None:
        return None
    return distributors.by_code(program_id, code) or Reason.UNKNOWN_CODE


def _named_by_coupon(program_id: str, order: OrderEvidence) -> rules.Claim:
    owners = (catalog.coupon_owner_at(program_id, code, order.paid_at) for code in order.coupon_codes)
    owner = next((owner for owner in owners if owner is not None), None)
    if owner is not None:
        return _distributor(program_id, owner)
    return Reason.NO_REFERRAL if order.coupon_codes else None


def _clicked(program_id: str, order: OrderEvidence, click_days: int) -> rules.Claim:
    if order.visitor_id is None:
        return None
    first, last = order.paid_at - timedelta(days=click_days), order.paid_at
    clicks = ClickItem.query(
        visitor_key(program_id, order.visitor_id),
        ClickItem.sk.between(f"click#{clock.stored(first)}", f"click#{clock.stored(last)}{_LAST}"),
        scan_index_forward=False,
        limit=1,
        consistent_read=True,
    )
    click = next(iter(clicks), None)
    return Reason.NO_REFERRAL if click is None else _distributor(program_id, click.distributor_id)


def _distributor(program_id: str, distributor_id: str) -> Distributor | Reason:
    return distributors.find(program_id, distributor_id) or Reason.DISTRIBUTOR_NOT_APPROVED


def note_order(program: Program, plan: Plan, order: OrderEvidence, attribution: Attribution) -> None:
    """Let a credited order bind its customer, or let the customer's binding live on. `plan`: in force at `paid_at`.

    Called before the order's fact is put; a repeat writes nothing new. Raises Conflict `changed_meanwhile`.
    """
    binds, renews = rules.effects(plan.attribution, attribution.reason)
    if attribution.distributor_id is None or not (binds or renews):
        return
    for _ in range(TRIES):
        known = _known(program, order.customer_id, order.paid_at)
        if known.standing is not None and known.standing.lives_at(order.paid_at):
            if renews:
                _renew(program.program_id, known.standing, order)
            return
        binding = _next(known, order, attribution.distributor_id)
        if not binds or known.newer_than(order.paid_at) or BindingItem.of(program.program_id, binding).put_new():
            return
    raise changed_meanwhile()


def _renew(program_id: str, standing: Standing, order: OrderEvidence) -> None:
    if not standing.binding.made_by(order.order_id) and standing.renewed_by != order.order_id:
        sk = f"renewal#{clock.stored(order.paid_at)}#{order.order_id}"
        RenewalItem(customer_key(program_id, order.customer_id), sk, n=standing.binding.n).put_new()


def _next(known: Known, order: OrderEvidence, distributor_id: str) -> Binding:
    return Binding(order.customer_id, _next_n(known), distributor_id, order.paid_at, BY_ORDER, order.order_id)


def bind(caller: Caller, program: Program, told: Referral, idempotency_key: str | None = None) -> Outcome:
    """Take a referral: it binds the customer if the plan in force at `told.at` lets it. The same again keeps things.

    Raises Invalid `unknown_code`, `unknown_distributor`, `time_out_of_range`, Conflict `distributor_not_approved`
    (on the program's clock), `no_plan_in_force`, `exists_with_different_content`, `changed_meanwhile`.
    """
    _within_reach(program, told.at)
    distributor = _told_distributor(program.program_id, told)
    if not distributor.approved_at(program.now()):
        raise Conflict(
            Code.DISTRIBUTOR_NOT_APPROVED, f"{distributor.distributor_id} is {distributor.status}, not approved."
        )
    plan = programs.plan_at(program, told.at).plan
    cause = _cause("ref", caller, program.program_id, idempotency_key)
    if idempotency_key is not None:
        _remember(
            program.program_id, cause, told.customer_id, distributor.distributor_id, told.source, clock.stored(told.at)
        )
    for _ in range(TRIES):
        known = _known(program, told.customer_id, told.at)
        verdict = rules.decide(known, distributor.distributor_id, told.at, plan.attribution)
        binding = Binding(told.customer_id, _next_n(known), distributor.distributor_id, told.at, told.source, cause)
        if verdict.result not in (Result.BOUND, Result.TAKEN) or _put_told(caller, program, binding, verdict.result):
            return _outcome(program, told.customer_id, verdict)
    raise changed_meanwhile()


def _told_distributor(program_id: str, told: Referral) -> Distributor:
    if told.code is not None:
        return _by_code(program_id, told.code)
    distributor = distributors.find(program_id, told.distributor_id or "")
    if distributor is None:
        detail = f"There is no distributor {told.distributor_id}."
        raise Invalid(
            Code.UNKNOWN_DISTRIBUTOR, detail, [FieldError("/distributor_id", Code.UNKNOWN_DISTRIBUTOR, detail)]
        )
    return distributor


def _put_told(caller: Caller, program: Program, binding: Binding, result: Result) -> bool:
    item = BindingItem.of(program.program_id, binding)
    if caller.scope is not Scope.OPERATOR:
        return item.put_new()
    detail: dict[str, object] = {"distributor_id": binding.distributor_id, "result": result.value, "n": binding.n}
    row = access.audit_row(caller, program.now(), "referral.bind", binding.customer_id, detail=detail)
    try:
        transact(Put(item), Put(row))
    except Refused:
        return False
    return True


def _outcome(program: Program, customer_id: str, verdict: Verdict) -> Outcome:
    current = history(program, customer_id).current
    whose = None if current is None else current.binding.distributor_id
    return Outcome(verdict.result, verdict.why, customer_id, whose)


def record_click(
    caller: Caller, program: Program, visit: Visit, idempotency_key: str | None = None
) -> tuple[Click, bool]:
    """Keep that a visitor followed a distributor's link; False: this Idempotency-Key has told it before.

    Whether the distributor may earn is judged when an order comes. Raises Invalid `unknown_code`,
    `time_out_of_range`, Conflict `exists_with_different_content`.
    """
    _within_reach(program, visit.at)
    distributor = _by_code(program.program_id, visit.code)
    click_id = _cause("clk", caller, program.program_id, idempotency_key)
    if idempotency_key is not None:
        told = (distributor.code, visit.visitor_id, visit.url, visit.channel, clock.stored(visit.at))
        _remember(program.program_id, click_id, *told)
    item = ClickItem(
        visitor_key(program.program_id, visit.visitor_id),
        f"click#{clock.stored(visit.at)}#{click_id}",
        distributor_id=distributor.distributor_id,
        code=distributor.code,
        url=visit.url,
        channel=visit.channel,
    )
    return Click(click_id, distributor.distributor_id), item.put_new()


def history(program: Program, customer_id: str) -> History:
    """Whose customer it is on the program's clock, and its newest bindings. A stranger's are none."""
    items = _binding_items(program.program_id, customer_id, limit=HISTORY_MAX)
    bindings = tuple(item.binding() for item in items)
    current = _living(program, bindings[0]) if bindings else None
    return History(customer_id, current, bindings)


def customers_of(
    program: Program, distributor_id: str, limit: int, place: Place | None
) -> tuple[list[Customer], Place | None]:
    """The customers who are a distributor's now, newest first, and where the list goes on. Raises NotFound.

    A page leaves out those who were taken or whose binding ran out, so it may be short and still have a next one.
    """
    distributors.get(program.program_id, distributor_id)
    key = distributor_key(program.program_id, distributor_id)
    found = BindingItem.by_distributor.query(key, scan_index_forward=False, last_evaluated_key=place)
    items, further = page(found, limit)
    return list(_customers(program, [item.binding() for item in items])), further


def _customers(program: Program, bindings: Sequence[Binding]) -> Iterator[Customer]:
    following = [(customer_key(program.program_id, each.customer_id), binding_key(each.n + 1)) for each in bindings]
    ended = {(item.pk, item.sk) for item in BindingItem.batch_get(following, consistent_read=True)}
    for binding, key in zip(bindings, following, strict=True):
        standing = None if key in ended else _living(program, binding)
        if standing is not None:
            yield Customer(binding.customer_id, binding.since, standing.lives_until)


def _living(program: Program, newest: Binding) -> Standing | None:
    """A customer's newest binding, if it lives now. Clocks drift: one told a little ahead of ours counts at once."""
    now = max(program.now(), newest.since)
    standing = _standing(program, newest, now)
    return standing if standing.lives_at(now) else None


def _known(program: Program, customer_id: str, at: datetime, but_order: str | None = None) -> Known:
    newest: Binding | None = None
    for item in _binding_items(program.program_id, customer_id):
        binding = item.binding()
        newest = newest or binding
        if binding.since <= at and not binding.made_by(but_order):
            return Known(newest, _standing(program, binding, at))
    return Known(newest, None)


def _standing(program: Program, binding: Binding, at: datetime) -> Standing:
    terms = _terms(program, binding.since)
    renewal = _last_renewal(program.program_id, binding, at) if any(each.records for each in terms) else None
    last, order_id = renewal or (binding.since, None)
    counted_from, lives_until = rules.counted_from(last, terms, at), rules.lives_until(last, terms)
    return Standing(binding, counted_from, order_id, lives_until)


def _terms(program: Program, since: datetime) -> tuple[rules.Stretch, ...]:
    """The terms of bindings from `since` on, by all plan versions that are published."""
    first = program.plan_version_at(since)
    marks = [mark for mark in program.plans if mark.effective_at > since or mark.version == first]
    versions = sorted(marks, key=lambda mark: mark.version)
    return rules.stretches(
        (mark.effective_at, programs.plan(program.program_id, mark.version).attribution) for mark in versions
    )


def _last_renewal(program_id: str, binding: Binding, at: datetime) -> tuple[datetime, str] | None:
    items = RenewalItem.query(
        customer_key(program_id, binding.customer_id),
        RenewalItem.sk.between(f"renewal#{clock.stored(binding.since)}", f"renewal#{clock.stored(at)}{_LAST}"),
        scan_index_forward=False,
        page_size=_AT_ONCE,
        consistent_read=True,
    )
    item = next((item for item in items if item.n == binding.n), None)
    if item is None:
        return None
    _, paid_at, order_id = item.sk.split("#")
    return clock.read(paid_at), order_id


def _binding_items(program_id: str, customer_id: str, limit: int | None = None) -> Iterator[BindingItem]:
    """A customer's bindings, newest first."""
    return iter(
        BindingItem.query(
            customer_key(program_id, customer_id),
            BindingItem.sk.startswith("binding#"),
            scan_index_forward=False,
            limit=limit,
            page_size=limit or _AT_ONCE,
            consistent_read=True,
        )
    )


def _next_n(known: Known) -> int:
    return 1 if known.newest is None else known.newest.n + 1


def _cause(prefix: str, caller: Caller, program_id: str, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return ids.new(prefix)
    return ids.from_cause(prefix, program_id, caller.actor, idempotency_key)


def _remember(program_id: str, cause: str, *asked: str | None) -> None:
    """Keep what an Idempotency-Key asked for. Raises Conflict: it asked for something else before."""
    content = ids.digest(*map(repr, asked)).hex()
    item = KeyItem(f"{program_id}#k#{cause}", "key", asked=content)
    before = None if item.put_new() else KeyItem.find(item.pk, item.sk, consistent=True)
    if before is not None and before.asked != content:
        raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, "This Idempotency-Key came with another body before.")


def _by_code(program_id: str, code: str) -> Distributor:
    distributor = distributors.by_code(program_id, code)
    if distributor is None:
        detail = f"Nobody has the code {code}."
        raise Invalid(Code.UNKNOWN_CODE, detail, [FieldError("/code", Code.UNKNOWN_CODE, detail)])
    return distributor


def _within_reach(program: Program, at: datetime) -> None:
    if not clock.within_reach(at, program.now()):
        detail = "A time is at most 10 minutes ahead of the program's clock and 400 days back."
        raise Invalid(Code.TIME_OUT_OF_RANGE, detail, [FieldError("/at", Code.TIME_OUT_OF_RANGE, detail)])
