"""The mapping of raw baskets: the same for everyone, exact to the cent, within the API's bounds."""

from collections import defaultdict
from datetime import datetime, timedelta
from fractions import Fraction

import pytest

from infra.replay.journey import Journey, Order, load_mapping, plan_journey
from infra.replay.raw import Basket, basket_counts, baskets_of, cents, read, redemptions_of

DIGEST = "cf0b6dbb1fd9d54c598aae20fd138297a6be1f183e5ad177f6f22926df2ab2cd"
"""Of the whole replay. It changes with the mapping; say so in the changelog when it does."""


@pytest.fixture(scope="module")
def journey() -> Journey:
    return plan_journey(3000)


@pytest.fixture(scope="module")
def raw(journey: Journey) -> dict[str, Basket]:
    households = {int(order.body["customer_id"].removeprefix("hh-")) for order in journey.orders}
    return {f"b-{basket.basket_id}": basket for basket in baskets_of(households)}


def test_the_data_is_what_the_documents_say() -> None:
    counts = basket_counts()
    stores = read("transactions", ["store_id"])["store_id"]
    assert (len(stores), sum(counts.values()), len(counts)) == (1_469_307, 155_848, 2_469)
    assert len(set(stores.to_pylist())) == 457


def test_the_same_mapping_gives_the_same_replay_everywhere(journey: Journey) -> None:
    assert journey.digest() == DIGEST


def test_about_as_many_baskets_as_wanted_from_whole_households(journey: Journey, raw: dict[str, Basket]) -> None:
    assert len(journey.orders) == 3028
    assert {order.order_id for order in journey.orders} == raw.keys()
    months = {order.body["paid_at"][:7] for order in journey.orders}
    assert months == {f"2017-{month:02}" for month in range(1, 13)}


def test_fewer_baskets_keep_the_cast(journey: Journey) -> None:
    part = plan_journey(300)
    assert part.distributors == journey.distributors
    assert part.products == journey.products
    whole = {order.order_id: order for order in journey.orders}
    assert 300 <= len(part.orders) < 600
    assert all(order == whole[order.order_id] for order in part.orders)


def test_paid_is_sales_less_coupon_to_the_cent(journey: Journey) -> None:
    rows = read("transactions", ["basket_id", "product_id", "quantity", "sales_value", "coupon_disc"]).to_pydict()
    told = {
        (order.order_id, line["sku"]): (line["quantity"], line["paid_minor"])
        for order in journey.orders
        for line in order.body["lines"]
    }
    for basket, product, quantity, sales, coupon in zip(*rows.values(), strict=True):
        line = told.pop((f"b-{basket}", str(product)), None)
        if line:
            paid = max(Fraction(0), Fraction(f"{sales:.2f}") - Fraction(f"{coupon:.2f}"))
            assert line == (quantity, paid * 100)
    assert not told


@pytest.mark.parametrize(
    ("dollars", "wanted"),
    [(0.0, 0), (0.29, 29), (1.1, 110), (840.0, 84000), (1.776357e-15, 0), (0.1 + 0.2, 30), (19.99, 1999)],
)
def test_dollars_become_cents_without_noise(dollars: float, wanted: int) -> None:
    assert cents(dollars) == wanted


def test_a_fraction_of_a_cent_is_an_error() -> None:
    with pytest.raises(ValueError, match="no whole cents"):
        cents(0.295)


def test_nothing_is_dropped_because_it_is_zero(journey: Journey) -> None:
    lines = [line for order in journey.orders for line in order.body["lines"]]
    assert any(line["paid_minor"] == 0 for line in lines)
    assert any(line["quantity"] == 0 for line in lines)


