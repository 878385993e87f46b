"""What operators set, change and take back: plans, products, coupons, and who takes part."""

from collections.abc import Callable

from tests.journeys.client import Shop, done, pick
from tests.journeys.plans import plan

MakeShop = Callable[..., Shop]

LATER = "2026-03-05T10:00:00+08:00"


def test_a_rule_and_a_coupon_hold_from_then_on_and_until_they_end(shop: Shop) -> None:
    seller, other = shop.distributor("seller"), shop.distributor("other")
    key = shop.keys.operator
    shop.product("special", rate_bp=1000)
    shop.coupon("SPRING", pick(seller))
    shop.order("A", ("special", 1000), coupon_codes=["SPRING"])
    shop.move_clock(LATER)
    done(shop.api.delete("/v1/products/special", key=key), 204)
    done(shop.api.put("/v1/coupons/SPRING", {"distributor_id": pick(other)}, key=key))
    shop.order("B", ("special", 1000), coupon_codes=["SPRING"], paid_at=LATER)
    shop.order("C", ("special", 1000), coupon_codes=["SPRING"])  # told later, judged as of when it was paid
    assert [shop.targets(order_id) for order_id in "ABC"] == [[100], [80], [100]]
    earned = [shop.explained(order_id)["distributor_id"] for order_id in "ABC"]
    assert earned == [pick(seller), pick(other), pick(seller)]
    done(shop.api.delete("/v1/coupons/SPRING", key=key), 204)
    assert shop.api.get("/v1/coupons/SPRING", key=key).status == 404
    assert shop.api.get("/v1/products/special", key=key).status == 404


def test_products_tell_their_versions(shop: Shop) -> None:
    shop.product("special", rate_bp=1000)
    shop.product("gift", eligible=False)
    assert [product["sku"] for product in shop.all("/v1/products", limit=1)] == ["gift", "special"]
    (version,) = shop.get("/v1/products/special")["versions"]
    assert version["rule"]["rate_bp"] == 1000


def test_an_order_is_judged_by_the_plan_of_when_it_was_paid(shop: Shop) -> None:
    code = shop.distributor("seller")["code"]
    assert shop.publish(plan(500, ()), LATER) == 2
    shop.order("A", 1000, code=code)
    shop.move_clock(LATER)
    shop.order("B", 1000, code=code, paid_at=LATER)
    assert [shop.explained(order_id)["plan_version"] for order_id in "AB"] == [1, 2]
    assert [shop.targets(order_id) for order_id in "AB"] == [[80], [50]]
    whole = shop.get("/v1/program/plans/2")
    assert (whole["published_by"], whole["plan"]["tracks"]["default"]["levels"][0]["rate_bp"]) == ("wang", 500)
    assert [version["version"] for version in shop.all("/v1/program/plans")] == [2, 1]


def test_a_bad_plan_is_refused_with_every_problem_and_presets_are_good_ones(make_shop: MakeShop) -> None:
    shop = make_shop(None, country="CN")
    key = shop.keys.operator
    bad = plan(uplines=(200, 100, 50))
    found = done(shop.api.post("/v1/program/plans/check", {"plan": bad}, key=key))
    answer = shop.api.post("/v1/program/plans", {"plan": bad, "effective_at": LATER}, key=key)
    assert (answer.status, answer.code) == (422, "invalid_plan")
    assert {(problem["pointer"], problem["code"]) for problem in found["problems"]} == answer.errors
    assert len(answer.errors) >= 1
    presets = done(shop.api.get("/v1/presets", key=key))["data"]
    names = {preset["name"] for preset in presets}
    assert names == {"rocket-snail-7", "bronze-silver-gold", "teacher", "three-tier"}
    for preset in presets:
        problems = done(shop.api.post("/v1/program/plans/check", {"plan": preset["plan"]}, key=key))["problems"]
        # In CN, two uplines have to be acknowledged by somebody.
        assert bool(problems) == (preset["name"] == "three-tier"), problems


def test_who_is_rejected_or_closed_stays_so(make_shop: MakeShop) -> None:
    shop = make_shop(plan(entry="review"))
    ann, bob = shop.distributor("ann"), shop.distributor("bob")
    shop.stands(ann, "reject")
    shop.stands(bob, "approve")
    shop.stands(bob, "close")
    for distributor, action in ((ann, "approve"), (bob, "reinstate"), (ann, "close")):
        path = f"/v1/distributors/{pick(distributor)}/{action}"
        answer = shop.api.post(path, {"reason": "again"}, key=shop.keys.operator)
        assert (answer.status, answer.code) == (409, "wrong_status")
    assert {one["status"] for one in shop.all("/v1/distributors")} == {"rejected", "closed"}
    assert [one["user_id"] for one in shop.all("/v1/distributors?status=closed")] == ["bob"]
    told = [(row["action"], row["subject"], row["reason"]) for row in shop.all("/v1/audit")]
    assert ("distributor.reject", pick(ann), "so decided") in told
    assert ("distributor.close", pick(bob), "so decided") in told


def test_contact_is_for_operators_and_auditors(shop: Shop) -> None:
    seller = shop.distributor("seller", contact={"phone": "123"})
    path = f"/v1/distributors/{pick(seller)}"
    body = {"name": "Seller", "contact": {"email": "s@example.com"}}
    changed = done(shop.api.patch(path, body, key=shop.keys.operator))
    assert (changed["name"], changed["contact"]) == ("Seller", {"email": "s@example.com"})
    assert shop.get(path)["contact"] == {"email": "s@example.com"}
    assert "contact" not in shop.api.get(path, key=shop.keys.storefront).json
    assert "example.com" not in str(list(shop.all("/v1/audit")))
