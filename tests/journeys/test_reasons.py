"""Every reason code that an order can have before qualifications exist, told by the deployed platform."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.client import NOW, Shop, done, order, pick
from tests.journeys.plans import plan

MakeShop = Callable[..., Shop]

BEFORE = "2026-03-03T10:00:00+08:00"
LONG_BEFORE = "2026-02-01T10:00:00+08:00"


def judged(shop: Shop, order_id: str = "A") -> tuple[bool, str]:
    """Whether an order is credited and why, as the explanation says once it is decided."""
    explained = shop.explained(order_id)
    assert explained["credited"] == bool(explained["tiers"])
    return explained["credited"], explained["reason"]


def test_binding(shop: Shop) -> None:
    seller = shop.distributor("seller")
    assert shop.refer("ann", seller)["result"] == "bound"
    told = shop.order("A", 1000, customer_id="ann")
    assert told["attribution"]["tried"] == [{"evidence": "binding", "result": "binding"}]
    assert judged(shop) == (True, "binding")


def test_code_in_either_case(shop: Shop) -> None:
    shop.order("A", 1000, code=shop.distributor("seller")["code"].lower())
    assert judged(shop) == (True, "code")


def test_coupon(shop: Shop) -> None:
    shop.coupon("SPRING", pick(shop.distributor("seller")))
    shop.order("A", 1000, coupon_codes=["nobodys", "spring"])
    assert judged(shop) == (True, "coupon")


def test_click(shop: Shop) -> None:
    first, second = shop.distributor("first"), shop.distributor("second")
    shop.click("v-1", first, BEFORE)
    shop.click("v-1", second, NOW)
    shop.order("A", 1000, visitor_id="v-1")
    explained = shop.explained("A")
    assert (explained["reason"], explained["distributor_id"]) == ("click", pick(second))


def test_a_click_too_old_is_no_referral(shop: Shop) -> None:
    shop.click("v-1", shop.distributor("seller"), LONG_BEFORE)
    told = shop.order("A", 1000, visitor_id="v-1")
    assert told["attribution"]["tried"] == [{"evidence": "click", "result": "no_referral"}]
    assert judged(shop) == (False, "no_referral")


def test_self_purchase(shop: Shop) -> None:
    seller = shop.distributor("seller")
    shop.order("A", 1000, customer_id="seller")
    explained = shop.explained("A")
    assert (explained["reason"], explained["distributor_id"]) == ("self_purchase", pick(seller))


def test_self_purchase_for_the_sponsor(make_shop: MakeShop) -> None:
    shop = make_shop(plan(self_purchase="sponsor"))
    top = shop.distributor("top")
    shop.distributor("seller", top)
    shop.order("A", 1000, customer_id="seller")
    explained = shop.explained("A")
    assert (explained["reason"], explained["distributor_id"]) == ("self_purchase", pick(top))


def test_self_purchase_excluded(make_shop: MakeShop) -> None:
    shop = make_shop(plan(self_purchase="none"))
    seller, other = shop.distributor("seller"), shop.distributor("other")
    shop.order("A", 1000, customer_id="seller", code=other["code"])
    assert judged(shop) == (False, "self_purchase_excluded")
    assert seller["status"] == "approved"


def test_manual(shop: Shop) -> None:
    seller = shop.distributor("seller")
    shop.order("A", 1000)
    assert judged(shop) == (False, "no_referral")
    assert done(shop.attribute("A", seller))["reason"] == "manual"
    assert judged(shop) == (True, "manual")
    done(shop.attribute("A", None))
    assert judged(shop) == (False, "manual")


def test_no_referral(shop: Shop) -> None:
    assert shop.order("A", 1000)["attribution"]["tried"] == []
    assert judged(shop) == (False, "no_referral")


def test_binding_expired(make_shop: MakeShop) -> None:
    shop = make_shop(plan(days=10))
    shop.refer("ann", shop.distributor("seller"))
    shop.move_clock("2026-03-14T10:00:01+08:00")
    shop.order("A", 1000, customer_id="ann", paid_at="2026-03-14T10:00:00+08:00")
    shop.order("B", 1000, customer_id="ann", paid_at="2026-03-14T10:00:01+08:00")
    assert judged(shop, "A") == (True, "binding")
    assert judged(shop, "B") == (True, "binding")
    shop.move_clock("2026-03-25T10:00:01+08:00")
    shop.order("C", 1000, customer_id="ann", paid_at="2026-03-25T10:00:01+08:00")
    assert judged(shop, "C") == (False, "binding_expired")


def test_unknown_code(shop: Shop) -> None:
    shop.order("A", 1000, code="NOBODYS123")
    assert judged(shop) == (False, "unknown_code")


def test_distributor_not_approved(make_shop: MakeShop) -> None:
    shop = make_shop(plan(entry="review"))
    seller = shop.distributor("seller")
    assert seller["status"] == "pending"
    shop.order("A", 1000, code=seller["code"])
    assert judged(shop) == (False, "distributor_not_approved")
    shop.stands(seller, "approve")
    shop.order("B", 1000, code=seller["code"])
    assert judged(shop, "B") == (True, "code")
    assert judged(shop) == (False, "distributor_not_approved")


def test_distributor_suspended(shop: Shop) -> None:
    seller = shop.distributor("seller")
    shop.stands(seller, "suspend")
    shop.order("A", 1000, code=seller["code"])
    assert judged(shop) == (False, "distributor_suspended")
    shop.stands(seller, "reinstate")
    shop.order("B", 1000, code=seller["code"])
    assert judged(shop, "B") == (True, "code")


def test_what_lost_is_told_before_what_won(shop: Shop) -> None:
    suspended, seller = shop.distributor("suspended"), shop.distributor("seller")
    shop.coupon("SPRING", pick(seller))
    shop.stands(suspended, "suspend")
    told = shop.order("A", 1000, code=suspended["code"], coupon_codes=["SPRING"])
    assert told["attribution"]["tried"] == [
        {"evidence": "code", "result": "distributor_suspended"},
        {"evidence": "coupon", "result": "coupon"},
    ]
    assert judged(shop) == (True, "coupon")


def test_uplines_who_cannot_be_paid_are_skipped_and_nothing_rolls_up(shop: Shop) -> None:
    seller, middle, top = shop.chain()
    shop.stands(middle, "suspend")
    shop.stands(top, "close")
    shop.order("A", 10000, code=seller["code"])
    tiers = shop.explained("A")["tiers"]
    assert [(tier["target_minor"], tier["status"], tier["reason"]) for tier in tiers] == [
        (800, "pending", None),
        (0, "void", "distributor_suspended"),
        (0, "void", "distributor_not_approved"),
    ]
    assert tiers[1]["lines"] == []
    assert tiers[1]["level"] is None
    assert shop.statement(middle) == []
    (commission,) = shop.all("/v1/commissions?order_id=A")
    assert commission["distributor_id"] == pick(seller)


def test_product_not_eligible(shop: Shop) -> None:
    seller = shop.distributor("seller")
    shop.product("gift-card", eligible=False)
    shop.order("A", ("gift-card", 1000), code=seller["code"])
    shop.order("B", ("gift-card", 1000), 500, code=seller["code"])
    assert judged(shop) == (False, "product_not_eligible")
    assert shop.targets("B") == [40]


def test_program_paused(shop: Shop) -> None:
    seller = shop.distributor("seller")
    pause = {"paused": True, "reason": "stock-taking"}
    assert done(shop.api.patch("/v1/program", pause, key=shop.keys.operator))["paused"]
    shop.order("A", 1000, code=seller["code"])
    assert judged(shop) == (False, "program_paused")
    shop.move_clock("2026-03-04T11:00:00+08:00")
    done(shop.api.patch("/v1/program", {"paused": False}, key=shop.keys.operator))
    shop.order("B", 1000, code=seller["code"], paid_at="2026-03-04T11:00:00+08:00")
    shop.order("C", 1000, code=seller["code"], paid_at="2026-03-04T10:59:59+08:00")
    assert judged(shop, "B") == (True, "code")
    assert judged(shop, "C") == (False, "program_paused")


@dataclass(frozen=True)
class Against:
    """What an order says against itself."""

    reason: str
    told: dict[str, Any]
    paid: int = 1000


@pytest.mark.parametrize(
    "against",
    [
        Against("other_currency", {"currency": "USD"}),
        Against("not_paid", {"paid_at": None}),
        Against("zero_amount", {}, paid=0),
    ],
    ids=lambda against: against.reason,
)
def test_what_the_order_itself_says(shop: Shop, against: Against) -> None:
    shop.order("A", against.paid, code=shop.distributor("seller")["code"], **against.told)
    assert judged(shop) == (False, against.reason)


def test_cancelled_before_it_came(shop: Shop) -> None:
    shop.cancel("A")
    shop.order("A", 1000, code=shop.distributor("seller")["code"])
    assert judged(shop) == (False, "cancelled")


def test_fully_refunded_before_it_came(shop: Shop) -> None:
    shop.refund("A", "r-1", ("1", 1000, 0))
    shop.order("A", 1000, code=shop.distributor("seller")["code"])
    assert judged(shop) == (False, "fully_refunded")


def test_the_first_thing_said_against_an_order_is_its_reason(shop: Shop) -> None:
    body = order("A", 0, code="NOBODYS123", currency="USD")
    shop.cancel("A")
    assert shop.tell(body).status == 201
    assert judged(shop) == (False, "cancelled")


def test_nobody_is_bound_where_the_plan_binds_nobody(make_shop: MakeShop) -> None:
    shop = make_shop(plan(precedence=("code", "click")))
    seller = shop.distributor("seller")
    assert shop.refer("ann", seller)["result"] == "none"
    shop.order("A", 1000, customer_id="ann", code=seller["code"])
    shop.order("B", 1000, customer_id="ann")
    assert judged(shop) == (True, "code")
    assert judged(shop, "B") == (False, "no_referral")