def test_a_coupon_is_on_the_first_basket_of_the_day_with_a_discount(journey: Journey, raw: dict[str, Basket]) -> None:
    carried = {order.order_id: order.body["coupon_codes"] for order in journey.orders if order.body["coupon_codes"]}
    assert carried
    redeemed = defaultdict(list)
    for each in redemptions_of({basket.household_id for basket in raw.values()}):
        redeemed[each.household_id, each.day].append(f"c{each.coupon_upc}")
    for order_id, codes in carried.items():
        basket = raw[order_id]
        discounted = [
            other
            for other in raw.values()
            if (other.household_id, other.at.date()) == (basket.household_id, basket.at.date())
            and any(line.coupon_minor for line in other.lines)
        ]
        assert min(discounted, key=lambda other: (other.at, other.basket_id)) == basket
        assert codes == redeemed[basket.household_id, basket.at.date()]
        assert all(code.upper() in journey.coupons for code in codes)


def test_orders_and_facts_are_within_the_bounds(journey: Journey) -> None:
    ends = datetime.fromisoformat(journey.ends)
    for order in journey.orders:
        assert 1 <= len(order.body["lines"]) <= 200
        paid_at = datetime.fromisoformat(order.body["paid_at"])
        assert ends - timedelta(days=400) <= paid_at <= ends
        completed_at = order.body["completed_at"]
        assert completed_at is None or paid_at < datetime.fromisoformat(completed_at) <= ends
        for fact in order.facts:
            (at,) = (datetime.fromisoformat(value) for key, value in fact.body.items() if key.endswith("_at"))
            assert paid_at < at <= ends


def test_orders_come_in_the_order_of_payment(journey: Journey) -> None:
    stamps = [datetime.fromisoformat(order.body["paid_at"]) for order in journey.orders]
    assert stamps == sorted(stamps)


def test_every_kind_of_refund_occurs_and_some_facts_come_first(journey: Journey) -> None:
    refunds = [fact for order in journey.orders for fact in order.facts if fact.route == "refunds"]
    assert {fact.body["refund_id"] for fact in refunds} == {"r-1", "r-2", "r-3"}
    assert {fact.route for order in journey.orders for fact in order.facts if fact.early} == {"cancel", "refunds"}
    assert any(_over(order) for order in journey.orders)
    share = len({order.order_id for order in journey.orders for fact in order.facts if fact.route == "refunds"})
    assert 0.12 < share / len(journey.orders) < 0.18


def test_most_orders_are_completed_half_of_them_at_once(journey: Journey) -> None:
    at_once = [order for order in journey.orders if order.body["completed_at"]]
    later = [order for order in journey.orders if any(fact.route == "complete" for fact in order.facts)]
    assert not {order.order_id for order in at_once} & {order.order_id for order in later}
    assert 0.85 < (len(at_once) + len(later)) / len(journey.orders) < 0.92
    assert 0.45 < len(at_once) / (len(at_once) + len(later)) < 0.55


def test_families_have_three_levels_and_two_tracks(journey: Journey) -> None:
    sponsor = {each.user_id: each.sponsor for each in journey.distributors}

    def depth(user_id: str | None) -> int:
        return 0 if user_id is None else 1 + depth(sponsor[user_id])

    assert {depth(user_id) for user_id in sponsor} == {1, 2, 3}
    assert {each.track for each in journey.distributors} == {"everyone", "agent"}


def test_the_hour_that_new_york_skips_and_the_one_it_repeats_have_one_instant_each(journey: Journey) -> None:
    offsets = {order.body["paid_at"][:13]: order.body["paid_at"][-6:] for order in journey.orders}
    assert set(offsets.values()) == {"-05:00", "-04:00"}
    assert all(
        offset == ("-04:00" if "2017-03-12T03" <= hour < "2017-11-05T02" else "-05:00")
        for hour, offset in offsets.items()
    )


def test_the_mapping_explains_every_section() -> None:
    mapping = load_mapping()
    assert all("in_words" in section for section in mapping.values() if isinstance(section, dict))


def _over(order: Order) -> bool:
    paid = {line["line_id"]: line["paid_minor"] for line in order.body["lines"]}
    return any(
        line["amount_minor"] > paid[line["line_id"]] for fact in order.facts for line in fact.body.get("lines", [])
    )
