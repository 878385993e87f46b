"""Deciding orders over their real tables: whatever comes first, journal and entries end as the facts say."""

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.commissions import service
from chalicelib.commissions.model import Cause
from chalicelib.ledger.model import Account, Kind
from chalicelib.shared.errors import NotFound
from tests.support_market import Market, at

PENDING, AVAILABLE = Account.PENDING, Account.AVAILABLE


def causes(market: Market, order_id: str = "A-1") -> list[str]:
    return [decision.cause.value for decision in market.journal(order_id)]


def kinds(market: Market, name: str) -> list[tuple[str, int]]:
    return [(entry.kind.value, entry.amount_minor) for entry in sorted(market.entries(name), key=lambda e: e.n)]


def balances(market: Market, *names: str) -> list[tuple[int, int]]:
    return [(market.balance(name, PENDING), market.balance(name, AVAILABLE)) for name in names]


def test_an_unknown_order_or_program_is_no_work_or_an_error(market: Market) -> None:
    service.decide("shop-1", "nothing")
    with pytest.raises(NotFound):
        service.decide("shop-9", "A-1")


def test_a_paid_order_accrues_to_each_tier(market: Market) -> None:
    market.tell("A-1")
    assert market.targets("A-1") == [1000, 200, 100]
    assert balances(market, "seller", "middle", "top") == [(1000, 0), (200, 0), (100, 0)]
    entry = market.entries("seller")[0]
    assert (entry.kind, entry.base_minor, entry.count, str(entry.counts_on)) == (Kind.ACCRUE, 10_000, 1, "2026-03-04")
    assert market.entries("middle")[0].counts_on is None


def test_a_refund_before_its_order_waits_for_it(market: Market) -> None:
    market.refund("A-1", "r-1", ("1", 4000))
    market.decide("A-1")
    assert market.journal("A-1") == []
    market.tell("A-1")
    assert market.targets("A-1") == [600, 120, 60]
    assert causes(market) == ["order"]


def test_a_full_refund_before_its_order_leaves_it_to_nobody(market: Market) -> None:
    market.refund("A-1", "r-1", ("1", 10_000))
    assert market.tell("A-1").json["attribution"]["reason"] == "fully_refunded"
    explanation = market.explained("A-1")
    assert (explanation["credited"], explanation["reason"], explanation["tiers"]) == (False, "fully_refunded", [])


def test_a_cancellation_before_its_order_leaves_it_to_nobody(market: Market) -> None:
    market.cancel("A-1")
    assert market.tell("A-1").json["attribution"]["reason"] == "cancelled"
    assert market.explained("A-1")["reason"] == "cancelled"
    assert market.entries("seller") == []


def test_an_order_cancelled_after_it_was_told_but_before_it_was_judged_says_so(market: Market) -> None:
    assert market.tell("A-1").json["attribution"]["credited"]
    market.cancel("A-1")
    explanation = market.explained("A-1")
    assert (explanation["credited"], explanation["reason"]) == (False, "cancelled")


def test_a_completion_before_its_order_releases_with_the_first_decision(market: Market) -> None:
    market.complete("A-1")
    market.tell("A-1")
    market.decide("A-1")
    assert balances(market, "seller", "middle", "top") == [(0, 1000), (0, 200), (0, 100)]
    assert len(market.journal("A-1")) == 1
    release = next(entry for entry in market.entries("seller") if entry.kind is Kind.RELEASE)
    assert release.available_at is not None
    assert release.available_at.isoformat() == "2026-03-11T16:00:00+00:00"


def test_a_completion_later_releases_all_tiers(market: Market) -> None:
    market.tell("A-1")
    market.decide("A-1")
    market.complete("A-1")
    assert [tier["available_at"] for tier in market.explained("A-1")["tiers"]] == ["2026-03-11T16:00:00Z"] * 3
    assert balances(market, "seller", "middle", "top") == [(0, 1000), (0, 200), (0, 100)]
    assert causes(market) == ["order", "completion"]


def test_the_release_stays_where_it_was_first_put(market: Market) -> None:
    market.tell("A-1", completed_at=at(minutes=5))
    market.decide("A-1")
    before = market.entries("seller")
    market.complete("A-1", at(days=-1))
    market.decide("A-1")
    assert market.entries("seller") == before


