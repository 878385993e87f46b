"""The decisions about whose customer and whose order it is, at their boundaries."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.distributors.model import Distributor, Status
from chalicelib.programs.model import AttributionTerms, BindingTerms, Evidence, SelfPurchase, Takeover
from chalicelib.referrals import rules
from chalicelib.referrals.model import Binding, Known, Reason, Result, Standing, Tried, Why

START = datetime(2026, 3, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
ALL = tuple(Evidence)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def terms(
    days: int = 0,
    takeover: Takeover = Takeover.NEVER,
    after: int = 15,
    precedence: tuple[Evidence, ...] = ALL,
) -> AttributionTerms:
    return AttributionTerms(precedence, 30, BindingTerms(days, takeover, after, bind_on_order=True))


def stretch(since: float, days: int) -> rules.Stretch:
    return rules.Stretch(day(since), days, records=days > 0)


def distributor(name: str, *statuses: tuple[float, Status], sponsor: str | None = None) -> Distributor:
    return Distributor(
        program_id="shop",
        distributor_id=name,
        user_id=f"u-{name}",
        name=name,
        track="default",
        status=statuses[-1][1],
        code=name.upper(),
        sponsor_id=sponsor,
        joined_at=None,
        created_at=START,
        contact={},
        evidence={},
        shards=1,
        statuses=tuple((day(since), status) for since, status in statuses),
        sponsors=((START, sponsor),),
    )


ANNA = distributor("anna", (0, Status.APPROVED))
BO = distributor("bo", (0, Status.APPROVED))
SUSPENDED = distributor("sue", (0, Status.APPROVED), (5, Status.SUSPENDED))
PENDING = distributor("pia", (0, Status.PENDING))


def standing(since: float = 0, until: float | None = None, counted: float | None = None) -> Standing:
    binding = Binding("c-1", 1, "anna", day(since), "link", "ref_1")
    return Standing(binding, day(since if counted is None else counted), None, None if until is None else day(until))


def known(now: Standing | None) -> Known:
    return Known(now.binding if now else None, now)


class TestABindingsLife:
    def test_zero_days_last_for_ever(self) -> None:
        assert rules.lives_until(START, [stretch(0, 0)]) is None

    def test_the_last_instant_is_exactly_so_many_days_later(self) -> None:
        assert rules.lives_until(day(3), [stretch(0, 30)]) == day(33)

    def test_exactly_days_later_it_lives_and_a_microsecond_later_it_does_not(self) -> None:
        alive = standing(0, until=30)
        assert alive.lives_at(day(30))
        assert not alive.lives_at(day(30) + MOMENT)

    def test_fewer_days_in_a_later_version_end_it_before_that_version_takes_effect(self) -> None:
        assert rules.lives_until(START, [stretch(0, 60), stretch(50, 30)]) == day(50) - MOMENT

    def test_more_days_in_a_later_version_let_a_living_one_live_longer(self) -> None:
        assert rules.lives_until(START, [stretch(0, 30), stretch(30, 60)]) == day(60)

    def test_more_days_in_a_later_version_do_not_revive_an_expired_one(self) -> None:
        assert rules.lives_until(START, [stretch(0, 10), stretch(20, 60)]) == day(10)

    def test_a_version_that_begins_to_let_bindings_run_out_counts_from_its_own_beginning(self) -> None:
        assert rules.lives_until(START, [stretch(0, 0), stretch(100, 30)]) == day(130)
        assert rules.lives_until(START, [stretch(0, 0), stretch(100, 30), stretch(200, 0)]) == day(130)

    def test_renewals_that_were_recorded_for_takeover_count_as_they_are(self) -> None:
        recorded = rules.Stretch(START, 0, records=True)
        assert rules.lives_until(day(95), [recorded, stretch(100, 30)]) == day(125)

    def test_a_version_that_binds_nobody_lets_no_binding_run_out(self) -> None:
        versions = [(day(0), terms(30)), (day(10), terms(5, precedence=(Evidence.CODE,)))]
        assert rules.lives_until(START, rules.stretches(versions)) is None

    def test_of_two_versions_with_one_beginning_the_later_counts(self) -> None:
        versions = [(day(0), terms(30)), (day(20), terms(1)), (day(10), terms(40)), (day(20), terms(50))]
        assert [(each.since, each.days) for each in rules.stretches(versions)] == [
            (day(0), 30),
            (day(10), 40),
            (day(20), 50),
        ]

    @settings(deadline=None)
    @given(
        last=st.integers(0, 500),
        plans=st.lists(st.tuples(st.integers(1, 400), st.integers(0, 90)), max_size=6),
        first=st.integers(0, 90),
    )
    def test_it_is_never_shorter_than_the_fewest_days_of_any_version(
        self, last: int, plans: list[tuple[int, int]], first: int
    ) -> None:
        versions = [(day(0), terms(first)), *((day(at), terms(days)) for at, days in plans)]
        until = rules.lives_until(day(last), rules.stretches(versions))
        fewest = min((days for days in (first, *(days for _, days in plans)) if days), default=0)
        assert until is None or until >= day(last + fewest) - MOMENT

    @settings(deadline=None)
    @given(renewals=st.lists(st.integers(0, 300), max_size=20), days=st.integers(1, 60))
    def test_renewals_only_ever_lengthen_it_and_only_while_it_lives(self, renewals: list[int], days: int) -> None:
        last = START
        for renewal in sorted(renewals):
            until = rules.lives_until(last, [stretch(0, days)])
            assert until is not None
            if day(renewal) <= until:
                last = max(last, day(renewal))
                assert (rules.lives_until(last, [stretch(0, days)]) or until) >= until


class TestAReferral:
    def test_binds_a_customer_who_was_nobodys(self) -> None:
        verdict = rules.decide(known(None), "bo", day(1), terms())
        assert (verdict.result, verdict.why) == (Result.BOUND, Why.FIRST_BINDING)

    def test_binds_anew_when_the_binding_has_run_out(self) -> None:
        ended = known(standing(0, until=30))
        assert rules.decide(ended, "bo", day(30), terms(30)).result is Result.KEPT
        assert rules.decide(ended, "bo", day(30) + MOMENT, terms(30)).why is Why.BINDING_EXPIRED
        assert rules.decide(ended, "anna", day(30) + MOMENT, terms(30)).result is Result.BOUND

    def test_of_the_same_distributor_changes_nothing(self) -> None:
        verdict = rules.decide(known(standing()), "anna", day(9), terms(takeover=Takeover.ALWAYS))
        assert (verdict.result, verdict.why) == (Result.KEPT, Why.ALREADY_BOUND)

    @pytest.mark.parametrize(
        ("takeover", "result", "why"),
        [
            (Takeover.NEVER, Result.KEPT, Why.TAKEOVER_NEVER),
            (Takeover.ALWAYS, Result.TAKEN, Why.TAKEOVER_ALWAYS),
            (Takeover.AFTER_DAYS, Result.TAKEN, Why.TAKEOVER_AFTER_DAYS),
        ],
    )
    def test_of_another_distributor_does_what_the_plan_says(self, takeover: Takeover, result: Result, why: Why) -> None:
        verdict = rules.decide(known(standing()), "bo", day(20), terms(takeover=takeover))
        assert (verdict.result, verdict.why) == (result, why)

    def test_takes_over_once_binding_and_last_order_are_exactly_so_old(self) -> None:
        plan = terms(takeover=Takeover.AFTER_DAYS, after=15)
        ordered = known(standing(0, counted=10))
        assert rules.decide(ordered, "bo", day(25) - MOMENT, plan).why is Why.TAKEOVER_TOO_EARLY
        assert rules.decide(ordered, "bo", day(25), plan).result is Result.TAKEN

    def test_told_for_a_time_before_a_later_binding_changes_nothing(self) -> None:
        later = Known(standing(5).binding, None)
        verdict = rules.decide(later, "bo", day(5) - MOMENT, terms(takeover=Takeover.ALWAYS))
        assert (verdict.result, verdict.why) == (Result.KEPT, Why.NEWER_BINDING)

    def test_binds_nobody_where_the_plan_does_not(self) -> None:
        verdict = rules.decide(known(None), "bo", day(1), terms(precedence=(Evidence.CODE,)))
        assert (verdict.result, verdict.why) == (Result.NONE, Why.PLAN_BINDS_NOBODY)

    def test_days_of_a_takeover_count_from_when_orders_were_first_noted(self) -> None:
        noted = [rules.Stretch(day(0), 0, records=False), rules.Stretch(day(40), 0, records=True)]
        assert rules.counted_from(day(1), noted, day(39)) == day(1)
        assert rules.counted_from(day(1), noted, day(40)) == day(40)
        assert rules.counted_from(day(50), noted, day(60)) == day(50)


class TestRecordingRenewals:
    @pytest.mark.parametrize(
        ("plan", "needed"),
        [
            (terms(), False),
            (terms(takeover=Takeover.ALWAYS), False),
            (terms(30), True),
            (terms(takeover=Takeover.AFTER_DAYS), True),
            (terms(30, precedence=(Evidence.CODE,)), False),
        ],
    )
    def test_only_where_something_depends_on_it(self, plan: AttributionTerms, needed: bool) -> None:
        assert rules.records(plan) is needed


class TestWhatAnOrderDoesToBindings:
    @pytest.mark.parametrize(
        ("plan", "reason", "binds_and_renews"),
        [
            (terms(), Reason.CODE, (True, False)),
            (terms(), Reason.BINDING, (False, False)),
            (terms(30), Reason.CLICK, (True, True)),
            (terms(30), Reason.BINDING, (False, True)),
            (terms(30), Reason.SELF_PURCHASE, (False, False)),
            (terms(30), Reason.MANUAL, (False, False)),
            (terms(30, precedence=(Evidence.CODE,)), Reason.CODE, (False, False)),
        ],
    )
    def test_follows_from_the_plan_and_why_it_was_credited(
        self, plan: AttributionTerms, reason: Reason, binds_and_renews: tuple[bool, bool]
    ) -> None:
        assert rules.effects(plan, reason) == binds_and_renews


CLAIMS: dict[Evidence, rules.Claim] = {
    Evidence.BINDING: Reason.BINDING_EXPIRED,
    Evidence.CODE: SUSPENDED,
    Evidence.COUPON: None,
    Evidence.CLICK: ANNA,
}


class TestAttribution:
    def test_the_first_evidence_of_an_approved_distributor_wins_and_the_losers_say_why(self) -> None:
        found = rules.judge(ALL, CLAIMS.__getitem__, day(9))
        assert (found.credited, found.distributor_id, found.reason) == (True, "anna", "click")
        assert found.tried == (
            Tried("binding", "binding_expired"),
            Tried("code", "distributor_suspended"),
            Tried("click", "click"),
        )

    def test_precedence_is_the_plans(self) -> None:
        claims = {Evidence.BINDING: ANNA, Evidence.CODE: BO}
        assert rules.judge((Evidence.CODE, Evidence.BINDING), claims.__getitem__, day(9)).distributor_id == "bo"
        assert rules.judge((Evidence.BINDING, Evidence.CODE), claims.__getitem__, day(9)).distributor_id == "anna"

    def test_status_is_judged_as_of_the_payment(self) -> None:
        claims = {Evidence.CODE: SUSPENDED}
        assert rules.judge((Evidence.CODE,), claims.__getitem__, day(5) - MOMENT).credited
        assert rules.judge((Evidence.CODE,), claims.__getitem__, day(5)).reason == "distributor_suspended"
        assert rules.judge((Evidence.CODE,), claims.__getitem__, day(-1)).reason == "distributor_not_approved"

    def test_without_a_winner_the_first_real_loss_is_the_reason(self) -> None:
        claims = {Evidence.COUPON: Reason.NO_REFERRAL, Evidence.CODE: PENDING, Evidence.CLICK: SUSPENDED}
        found = rules.judge((Evidence.COUPON, Evidence.CODE, Evidence.CLICK), claims.__getitem__, day(9))
        assert (found.credited, found.distributor_id, found.reason) == (False, None, "distributor_not_approved")

    def test_without_any_evidence_there_is_no_referral(self) -> None:
        found = rules.judge(ALL, lambda _: None, day(9))
        assert (found.credited, found.reason, found.tried) == (False, "no_referral", ())

    @settings(deadline=None)
    @given(
        precedence=st.permutations(ALL),
        says=st.fixed_dictionaries(
            {
                evidence: st.sampled_from([None, ANNA, BO, SUSPENDED, PENDING, Reason.NO_REFERRAL, Reason.UNKNOWN_CODE])
                for evidence in ALL
            }
        ),
    )
    def test_it_reads_no_further_than_the_first_approved_one_in_precedence(
        self, precedence: list[Evidence], says: dict[Evidence, rules.Claim]
    ) -> None:
        read: list[Evidence] = []

        def claim(evidence: Evidence) -> rules.Claim:
            read.append(evidence)
            return says[evidence]

        found = rules.judge(precedence, claim, day(9))
        good = [evidence for evidence in precedence if says[evidence] in (ANNA, BO)]
        winner = good[0] if good else None
        assert found.credited == (winner is not None)
        assert read == (precedence[: precedence.index(winner) + 1] if winner else precedence)
        assert [each.evidence for each in found.tried] == [each for each in read if says[each] is not None]
        if winner:
            assert found.reason == winner
            assert found.distributor_id == ("anna" if says[winner] is ANNA else "bo")


class TestSelfPurchase:
    def test_who_is_pending_or_closed_is_a_plain_customer(self) -> None:
        closed = distributor("cleo", (0, Status.APPROVED), (5, Status.CLOSED))
        assert rules.is_self_purchase(ANNA, day(9))
        assert rules.is_self_purchase(SUSPENDED, day(9))
        assert not rules.is_self_purchase(PENDING, day(9))
        assert not rules.is_self_purchase(closed, day(9))
        assert rules.is_self_purchase(closed, day(5) - MOMENT)
        assert not rules.is_self_purchase(None, day(9))

    def test_self_credits_the_buyer_if_approved(self) -> None:
        found = rules.self_purchase(SelfPurchase.SELF, ANNA, lambda: BO, day(9))
        assert (found.distributor_id, found.reason) == ("anna", "self_purchase")
        assert found.tried == (Tried("self_purchase", "self_purchase"),)
        lost = rules.self_purchase(SelfPurchase.SELF, SUSPENDED, lambda: BO, day(9))
        assert (lost.credited, lost.reason) == (False, "distributor_suspended")

    def test_sponsor_credits_the_buyers_sponsor_if_approved(self) -> None:
        buyer = replace(SUSPENDED, sponsor_id="bo")
        assert rules.self_purchase(SelfPurchase.SPONSOR, buyer, lambda: BO, day(9)).distributor_id == "bo"
        lost = rules.self_purchase(SelfPurchase.SPONSOR, ANNA, lambda: PENDING, day(9))
        assert (lost.credited, lost.reason) == (False, "distributor_not_approved")

    def test_nobody_is_credited_without_a_sponsor_or_where_the_plan_says_none(self) -> None:
        for mode in (SelfPurchase.SPONSOR, SelfPurchase.NONE):
            found = rules.self_purchase(mode, ANNA, lambda: None, day(9))
            assert (found.credited, found.distributor_id, found.reason) == (False, None, "self_purchase_excluded")
            assert found.tried == (Tried("self_purchase", "self_purchase_excluded"),)
