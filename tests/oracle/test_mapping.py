"""The mapping of raw baskets: the same for everyone, exact to the fen, within the API's bounds."""

import json
from collections import defaultdict
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

import chalicelib
from infra.replay.journey import Journey, load_mapping, plan_journey
from infra.replay.raw import Basket, basket_counts, baskets_of, cents, read, redemptions_of
from infra.replay.stops import Fact, Json, Order

MAPPING = load_mapping()
DIGEST = "bf1988dd231a5b8668858eade4ab0343ed35989cb7bf13f085ee924492230e1c"
"""Of the whole replay. It changes with the mapping; say so in the changelog when it does."""


@pytest.fixture(scope="module")
def journey() -> Journey:
    return plan_journey(3000, 12)


@pytest.fixture(scope="module")
def raw(journey: Journey) -> dict[str, Basket]:
    households = {int(order.body["customer_id"].removeprefix("hh-")) for order in journey.orders}
    return {f"b-{basket.basket_id}": basket for basket in baskets_of(households, 7)}


def test_the_data_is_what_the_documents_say() -> None:
    counts = basket_counts()
    stores = read("transactions", ["store_id"])["store_id"]
    assert (len(stores), sum(counts.values()), len(counts)) == (1_469_307, 155_848, 2_469)
    assert len(set(stores.to_pylist())) == 457


def test_the_same_mapping_gives_the_same_replay_everywhere(journey: Journey) -> None:
    assert journey.digest() == DIGEST


def test_about_as_many_baskets_as_wanted_from_whole_households(journey: Journey, raw: dict[str, Basket]) -> None:
    assert len(journey.orders) == 3033
    wanted = {order_id for order_id, basket in raw.items() if basket.at.year == 2017}  # some stamps are of 2018
    assert {order.order_id for order in journey.orders} == wanted
    months = {order.body["paid_at"][:7] for order in journey.orders}
    assert months == {f"2017-{month:02}" for month in range(1, 13)}


def test_fewer_baskets_keep_the_cast(journey: Journey) -> None:
    part = plan_journey(300, 12)
    assert part.distributors == journey.distributors
    assert part.products == journey.products
    whole = {order.order_id: order for order in journey.orders}
    assert 300 <= len(part.orders) < 600
    assert all(order == whole[order.order_id] for order in part.orders)


def test_paid_is_sales_less_coupon_at_seven_yuan_a_dollar(journey: Journey) -> None:
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
            assert line == (quantity, paid * 700)
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
    for order in journey.orders:
        assert 1 <= len(order.body["lines"]) <= 200
        paid_at, told_at = (datetime.fromisoformat(at) for at in (order.body["paid_at"], order.told_at))
        assert told_at - timedelta(days=400) <= paid_at <= told_at
        completed_at = order.body["completed_at"]
        assert completed_at is None or paid_at < datetime.fromisoformat(completed_at) <= told_at
        for fact in order.facts:
            (at,) = (datetime.fromisoformat(value) for key, value in fact.body.items() if key.endswith("_at"))
            assert paid_at < at <= datetime.fromisoformat(fact.told_at)
            assert told_at <= datetime.fromisoformat(fact.told_at)


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


def test_most_orders_are_completed_and_most_of_those_that_are_when_told_say_so(journey: Journey) -> None:
    at_once = [order for order in journey.orders if order.body["completed_at"]]
    later = [order for order in journey.orders if any(fact.route == "complete" for fact in order.facts)]
    in_time = [order for order in later if any(_completed_when_told(order))]
    assert not {order.order_id for order in at_once} & {order.order_id for order in later}
    assert 0.65 < (len(at_once) + len(later)) / len(journey.orders) < 0.7
    assert 0.65 < len(at_once) / (len(at_once) + len(in_time)) < 0.75


def test_some_orders_complete_themselves_before_their_completion_is_told(journey: Journey) -> None:
    early = [order for order in journey.orders if any(_told_too_late(order, fact) for fact in order.facts)]
    assert len(early) > 20


def test_no_order_is_told_so_late_that_it_completes_itself_at_once(journey: Journey) -> None:
    """A completion told at the same stop would be a race."""
    assert all(datetime.fromisoformat(order.told_at) < _completes_itself(order) for order in journey.orders)


def test_everybody_approved_has_an_account_at_the_bank_and_one_with_whoever_pretends(journey: Journey) -> None:
    approved = [each.user_id for each in journey.distributors if not each.pending]
    for channel in ("bank", "pretend"):
        assert [each.user_id for each in journey.methods if each.channel == channel] == approved
    assert len({each.account["account_number"] for each in journey.methods if each.channel == "bank"}) == len(approved)
    behaviours = {each.account["behaviour"] for each in journey.methods if each.channel == "pretend"}
    assert behaviours == {"accept", "delay", "lose_request", "lose_answer", "fail", "return"}


def test_nobody_asks_for_money_before_it_may(journey: Journey) -> None:
    asks = [ask for stop in journey.stops for ask in stop.asks]
    assert {ask.channel for ask in asks} == {"bank", "pretend"}
    assert {ask.bank_says for ask in asks} == {"paid", "returned", "failed"}
    assert all(ask.day > "2017-01-02" for ask in asks)
    suspended = {each.user_id for stop in journey.stops for each in stop.standings if each.route == "suspend"}
    assert suspended
    assert not [ask for ask in asks if ask.user_id in suspended and "2017-04-01" <= ask.day < "2017-06-10"]


