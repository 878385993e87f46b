"""plan.md's worked cases of "How much", on the deployed platform."""

from collections.abc import Callable

from tests.journeys.client import Shop, pick
from tests.journeys.plans import plan

MakeShop = Callable[..., Shop]


def test_case_1_two_percent_of_9900_is_198(make_shop: MakeShop) -> None:
    shop = make_shop(plan(200, ()))
    seller = shop.distributor("seller")
    told = shop.order("A", 9900, code=seller["code"])
    assert told["attribution"] == {
        "credited": True,
        "distributor_id": pick(seller),
        "reason": "code",
        "tried": [{"evidence": "code", "result": "code"}],
    }
    explained = shop.explained("A")
    (tier,) = explained["tiers"]
    assert (tier["tier"], tier["distributor_id"], tier["level"], tier["target_minor"]) == (1, pick(seller), 1, 198)
    assert tier["lines"] == [
        {"line_id": "1", "base_minor": 9900, "rule": "level", "rate_bp": 200, "fixed_minor": 0, "exact": "19800/100"}
    ]


def test_cases_2_and_3_three_tiers_a_refund_and_the_rest(shop: Shop) -> None:
    chain = shop.chain()
    shop.product("special", rate_bp=1000)
    shop.order("B", ("special", 6000), 4000, code=chain[0]["code"])
    explained = shop.explained("B")
    assert [tier["target_minor"] for tier in explained["tiers"]] == [920, 200, 100]
    assert [tier["distributor_id"] for tier in explained["tiers"]] == [pick(one) for one in chain]

    shop.refund("B", "r-1", ("2", 2001, 0))
    explained = shop.explained("B")
    assert [tier["target_minor"] for tier in explained["tiers"]] == [759, 159, 79]
    assert explained["decisions"][-1]["deltas"] == [-161, -41, -21]
    assert [(line["base_minor"], line["rule"], line["exact"]) for line in explained["tiers"][0]["lines"]] == [
        (6000, "replace", "60000/100"),
        (1999, "level", "15992/100"),
    ]

    shop.refund("B", "r-2", ("1", 6000, 1), ("2", 1999, 1))
    explained = shop.explained("B")
    assert [tier["target_minor"] for tier in explained["tiers"]] == [0, 0, 0]
    assert {tier["status"] for tier in explained["tiers"]} == {"clawed_back"}


def test_case_4_one_floor_an_order(make_shop: MakeShop) -> None:
    shop = make_shop(plan(200, ()))
    code = shop.distributor("seller")["code"]
    shop.order("C", 333, 333, 333, code=code)
    for n in range(3):
        shop.order(f"C{n}", 333, code=code)
    assert shop.targets("C") == [19]
    assert [shop.targets(f"C{n}") for n in range(3)] == [[6], [6], [6]]


def test_case_5_a_fixed_amount_never_passes_what_is_left(make_shop: MakeShop) -> None:
    shop = make_shop(plan(200, (), cap_bp=10000))
    code = shop.distributor("seller")["code"]
    shop.product("fix", fixed_minor=500)
    for order_id, back, left in (("D", 3000, 0), ("E", 2700, 300)):
        shop.order(order_id, ("fix", 3000), code=code)
        assert shop.targets(order_id) == [500]
        shop.refund(order_id, "r", ("1", back, 0))
        assert shop.targets(order_id) == [left]
