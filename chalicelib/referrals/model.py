"""The nouns of referrals."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from chalicelib.shared.value import Value

BY_ORDER: Final = "order"
"""The source of bindings that orders made."""


class Reason(StrEnum):
    """Why an order is credited, or why not. Stable: stored with orders, shown to distributors, never renamed."""

    BINDING = "binding"
    CODE = "code"
    COUPON = "coupon"
    CLICK = "click"
    SELF_PURCHASE = "self_purchase"
    MANUAL = "manual"
    """An operator said so; with `credited` false, that it is nobody's."""

    NO_REFERRAL = "no_referral"
    BINDING_EXPIRED = "binding_expired"
    UNKNOWN_CODE = "unknown_code"
    DISTRIBUTOR_NOT_APPROVED = "distributor_not_approved"
    DISTRIBUTOR_SUSPENDED = "distributor_suspended"
    QUALIFICATION_EXPIRED = "qualification_expired"
    """Reserved."""
    SELF_PURCHASE_EXCLUDED = "self_purchase_excluded"
    PRODUCT_NOT_ELIGIBLE = "product_not_eligible"
    PROGRAM_PAUSED = "program_paused"
    OTHER_CURRENCY = "other_currency"
    NOT_PAID = "not_paid"
    CANCELLED = "cancelled"
    FULLY_REFUNDED = "fully_refunded"
    ZERO_AMOUNT = "zero_amount"


class OrderEvidence(Value):
    """What a paid order says about whose it is."""

    order_id: str
    customer_id: str
    referral_code: str | None
    coupon_codes: tuple[str, ...]
    visitor_id: str | None
    paid_at: datetime


class Tried(Value):
    """One piece of evidence and what came of it: `self_purchase` or a name from `precedence`, and a reason code."""

    evidence: str
    result: str


class Attribution(Value):
    """Whose order it is, why, and what was tried on the way."""

    credited: bool
    distributor_id: str | None
    reason: Reason
    tried: tuple[Tried, ...]


class Binding(Value):
    """That a customer is a distributor's from `since` on: the `n`th of the customer, counted from 1."""

    customer_id: str
    n: int
    distributor_id: str
    since: datetime
    source: str
    """What made it: the teller's word (`link`, `qr`), or `order`."""
    cause: str
    """Which one: the order's id, or the referral's."""

    def made_by(self, order_id: str | None) -> bool:
        """Whether this order made it."""
        return self.source == BY_ORDER and self.cause == order_id


class Standing(Value):
    """A binding as of an instant."""

    binding: Binding
    counted_from: datetime
    """Its days count from here: the binding, or the customer's last credited order."""
    renewed_by: str | None
    """That order."""
    lives_until: datetime | None
    """Its last instant; None: it has none."""

    def lives_at(self, at: datetime) -> bool:
        """Whether it is alive; its last instant is part of its life."""
        return self.lives_until is None or at <= self.lives_until


class Known(Value):
    """What is known of a customer as of an instant: its newest binding of all, and the one that counted then."""

    newest: Binding | None
    standing: Standing | None

    def newer_than(self, at: datetime) -> bool:
        """Whether the customer was bound after that instant."""
        return self.newest is not None and self.newest.since > at


class Result(StrEnum):
    """What a referral did."""

    BOUND = "bound"
    KEPT = "kept"
    TAKEN = "taken"
    NONE = "none"


class Why(StrEnum):
    """Why a referral did that. Stable words."""

    FIRST_BINDING = "first_binding"
    """bound: the customer was nobody's."""
    BINDING_EXPIRED = "binding_expired"
    """bound: the customer's binding had run out."""
    TAKEOVER_ALWAYS = "takeover_always"
    """taken: the plan always lets another distributor take a customer."""
    TAKEOVER_AFTER_DAYS = "takeover_after_days"
    """taken: binding and last credited order are as old as the plan asks for."""
    ALREADY_BOUND = "already_bound"
    """kept: it is this distributor's customer."""
    TAKEOVER_NEVER = "takeover_never"
    """kept: the plan lets nobody take a customer."""
    TAKEOVER_TOO_EARLY = "takeover_too_early"
    """kept: binding or last credited order are younger than the plan asks for."""
    NEWER_BINDING = "newer_binding"
    """kept: the customer was bound at a later time than the one that is told now."""
    PLAN_BINDS_NOBODY = "plan_binds_nobody"
    """none: the plan's precedence has no `binding`."""


class Verdict(Value):
    """What a referral does, and why."""

    result: Result
    why: Why


class Outcome(Value):
    """What a referral did, why, and whose customer it is after it."""

    result: Result
    why: Why
    customer_id: str
    distributor_id: str | None


class Referral(Value):
    """What is told of a customer: by whom it came, as a code or an id, and when."""

    customer_id: str
    code: str | None
    distributor_id: str | None
    source: str
    at: datetime


class Visit(Value):
    """What is told of a visitor: whose link it followed, when, and where to."""

    code: str
    visitor_id: str
    at: datetime
    url: str | None = None
    channel: str | None = None


class Click(Value):
    """That a visitor followed a distributor's link."""

    click_id: str
    distributor_id: str


class History(Value):
    """Whose customer it is now, and all that it was: newest first."""

    customer_id: str
    current: Standing | None
    bindings: tuple[Binding, ...]


class Customer(Value):
    """A customer of a distributor; `expires_at` None: for ever, as things stand."""

    customer_id: str
    bound_at: datetime
    expires_at: datetime | None