def test_a_refund_after_the_release_takes_back_from_available_in_the_same_bucket_or_later(market: Market) -> None:
    market.tell("A-1", completed_at=at())
    market.decide("A-1")
    market.refund("A-1", "r-1", ("1", 5000))
    market.decide("A-1")
    market.move_to(days=20)
    market.refund("A-1", "r-2", ("1", 1000))
    market.decide("A-1")
    found = [entry.available_at and entry.available_at.isoformat()[:10] for entry in market.entries("seller")]
    assert found == [None, "2026-03-11", "2026-03-23", "2026-03-11"]
    assert balances(market, "seller", "middle", "top") == [(0, 400), (0, 80), (0, 40)]


def test_a_hold_that_is_over_before_the_decision_releases_on_the_day_of_the_decision(market: Market) -> None:
    market.tell("A-1", completed_at=at())
    market.move_to(days=30)
    market.decide("A-1")
    assert [tier["available_at"] for tier in market.explained("A-1")["tiers"]] == ["2026-04-02T16:00:00Z"] * 3
    assert [tier["status"] for tier in market.explained("A-1")["tiers"]] == ["available"] * 3


def test_a_hold_may_start_with_the_payment(make_market: Callable[..., Market]) -> None:
    market = make_market(hold={"starts": "paid", "days": 0})
    market.tell("A-1")
    market.decide("A-1")
    # The first midnight later than the close of the paid day, 5 March 03:00.
    assert market.journal("A-1")[0].available_at == market.entries("top")[-1].available_at
    assert market.explained("A-1")["tiers"][0]["available_at"] == "2026-03-05T16:00:00Z"


def test_a_cancellation_takes_everything_back(market: Market) -> None:
    market.tell("A-1", completed_at=at())
    market.decide("A-1")
    market.cancel("A-1")
    explanation = market.explained("A-1")
    assert [tier["status"] for tier in explanation["tiers"]] == ["clawed_back"] * 3
    assert (explanation["credited"], explanation["reason"]) == (True, "code")
    assert causes(market) == ["order", "cancellation"]
    assert balances(market, "seller", "middle", "top") == [(0, 0)] * 3
    market.refund("A-1", "r-1", ("1", 10))
    market.decide("A-1")
    assert causes(market) == ["order", "cancellation"]


def test_facts_of_several_days_are_booked_on_theirs_though_decided_at_once(market: Market) -> None:
    market.tell("A-1")
    for day in (1, 2, 3):
        market.move_to(days=day)
        market.refund("A-1", f"r-{day}", ("1", 1000))
    market.decide("A-1")
    days = [(str(entry.counts_on)[5:], entry.base_minor, entry.count) for entry in market.entries("seller")]
    assert days == [("03-04", 10_000, 1), ("03-05", -1000, 0), ("03-06", -1000, 0), ("03-07", -1000, 0)]


@pytest.mark.parametrize(("hours", "day"), [(16.9, "03-04"), (17, "03-05")])
def test_a_fact_counts_for_the_paid_day_until_its_close(market: Market, hours: float, day: str) -> None:
    market.move_to(minutes=hours * 60)
    market.tell("A-1")
    market.decide("A-1")
    assert str(market.entries("seller")[0].counts_on) == f"2026-{day}"


def test_a_base_that_pays_nothing_still_counts_for_the_volume(market: Market) -> None:
    market.rule("nil", rate_bp=0)
    market.tell("A-1", ("nil", 40))
    market.decide("A-1")
    market.refund("A-1", "r-1", ("1", 30))
    market.refund("A-1", "r-2", ("1", 10))
    market.decide("A-1")
    found = [(entry.kind, entry.amount_minor, entry.base_minor, entry.count) for entry in market.entries("seller")]
    assert found == [(Kind.ACCRUE, 0, 40, 1), (Kind.CLAWBACK, 0, -40, -1)]


def test_everything_is_frozen_when_the_order_is_first_judged(market: Market) -> None:
    market.rule("x", rate_bp=3000)
    market.tell("A-1")
    market.decide("A-1")
    market.rule("x", rate_bp=1)
    seller = market.id("seller")
    market.post(
        f"/v1/distributors/{seller}/sponsor", {"sponsor_id": None, "reason": "moved"}, 200, market.shop.operator
    )
    market.post(f"/v1/distributors/{seller}/suspend", {"reason": "fraud"}, 200, market.shop.operator)
    market.refund("A-1", "r-1", ("1", 5000))
    assert market.targets("A-1") == [1500, 100, 50]


def test_a_late_judging_uses_what_held_when_the_order_was_paid(market: Market) -> None:
    market.tell("A-1")
    market.move_to(days=1)
    market.rule("x", rate_bp=1)
    for name in ("seller", "middle"):
        path = f"/v1/distributors/{market.id(name)}/suspend"
        market.post(path, {"reason": "fraud"}, 200, market.shop.operator)
    assert market.targets("A-1") == [1000, 200, 100]


