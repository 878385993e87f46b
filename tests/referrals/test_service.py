"""Clicks, bindings and attribution, over empty tables."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from chalicelib.access import service as access
from chalicelib.access.model import Caller
from chalicelib.distributors.model import Action
from chalicelib.programs import service as programs
from chalicelib.referrals import service
from chalicelib.referrals.model import Binding, Referral, Tried, Visit
from chalicelib.referrals.tables import BindingItem, ClickItem, RenewalItem, customer_key
from chalicelib.shared.errors import Conflict, Invalid, NotFound
from tests.referrals.conftest import OPERATOR, STOREFRONT, World, plan_with

MOMENT = timedelta(microseconds=1)
MakeWorld = Callable[..., World]


def bindings(customer: str = "c-1") -> list[BindingItem]:
    return list(BindingItem.query(customer_key("shop-1", customer), BindingItem.sk.startswith("binding#")))


def renewals(customer: str = "c-1") -> list[str]:
    found = RenewalItem.query(customer_key("shop-1", customer), RenewalItem.sk.startswith("renewal#"))
    return [item.sk.split("#")[2] for item in found]


class TestReferring:
    def test_binds_keeps_and_says_why(self, world: World) -> None:
        first = world.refer("c-1", world.anna, at=0)
        again = world.refer("c-1", world.anna, at=0)
        other = world.refer("c-1", world.bo, at=0)
        assert (first.result, first.why, first.distributor_id) == ("bound", "first_binding", world.anna.distributor_id)
        assert (again.result, again.why, again.distributor_id) == ("kept", "already_bound", world.anna.distributor_id)
        assert (other.result, other.why, other.distributor_id) == ("kept", "takeover_never", world.anna.distributor_id)
        assert len(bindings()) == 1

    def test_takes_where_the_plan_lets_it_and_keeps_every_change(self, make_world: MakeWorld) -> None:
        world = make_world(takeover="always")
        world.refer("c-1", world.anna, at=0)
        world.move_to(2)
        taken = world.refer("c-1", world.bo, at=2)
        assert (taken.result, taken.distributor_id) == ("taken", world.bo.distributor_id)
        history = service.history(world.program, "c-1")
        assert [(each.n, each.distributor_id, each.since) for each in history.bindings] == [
            (2, world.bo.distributor_id, world.day(2)),
            (1, world.anna.distributor_id, world.day(0)),
        ]

    def test_told_late_for_an_earlier_time_changes_nothing(self, make_world: MakeWorld) -> None:
        world = make_world(takeover="always")
        world.move_to(5)
        world.refer("c-1", world.anna, at=4)
        late = world.refer("c-1", world.bo, at=3)
        assert (late.result, late.why, late.distributor_id) == ("kept", "newer_binding", world.anna.distributor_id)

    def test_after_days_takes_only_once_binding_and_last_order_are_that_old(self, make_world: MakeWorld) -> None:
        world = make_world(takeover="after_days", takeover_after_days=15)
        world.refer("c-1", world.anna, at=0)
        world.move_to(10)
        assert world.order("o-1", paid=10).reason == "binding"
        world.move_to(30)
        assert world.refer("c-1", world.bo, at=24.99).why == "takeover_too_early"
        assert world.refer("c-1", world.bo, at=25).why == "takeover_after_days"

    def test_binds_nobody_where_precedence_has_no_binding(self, make_world: MakeWorld) -> None:
        world = make_world(precedence=["code", "coupon", "click"])
        outcome = world.refer("c-1", world.anna, at=0)
        assert (outcome.result, outcome.why, outcome.distributor_id) == ("none", "plan_binds_nobody", None)
        assert world.order("o-1", paid=0, referral_code=world.anna.code).credited
        assert bindings() == []

    def test_needs_a_distributor_who_is_approved_now(self, world: World) -> None:
        world.change(world.anna, Action.SUSPEND)
        with pytest.raises(Conflict) as refused:
            world.refer("c-1", world.anna, at=0)
        assert refused.value.code == "distributor_not_approved"

    @pytest.mark.parametrize(
        ("code", "distributor_id", "problem"),
        [("NOBODYS123", None, "unknown_code"), (None, "dst_nobody", "unknown_distributor")],
    )
    def test_needs_a_distributor_who_is_there(
        self, world: World, code: str | None, distributor_id: str | None, problem: str
    ) -> None:
        with pytest.raises(Invalid) as refused:
            service.bind(STOREFRONT, world.program, Referral("c-1", code, distributor_id, "link", world.day(0)))
        assert refused.value.code == problem

    def test_takes_a_code_in_either_case(self, world: World) -> None:
        told = Referral("c-1", world.anna.code.lower(), None, "qr", world.day(0))
        assert service.bind(STOREFRONT, world.program, told).distributor_id == world.anna.distributor_id

    def test_needs_a_time_within_reach_and_a_plan_in_force_then(self, world: World) -> None:
        ahead = world.day(0) + timedelta(minutes=10)
        for at in (ahead + MOMENT, world.day(-400) - MOMENT):
            with pytest.raises(Invalid) as refused:
                service.bind(STOREFRONT, world.program, Referral("c-1", world.anna.code, None, "link", at))
            assert refused.value.code == "time_out_of_range"
        with pytest.raises(Conflict) as early:
            world.refer("c-1", world.anna, at=-61)
        assert early.value.code == "no_plan_in_force"
        told = service.bind(STOREFRONT, world.program, Referral("c-1", world.anna.code, None, "link", ahead))
        assert told.distributor_id == world.anna.distributor_id

    def test_by_an_operator_leaves_an_audit_row_and_by_a_storefront_none(self, world: World) -> None:
        world.refer("c-1", world.anna, at=0, caller=OPERATOR)
        world.refer("c-2", world.anna, at=0)
        rows, _ = access.list_audit("shop-1", 50, None)
        assert [(row.actor, row.subject) for row in rows if row.action == "referral.bind"] == [("wang", "c-1")]

    def test_one_idempotency_key_asks_for_one_thing(self, world: World) -> None:
        assert world.refer("c-1", world.anna, at=0, key="k").result == "bound"
        assert world.refer("c-1", world.anna, at=0, key="k").result == "kept"
        with pytest.raises(Conflict) as refused:
            world.refer("c-2", world.anna, at=0, key="k")
        assert refused.value.code == "exists_with_different_content"

    @pytest.mark.parametrize("caller", [STOREFRONT, OPERATOR])
    def test_who_was_overtaken_decides_again(
        self, world: World, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stale, known = service._known(world.program, "c-1", world.day(0)), service._known
        world.refer("c-1", world.bo, at=0)
        reads = iter([stale])
        monkeypatch.setattr(service, "_known", lambda *args: next(reads, None) or known(*args))
        outcome = world.refer("c-1", world.anna, at=0, caller=caller)
        assert (outcome.result, outcome.distributor_id) == ("kept", world.bo.distributor_id)
        assert len(bindings()) == 1

    def test_at_once_leaves_a_history_without_gaps(self, make_world: MakeWorld) -> None:
        world = make_world(takeover="always")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: world.refer("c-1", (world.anna, world.bo)[n % 2], at=0), range(8)))
        assert [item.binding().n for item in bindings()] == list(range(1, len(bindings()) + 1))

    def test_gives_up_where_others_are_always_faster(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        stale = service._known(world.program, "c-1", world.day(0))
        world.refer("c-1", world.bo, at=0)
        monkeypatch.setattr(service, "_known", lambda *_: stale)
        with pytest.raises(Conflict) as refused:
            world.refer("c-1", world.anna, at=0)
        assert refused.value.code == "changed_meanwhile"


class TestClicks:
    def test_without_a_key_each_is_new(self, world: World) -> None:
        assert world.click("v-1", world.anna, at=0)[0] != world.click("v-1", world.anna, at=0)[0]

    def test_a_key_names_the_click(self, world: World) -> None:
        click_id, new = world.click("v-1", world.anna, at=0, key="k")
        assert (click_id, new, False) == (*world.click("v-1", world.anna, at=0, key="k")[:1], True, False)
        assert world.click("v-1", world.anna, at=0, key="k") == (click_id, False)
        assert len(list(ClickItem.query("shop-1#v#v-1"))) == 1
        with pytest.raises(Conflict):
            world.click("v-2", world.anna, at=0, key="k")

    def test_of_an_unknown_code_are_refused(self, world: World) -> None:
        with pytest.raises(Invalid) as refused:
            service.record_click(STOREFRONT, world.program, Visit("NOBODYS123", "v-1", world.day(0)))
        assert refused.value.code == "unknown_code"

    def test_count_for_exactly_click_days(self, world: World) -> None:
        world.move_to(31)
        world.click("v-1", world.anna, at=1)
        world.click("v-2", world.anna, at=world.day(1) - MOMENT)
        assert world.attribute(world.evidence("o-1", 31, visitor_id="v-1")).reason == "click"
        old = world.attribute(world.evidence("o-2", 31, visitor_id="v-2"))
        assert (old.reason, old.tried) == ("no_referral", (Tried("click", "no_referral"),))

    def test_the_last_one_before_the_payment_counts(self, world: World) -> None:
        world.move_to(9)
        world.click("v-1", world.anna, at=1)
        world.click("v-1", world.bo, at=3)
        assert world.attribute(world.evidence("o-1", 2, visitor_id="v-1")).distributor_id == world.anna.distributor_id
        assert world.attribute(world.evidence("o-2", 3, visitor_id="v-1")).distributor_id == world.bo.distributor_id


class TestAttribution:
    def test_each_evidence_credits_with_its_own_reason(self, world: World) -> None:
        world.coupon("SPRING", world.anna)
        world.click("v-1", world.anna, at=0)
        world.refer("c-9", world.anna, at=0)
        says = {
            "binding": {"customer_id": "c-9"},
            "code": {"referral_code": world.anna.code.lower()},
            "coupon": {"coupon_codes": ("NOBODYS", "spring")},
            "click": {"visitor_id": "v-1"},
        }
        for reason, evidence in says.items():
            found = world.attribute(world.evidence("o-1", 0, **evidence))
            assert (found.reason, found.distributor_id) == (reason, world.anna.distributor_id)
            assert found.tried == (Tried(reason, reason),)

    def test_what_an_order_does_not_have_is_left_out(self, world: World) -> None:
        found = world.attribute(world.evidence("o-1", 0))
        assert (found.credited, found.distributor_id, found.reason, found.tried) == (False, None, "no_referral", ())

    def test_a_loser_is_told_with_why_and_the_next_one_wins(self, world: World) -> None:
        world.refer("c-1", world.anna, at=0)
        world.move_to(1)
        world.change(world.anna, Action.SUSPEND)
        found = world.attribute(world.evidence("o-1", 1, referral_code=world.bo.code))
        assert (found.reason, found.distributor_id) == ("code", world.bo.distributor_id)
        assert found.tried == (Tried("binding", "distributor_suspended"), Tried("code", "code"))

    def test_without_a_winner_the_first_loss_is_the_reason(self, world: World) -> None:
        says = {"referral_code": "NOBODYS123", "coupon_codes": ("NONE",), "visitor_id": "v-1"}
        found = world.attribute(world.evidence("o-1", 0, **says))
        assert (found.credited, found.reason) == (False, "unknown_code")
        assert found.tried == (
            Tried("code", "unknown_code"),
            Tried("coupon", "no_referral"),
            Tried("click", "no_referral"),
        )

    def test_precedence_is_the_plans(self, make_world: MakeWorld) -> None:
        world = make_world(precedence=["code", "binding"])
        world.refer("c-1", world.anna, at=0)
        found = world.attribute(world.evidence("o-1", 0, referral_code=world.bo.code))
        assert found.distributor_id == world.bo.distributor_id

    def test_evidence_is_taken_as_of_the_payment(self, make_world: MakeWorld) -> None:
        world = make_world(takeover="always")
        world.refer("c-1", world.anna, at=1 / 288)
        world.move_to(9)
        world.refer("c-1", world.bo, at=5)
        world.change(world.anna, Action.SUSPEND)
        assert world.attribute(world.evidence("o-1", 0)).reason == "no_referral"
        assert world.attribute(world.evidence("o-2", 4)).distributor_id == world.anna.distributor_id
        assert world.attribute(world.evidence("o-3", 5)).distributor_id == world.bo.distributor_id

    def test_a_distributors_own_order_tries_nothing_else_and_binds_nobody(self, world: World) -> None:
        world.refer("u-anna", world.bo, at=0)
        found = world.order("o-1", 0, customer_id="u-anna", referral_code=world.bo.code)
        assert (found.reason, found.distributor_id) == ("self_purchase", world.anna.distributor_id)
        assert found.tried == (Tried("self_purchase", "self_purchase"),)
        assert world.order("o-2", 0, customer_id="u-bo").credited
        assert bindings("u-bo") == []

    def test_a_sponsor_is_credited_as_of_the_payment(self, make_world: MakeWorld) -> None:
        world = make_world(self_purchase="sponsor")
        world.distributor("cleo", sponsor=world.anna)
        assert world.attribute(world.evidence("o-1", 0, customer_id="u-cleo")).distributor_id == (
            world.anna.distributor_id
        )
        assert world.attribute(world.evidence("o-2", 0, customer_id="u-bo")).reason == "self_purchase_excluded"

    def test_a_closed_distributor_is_a_plain_customer(self, world: World) -> None:
        world.move_to(1)
        world.change(world.anna, Action.CLOSE)
        found = world.attribute(world.evidence("o-1", 1, customer_id="u-anna", referral_code=world.bo.code))
        assert found.reason == "code"


class TestOrdersThatBind:
    def test_the_first_credited_one_binds_and_the_next_one_follows(self, world: World) -> None:
        assert world.order("o-1", 0, referral_code=world.anna.code).reason == "code"
        history = service.history(world.program, "c-1")
        assert history.bindings == (Binding("c-1", 1, world.anna.distributor_id, world.day(0), "order", "o-1"),)
        world.move_to(1)
        assert world.order("o-2", 1, referral_code=world.bo.code).distributor_id == world.anna.distributor_id

    def test_told_again_it_is_judged_as_before_and_writes_nothing(self, make_world: MakeWorld) -> None:
        world = make_world(days=30)
        first = world.order("o-1", 0, referral_code=world.anna.code)
        assert world.order("o-1", 0, referral_code=world.anna.code) == first
        world.move_to(1)
        second = world.order("o-2", 1)
        assert world.order("o-2", 1) == second
        assert (len(bindings()), renewals()) == (1, ["o-2"])

    def test_only_where_the_plan_says_so(self, make_world: MakeWorld) -> None:
        world = make_world(bind_on_order=False)
        assert world.order("o-1", 0, referral_code=world.anna.code).credited
        assert bindings() == []

    def test_an_uncredited_one_binds_nobody(self, world: World) -> None:
        world.order("o-1", 0, referral_code="NOBODYS123")
        assert bindings() == []

    def test_a_living_binding_is_never_taken_by_an_order(self, make_world: MakeWorld) -> None:
        world = make_world(precedence=["code", "binding"], takeover="always")
        world.refer("c-1", world.anna, at=0)
        assert world.order("o-1", 0, referral_code=world.bo.code).distributor_id == world.bo.distributor_id
        assert world.whose() == world.anna.distributor_id

    def test_a_later_binding_is_kept(self, world: World) -> None:
        world.move_to(5)
        world.refer("c-1", world.anna, at=4)
        assert world.order("o-1", 3, referral_code=world.bo.code).distributor_id == world.bo.distributor_id
        assert world.whose() == world.anna.distributor_id

    def test_an_expired_binding_makes_room(self, make_world: MakeWorld) -> None:
        world = make_world(days=10)
        world.refer("c-1", world.anna, at=0)
        world.move_to(11)
        found = world.order("o-1", 11, referral_code=world.bo.code)
        assert found.tried == (Tried("binding", "binding_expired"), Tried("code", "code"))
        assert world.order("o-1", 11, referral_code=world.bo.code) == found
        assert world.whose() == world.bo.distributor_id


class TestExpiry:
    def test_a_binding_lives_exactly_its_days(self, make_world: MakeWorld) -> None:
        world = make_world(days=10)
        world.refer("c-1", world.anna, at=0)
        world.move_to(20)
        order = world.evidence("o-1", 10)
        assert world.attribute(order).reason == "binding"
        late = world.attribute(world.evidence("o-1", 0, paid_at=order.paid_at + MOMENT))
        assert (late.credited, late.reason) == (False, "binding_expired")

    def test_credited_orders_let_it_live_on_and_late_ones_count_at_their_own_time(self, make_world: MakeWorld) -> None:
        world = make_world(days=10)
        world.refer("c-1", world.anna, at=0)
        world.move_to(40)
        assert world.order("o-2", 12).reason == "binding_expired"
        assert world.order("o-1", 9).reason == "binding"
        assert world.order("o-3", 19).reason == "binding"
        assert world.order("o-4", 29.5).reason == "binding_expired"
        assert renewals() == ["o-1", "o-3"]

    def test_an_order_credited_to_somebody_else_renews_it_too(self, make_world: MakeWorld) -> None:
        world = make_world(days=10, precedence=["code", "binding"])
        world.refer("c-1", world.anna, at=0)
        world.move_to(15)
        assert world.order("o-1", 9, referral_code=world.bo.code).distributor_id == world.bo.distributor_id
        assert world.attribute(world.evidence("o-2", 15)).distributor_id == world.anna.distributor_id

    def test_for_ever_writes_no_renewals(self, world: World) -> None:
        world.refer("c-1", world.anna, at=0)
        assert world.order("o-1", 0).reason == "binding"
        assert renewals() == []

    def test_begun_by_a_later_version_it_counts_from_that_version(self, world: World) -> None:
        world.refer("c-1", world.anna, at=0)
        world.publish(plan_with(days=10), at=50)
        world.move_to(70)
        assert world.attribute(world.evidence("o-1", 60)).reason == "binding"
        assert world.attribute(world.evidence("o-2", 60.01)).reason == "binding_expired"


class TestWhoseCustomerItIs:
    def test_a_stranger_is_nobodys(self, world: World) -> None:
        history = service.history(world.program, "c-1")
        assert (history.current, history.bindings) == (None, ())

    def test_an_expired_binding_is_history(self, make_world: MakeWorld) -> None:
        world = make_world(days=10)
        world.refer("c-1", world.anna, at=0)
        current = service.history(world.program, "c-1").current
        assert current is not None
        assert current.lives_until == world.day(10)
        world.move_to(11)
        history = service.history(world.program, "c-1")
        assert (history.current, len(history.bindings)) == (None, 1)

    def test_customers_are_listed_newest_first_without_those_who_left(self, make_world: MakeWorld) -> None:
        world = make_world(days=10, takeover="always")
        for n in range(5):
            world.refer(f"c-{n}", world.anna, at=n / 1440)
        world.refer("c-2", world.bo, at=5 / 1440)
        anna = world.anna.distributor_id
        first, place = service.customers_of(world.program, anna, 3, None)
        rest, end = service.customers_of(world.program, anna, 3, place)
        assert [each.customer_id for each in first] == ["c-4", "c-3"]
        assert [each.customer_id for each in rest] == ["c-1", "c-0"]
        assert end is None
        assert first[0].expires_at == world.day(10 + 4 / 1440)
        world.move_to(11)
        assert service.customers_of(world.program, anna, 3, None)[0] == []

    def test_customers_of_a_stranger_are_not_there(self, world: World) -> None:
        with pytest.raises(NotFound):
            service.customers_of(world.program, "dst_nobody", 3, None)


class TestWhatItCosts:
    """In calls to DynamoDB: each write below is one item, under a kilobyte."""

    def test_a_click_is_one_write(self, world: World, calls: list[str]) -> None:
        visit = Visit(world.anna.code, "v-1", world.day(0))
        program = world.program
        calls.clear()
        service.record_click(STOREFRONT, program, visit)
        assert calls.count("PutItem") == 1
        assert set(calls) == {"GetItem", "PutItem"}

    def test_an_order_of_a_bound_customer_reads_what_precedence_needs_and_writes_nothing(
        self, world: World, calls: list[str]
    ) -> None:
        world.refer("c-1", world.anna, at=0)
        order, program = world.evidence("o-1", 0, referral_code=world.bo.code, visitor_id="v-1"), world.program
        plan = programs.plan_at(program, order.paid_at).plan
        calls.clear()
        service.note_order(program, plan, order, service.attribute(program, plan, order))
        # Is the customer a distributor; its binding; the distributor.
        assert calls == ["GetItem", "Query", "GetItem"]

    def test_a_first_binding_is_one_write_and_a_repeat_none(self, world: World, calls: list[str]) -> None:
        world.order("o-1", 0, referral_code=world.anna.code)
        assert calls.count("PutItem") == 1
        calls.clear()
        world.order("o-1", 0, referral_code=world.anna.code)
        assert "PutItem" not in calls