@pytest.mark.parametrize(
    ("months", "aftermath"),
    [(2, "2017-03-01T12:00:00-05:00"), (5, "2017-06-02T12:00:00-04:00"), (12, "2018-01-01T12:00:00-05:00")],
)
def test_the_aftermath_is_at_the_first_noon_after_the_release(months: int, aftermath: str) -> None:
    """Daily up to March and from July on; on Fridays between."""
    assert plan_journey(300, months).aftermath.at == aftermath


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


def test_everything_is_told_once_at_its_stop_and_the_first_stop_after_it_happened(journey: Journey) -> None:
    stops = [datetime.fromisoformat(stop.at) for stop in journey.stops]
    assert stops == sorted(stops)
    assert [order for stop in journey.stops for order in stop.orders] == list(journey.orders)
    told = [fact for stop in journey.stops for _, fact in (*stop.early, *stop.late)]
    assert len(told) == sum(len(order.facts) for order in journey.orders)
    for stop, before in zip(journey.stops[1:], journey.stops, strict=False):
        for order in stop.orders:
            assert before.at < order.told_at == stop.at
            assert datetime.fromisoformat(before.at) < datetime.fromisoformat(order.body["paid_at"])


def test_what_is_told_first_comes_with_its_order(journey: Journey) -> None:
    early = [(stop, order) for stop in journey.stops for order, _ in stop.early]
    assert early
    assert all(order in stop.orders for stop, order in early)


def test_the_counting_rule_is_met_on_both_sides(journey: Journey) -> None:
    """Told before the close of the day of payment, exactly at it, long after it, and on that very day."""
    late, in_time, same_day = 0, 0, 0
    for stop in journey.stops:
        at = datetime.fromisoformat(stop.at)
        for order in stop.orders:
            days = (at.date() - datetime.fromisoformat(order.body["paid_at"]).date()).days
            same_day += days == 0
            in_time += days == 1 and at.hour < 3
            late += days > 1 or (days == 1 and at.hour >= 3)
    assert late > in_time > same_day > 20
    assert {stop.at[11:16] for stop in journey.stops} == {"01:30", "02:59", "03:00", "12:00"}


def test_the_clock_ends_after_the_last_close() -> None:
    assert plan_journey(300).ends == "2017-05-13T03:30:00-04:00"
    assert plan_journey(300, 5).ends == "2017-06-03T03:30:00-04:00"
    assert plan_journey(300, 12).ends == "2018-01-03T06:30:00-05:00"  # from July on days close after thirty hours


@pytest.mark.parametrize("months", [1, 3, 5])
def test_fewer_months_are_the_beginning_of_more(journey: Journey, months: int) -> None:
    part = plan_journey(3000, months)
    end = f"2017-{months + 1:02}-01"
    assert [order.order_id for order in part.orders] == [
        order.order_id for order in journey.orders if order.body["paid_at"] < end
    ]
    assert [stop.at for stop in part.stops if stop.at < end] == [stop.at for stop in journey.stops if stop.at < end]
    assert part.stops[-1].at[:10] == end


def test_everyone_has_the_levels_of_rocket_snail_7() -> None:
    file = Path(chalicelib.__file__).parent / "programs" / "presets" / "rocket-snail-7.json"
    preset = json.loads(file.read_text(encoding="utf-8"))["tracks"]["default"]
    for version in load_mapping()["plans"][:2]:
        track = version["plan"]["tracks"]["everyone"]
        for field in ("levels", "measure", "promotion", "demotion"):
            assert track[field] == preset[field]


def test_plans_change_on_a_first_and_take_no_level_away() -> None:
    plans = load_mapping()["plans"]
    assert {date.fromisoformat(plan["from"]).day for plan in plans} == {1}
    for track in ("everyone", "agent"):
        assert len({len(plan["plan"]["tracks"][track]["levels"]) for plan in plans}) == 1


def test_the_mapping_explains_every_section() -> None:
    mapping = load_mapping()
    assert all("in_words" in section for section in mapping.values() if isinstance(section, dict))


def _completed_when_told(order: Order) -> list[bool]:
    return [fact.told_at == order.told_at for fact in order.facts if fact.route == "complete"]


def _completes_itself(order: Order) -> datetime:
    return datetime.fromisoformat(order.body["paid_at"]) + timedelta(days=_plan(order)["hold"]["auto_complete_days"])


def _told_too_late(order: Order, fact: Fact) -> bool:
    completed_first = fact.route == "complete" and datetime.fromisoformat(fact.told_at) > _completes_itself(order)
    return completed_first and _plan(order)["hold"]["starts"] == "completed"


def _plan(order: Order) -> Json:
    *_, plan = (each["plan"] for each in MAPPING["plans"] if each["from"] <= order.body["paid_at"])
    return dict(plan)


def _over(order: Order) -> bool:
    paid = {line["line_id"]: line["paid_minor"] for line in order.body["lines"]}
    return any(
        line["amount_minor"] > paid[line["line_id"]] for fact in order.facts for line in fact.body.get("lines", [])
    )