def test_a_suspended_upline_is_skipped_and_told(market: Market) -> None:
    path = f"/v1/distributors/{market.id('middle')}/suspend"
    market.post(path, {"reason": "fraud"}, 200, market.shop.operator)
    market.tell("A-1")
    assert market.explained("A-1")["tiers"][1] == {
        "tier": 2, "distributor_id": market.id("middle"), "level": None, "target_minor": 0, "lines": [],
        "status": "void", "reason": "distributor_suspended", "available_at": None,
    }  # fmt: skip
    assert market.targets("A-1") == [1000, 0, 100]
    assert market.entries("middle") == []
    assert market.get(f"/v1/commissions?distributor_id={market.id('middle')}")["data"] == []
    assert [row["tier"] for row in market.get("/v1/commissions?order_id=A-1")["data"]] == [1, 3]


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        ({"referral_code": None}, "no_referral"),
        ({"referral_code": "NOBODY"}, "unknown_code"),
        ({"currency": "USD"}, "other_currency"),
        ({"lines": [{"line_id": "1", "sku": "x", "quantity": 1, "paid_minor": 0}]}, "zero_amount"),
        ({"lines": [{"line_id": "1", "sku": "no", "quantity": 1, "paid_minor": 5}]}, "product_not_eligible"),
    ],
)
def test_an_order_of_nobodys_is_decided_with_its_reason(market: Market, says: dict[str, Any], reason: str) -> None:
    market.rule("no", eligible=False)
    assert market.tell("A-1", **says).json["attribution"]["reason"] == reason
    explanation = market.explained("A-1")
    assert (explanation["credited"], explanation["distributor_id"]) == (False, None)
    assert (explanation["reason"], explanation["tiers"], explanation["plan_version"]) == (reason, [], 1)
    assert [(d["n"], d["cause"], d["targets"]) for d in explanation["decisions"]] == [(1, "order", [])]
    market.refund("A-1", "r-1", ("1", 1))
    market.complete("A-1")
    market.decide("A-1")
    assert len(market.journal("A-1")) == 1
    assert market.entries("seller") == []


def test_orders_paid_in_a_pause_credit_nobody(market: Market) -> None:
    assert market.api.patch("/v1/program", {"paused": True, "reason": "x"}, key=market.shop.operator).status == 200
    market.move_to(minutes=2)
    market.tell("A-1", paid_at=at(minutes=1))
    assert market.explained("A-1")["reason"] == "program_paused"


def test_lines_that_may_not_be_sold_count_for_nobody(market: Market) -> None:
    market.rule("no", eligible=False)
    market.tell("A-1", ("no", 7000), ("x", 3000))
    assert market.targets("A-1") == [300, 60, 30]
    assert market.entries("seller")[0].base_minor == 3000


# Attributions by hand


def test_a_new_attribution_takes_everything_back_and_books_it_anew(market: Market) -> None:
    market.join("other", "top")
    market.tell("A-1", completed_at=at())
    market.decide("A-1")
    assert market.attribute("A-1", "other").json == {
        "credited": True, "distributor_id": market.id("other"), "reason": "manual", "tried": [],
    }  # fmt: skip
    explanation = market.explained("A-1")
    assert (explanation["distributor_id"], explanation["reason"]) == (market.id("other"), "manual")
    assert [market.name(tier["distributor_id"]) for tier in explanation["tiers"]] == ["other", "top"]
    assert [decision["targets"] for decision in explanation["decisions"]] == [[1000, 200, 100], [0, 0, 0], [1000, 200]]
    assert balances(market, "seller", "middle", "other", "top") == [(0, 0), (0, 0), (0, 1000), (0, 200)]


def test_an_attribution_to_nobody_and_back_again(market: Market) -> None:
    market.tell("A-1")
    market.decide("A-1")
    assert market.attribute("A-1", None).json["credited"] is False
    explanation = market.explained("A-1")
    assert (explanation["credited"], explanation["reason"], explanation["tiers"]) == (False, "manual", [])
    assert balances(market, "seller", "middle", "top") == [(0, 0)] * 3
    market.attribute("A-1", "seller", "it was theirs")
    assert market.targets("A-1") == [1000, 200, 100]
    assert causes(market) == ["order", "attribution", "attribution", "attribution"]
    assert kinds(market, "seller") == [("accrue", 1000), ("clawback", 1000), ("accrue", 1000)]


def test_attributions_are_judged_in_turn_though_decided_at_once(market: Market) -> None:
    market.join("other")
    market.tell("A-1")
    for day, name in enumerate(["other", None, "seller"], start=1):
        market.move_to(days=day)
        market.refund("A-1", f"r-{day}", ("1", 1000))
        market.attribute("A-1", name)
    market.decide("A-1")
    days = {
        name: [(str(e.counts_on)[5:], e.base_minor) for e in sorted(market.entries(name), key=lambda e: e.n)]
        for name in ("seller", "other")
    }
    assert days["seller"] == [("03-04", 10_000), ("03-05", -10_000), ("03-07", 7000)]
    assert days["other"] == [("03-05", 9000), ("03-06", -9000)]


def test_what_is_about_to_be_taken_back_is_not_released(market: Market) -> None:
    market.tell("A-1", completed_at=at())
    market.attribute("A-1", "top")
    market.decide("A-1")
    assert kinds(market, "seller") == [("accrue", 1000), ("clawback", 1000)]
    assert balances(market, "seller", "middle", "top") == [(0, 0), (0, 0), (0, 1000)]


def test_uncredited_orders_may_be_given_to_somebody(market: Market) -> None:
    market.tell("A-1", referral_code=None)
    market.decide("A-1")
    market.attribute("A-1", "middle")
    assert market.targets("A-1") == [1000, 200]


def test_there_is_one_commission_for_each_tier_and_beneficiary(market: Market) -> None:
    market.join("other", "top")
    market.tell("A-1")
    for name in ("other", "seller", "top", None, "other"):
        market.decide("A-1")
        market.attribute("A-1", name, f"to {name}")
    market.decide("A-1")
    rows = market.get("/v1/commissions?order_id=A-1")["data"]
    found = sorted(
        (row["tier"], market.name(row["distributor_id"]), row["amount_minor"], row["status"]) for row in rows
    )
    assert found == [
        (1, "other", 1000, "pending"),
        (1, "seller", 0, "clawed_back"),
        (1, "top", 0, "clawed_back"),
        (2, "middle", 0, "clawed_back"),
        (2, "top", 200, "pending"),
        (3, "top", 0, "clawed_back"),
    ]
    for name in ("seller", "other", "middle", "top"):
        mine = market.walk(f"/v1/distributors/{market.id(name)}/commissions")
        assert sorted(row["commission_id"] for row in mine) == sorted(
            row["commission_id"] for row in rows if row["distributor_id"] == market.id(name)
        )


def test_saying_the_same_again_is_no_new_attribution(market: Market) -> None:
    market.tell("A-1")
    market.attribute("A-1", "middle")
    market.attribute("A-1", "middle")
    market.decide("A-1")
    assert causes(market) == ["order", "attribution", "attribution"]


def test_who_may_not_earn_gets_no_order(market: Market) -> None:
    market.tell("A-1")
    body = {"distributor_id": "dst_nobody", "reason": "x"}
    answer = market.post("/v1/orders/A-1/attribution", body, 422, market.shop.operator)
    assert answer.code == "unknown_distributor"
    market.post(f"/v1/distributors/{market.id('top')}/suspend", {"reason": "x"}, 200, market.shop.operator)
    market.tell("A-2", paid_at=at(minutes=1))
    assert market.attribute("A-2", "top", expect=409).code == "distributor_not_approved"
    market.tell("A-3", paid_at=None)
    assert market.attribute("A-3", "seller", expect=409).code == "not_attributable"


def test_an_attribution_by_hand_leaves_a_trace(market: Market) -> None:
    market.tell("A-1")
    market.attribute("A-1", "middle", "phone call")
    row = next(row for row in market.get("/v1/audit")["data"] if row["action"] == "order.attribute")
    assert (row["actor"], row["subject"], row["reason"]) == ("wang", "A-1", "phone call")


def test_a_cancelled_order_may_be_attributed_and_pays_nothing(market: Market) -> None:
    market.tell("A-1")
    market.cancel("A-1")
    market.decide("A-1")
    market.attribute("A-1", "middle")
    assert market.targets("A-1") == [0, 0]
    assert [decision.cause for decision in market.journal("A-1")] == [Cause.ORDER, Cause.ATTRIBUTION]


def test_an_order_in_another_currency_pays_nobody_by_hand_either(market: Market) -> None:
    market.tell("A-1", currency="USD")
    assert market.attribute("A-1", "seller", expect=409).code == "not_attributable"
    market.attribute("A-1", None)
    assert market.explained("A-1")["credited"] is False
