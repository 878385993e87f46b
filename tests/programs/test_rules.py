"""The plan check, each rule by itself: one change to a good plan, one finding."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from chalicelib.programs.document import presets
from chalicelib.programs.model import (
    Acknowledgement,
    Channel,
    Entry,
    EntryMode,
    Evidence,
    Level,
    Measure,
    Mode,
    OverCap,
    Plan,
    PlanMark,
    Program,
)
from chalicelib.programs.rules import Change, Context, PlanCode, ProductRate, begins_month, check, neighbours

SHANGHAI = "Asia/Shanghai"
US = Context("US", Mode.LIVE, SHANGHAI)
CN = replace(US, country="CN")
GOOD = presets()["rocket-snail-7"].means()
APRIL = datetime(2026, 3, 31, 16, tzinfo=UTC)
"""Midnight of 1 April in Shanghai."""


def with_track(**fields: object) -> Plan:
    return replace(GOOD, tracks={"default": replace(GOOD.tracks["default"], **fields)})


def with_levels(*rows: tuple[int, int, int]) -> Plan:
    return with_track(levels=tuple(Level(rank, f"V{rank}", rate, target) for rank, rate, target in rows))


def with_channels(*names: str) -> Plan:
    return replace(GOOD, withdrawal=replace(GOOD.withdrawal, channels={name: Channel(24, 48) for name in names}))


def with_precedence(*evidence: Evidence) -> Plan:
    return replace(GOOD, attribution=replace(GOOD.attribution, precedence=evidence))


def with_cap(cap_bp: int, over_cap: OverCap) -> Plan:
    return replace(GOOD, commission=replace(GOOD.commission, cap_bp=cap_bp, over_cap=over_cap))


def found(plan: Plan, context: Context = US) -> list[tuple[str, str]]:
    return [(problem.pointer, problem.code) for problem in check(plan, context).problems]


def warned(plan: Plan, context: Context = US) -> list[tuple[str, str]]:
    return [(warning.pointer, warning.code) for warning in check(plan, context).warnings]


TRACK = "/plan/tracks/default"
PURCHASE = Entry(EntryMode.PURCHASE, skus=("kit",))
PROBLEMS = [
    (with_track(upline_rates_bp=(1, 1, 1)), US, f"{TRACK}/uplines", PlanCode.TOO_MANY_TIERS),
    (with_track(entry=PURCHASE), CN, f"{TRACK}/entry", PlanCode.PURCHASE_WITH_UPLINES),
    (with_track(entry=Entry(EntryMode.OPEN, orders=1)), US, f"{TRACK}/entry", PlanCode.CONDITIONS_WITHOUT_PURCHASE),
    (with_levels((1, 200, 0), (1, 300, 5)), US, f"{TRACK}/levels/1/rank", PlanCode.RANKS_NOT_IN_ORDER),
    (with_levels((1, 200, 0), (3, 300, 5)), US, f"{TRACK}/levels/1/rank", PlanCode.RANKS_NOT_IN_ORDER),
    (with_levels((1, 200, 1)), US, f"{TRACK}/levels/0/target", PlanCode.FIRST_TARGET_NOT_ZERO),
    (with_levels((1, 200, 0), (2, 300, 0)), US, f"{TRACK}/levels/1/target", PlanCode.TARGETS_NOT_RISING),
    (with_levels((1, 300, 0), (2, 200, 5)), US, f"{TRACK}/levels/1/rate_bp", PlanCode.RATES_FALLING),
    (with_levels((1, 300, 0)), replace(US, held={"default": [1, 2]}), f"{TRACK}/levels", PlanCode.RANK_HELD),
    (with_track(measure=Measure.LIFETIME_SALES), US, f"{TRACK}/demotion", PlanCode.DEMOTION_WITHOUT_MONTH),
    (with_cap(1699, OverCap.REFUSE), US, "/plan/commission/cap_bp", PlanCode.OVER_CAP),
    (with_track(upline_rates_bp=(2, 1)), CN, "/plan/acknowledgements", PlanCode.THREE_TIERS_NOT_ACKNOWLEDGED),
    (with_precedence(), US, "/plan/attribution/precedence", PlanCode.NO_EVIDENCE),
    (
        with_precedence(Evidence.CODE, Evidence.CODE),
        US,
        "/plan/attribution/precedence",
        PlanCode.EVIDENCE_REPEATED,
    ),
    (
        replace(GOOD, withdrawal=replace(GOOD.withdrawal, min_minor=2, max_minor=1)),
        US,
        "/plan/withdrawal/min_minor",
        PlanCode.MIN_ABOVE_MAX,
    ),
    (with_channels("pigeon"), US, "/plan/withdrawal/channels/pigeon", PlanCode.UNKNOWN_CHANNEL),
    (with_channels("pretend"), US, "/plan/withdrawal/channels/pretend", PlanCode.PRETEND_CHANNEL),
]


@pytest.mark.parametrize(("plan", "context", "pointer", "code"), PROBLEMS)
def test_one_fault_gives_one_problem(plan: Plan, context: Context, pointer: str, code: PlanCode) -> None:
    assert found(plan, context) == [(pointer, code)]


FINE = [
    (GOOD, CN),
    (with_track(entry=PURCHASE), US),
    (with_track(entry=PURCHASE, upline_rates_bp=()), CN),
    (with_track(upline_rates_bp=(2, 1)), US),
    (replace(with_track(upline_rates_bp=(2, 1)), acknowledgements=(Acknowledgement("three_tiers", "w", "r"),)), CN),
    (with_levels((1, 200, 0), (2, 200, 5)), US),
    (with_cap(1700, OverCap.REFUSE), US),
    (with_track(measure=Measure.LIFETIME_SALES, demotion=None), US),
    (with_channels("pretend"), replace(US, mode=Mode.TEST)),
    (with_channels(), US),
    (with_levels((1, 200, 0), (2, 300, 5)), replace(US, held={"default": [2], "gone": [9]})),
]


@pytest.mark.parametrize(("plan", "context"), FINE)
def test_what_the_rules_allow_is_not_refused(plan: Plan, context: Context) -> None:
    assert found(plan, context) == []


WARNINGS = [
    (replace(GOOD, hold=replace(GOOD.hold, days=6)), US, "/plan/hold/days", PlanCode.SHORT_HOLD),
    (with_cap(1699, OverCap.CLAMP), US, "/plan/commission/cap_bp", PlanCode.CAP_CLAMPS_RATES),
    (
        GOOD,
        replace(US, products=[ProductRate("hit", 4801), ProductRate("tea", 4800)]),
        "/plan/commission/cap_bp",
        PlanCode.CAP_CLAMPS_PRODUCT,
    ),
    (with_track(entry=Entry(EntryMode.PURCHASE)), US, f"{TRACK}/entry", PlanCode.PURCHASE_ASKS_NOTHING),
]


@pytest.mark.parametrize(("plan", "context", "pointer", "code"), WARNINGS)
def test_a_warning_refuses_nothing(plan: Plan, context: Context, pointer: str, code: PlanCode) -> None:
    assert warned(plan, context) == [(pointer, code)]
    assert found(plan, context) == []


def test_everything_is_listed_not_only_the_first() -> None:
    plan = replace(
        with_track(levels=GOOD.tracks["default"].levels[1:], upline_rates_bp=(1, 1, 1)),
        hold=replace(GOOD.hold, days=0),
    )
    codes = {code for _, code in found(plan, CN)}
    assert codes == {"too_many_tiers", "ranks_not_in_order", "first_target_not_zero", "three_tiers_not_acknowledged"}
    assert warned(plan) == [("/plan/hold/days", "short_hold")]


def changed_at(at: datetime | None, after: Plan) -> Context:
    return replace(US, changes=[Change(GOOD, after, at)])


def test_a_measure_changes_only_at_a_months_first_midnight() -> None:
    orders = with_track(measure=Measure.MONTHLY_ORDERS)
    measure = (f"{TRACK}/measure", "measure_changes_in_month")
    assert found(orders, changed_at(APRIL, orders)) == []
    for wrong in (APRIL + timedelta(seconds=1), APRIL - timedelta(days=1), datetime(2026, 4, 1, tzinfo=UTC)):
        assert found(orders, changed_at(wrong, orders)) == [measure]
    assert found(GOOD, changed_at(APRIL + timedelta(1), GOOD)) == []


def test_a_measure_that_changes_at_an_unsaid_time_is_a_warning() -> None:
    orders = with_track(measure=Measure.MONTHLY_ORDERS)
    assert found(orders, changed_at(None, orders)) == []
    assert warned(orders, changed_at(None, orders)) == [(f"{TRACK}/measure", "measure_changes")]


def test_a_track_never_disappears() -> None:
    other = replace(GOOD, tracks={"agent": replace(GOOD.tracks["default"], name="agent")})
    assert found(other, changed_at(APRIL, other)) == [("/plan/tracks", "track_gone")]
    both = replace(GOOD, tracks=dict(GOOD.tracks) | dict(other.tracks))
    assert found(both, changed_at(APRIL, both)) == []


@pytest.mark.parametrize(
    ("at", "timezone", "begins"),
    [
        (APRIL, SHANGHAI, True),
        (APRIL, "UTC", False),
        (datetime(2026, 4, 1, tzinfo=UTC), "UTC", True),
        (datetime(2026, 4, 2, tzinfo=UTC), "UTC", False),
        (datetime(2026, 4, 1, 0, 0, 0, 1, tzinfo=UTC), "UTC", False),
        (datetime(2026, 2, 28, 16, tzinfo=UTC), SHANGHAI, True),
    ],
)
def test_a_month_begins_at_its_local_midnight(at: datetime, timezone: str, begins: bool) -> None:
    assert begins_month(at, timezone) is begins


def program_with(clock_at: datetime, *marks: tuple[int, datetime]) -> Program:
    plans = tuple(PlanMark(version, at) for version, at in marks)
    return Program("p", "P", "CNY", SHANGHAI, "CN", Mode.TEST, False, clock_at, clock_at, plans, ())


def test_a_version_stands_between_those_before_and_after_it_in_time() -> None:
    day = timedelta(days=1)
    program = program_with(APRIL, (1, APRIL - day), (2, APRIL + 9 * day), (3, APRIL + 2 * day), (4, APRIL + 9 * day))

    def versions(at: datetime) -> tuple[int | None, int | None]:
        before, after = neighbours(program, at)
        return before and before.version, after and after.version

    assert versions(APRIL) == (1, 3)
    assert versions(APRIL + day) == (1, 3)
    assert versions(APRIL + 2 * day) == (1, 4), "the version it replaces was never in force"
    assert versions(APRIL + 3 * day) == (3, 4)
    assert versions(APRIL + 10 * day) == (4, None)
    assert versions(APRIL - 2 * day) == (None, 1)


def test_a_version_in_force_since_this_very_instant_was_in_force() -> None:
    before, _ = neighbours(program_with(APRIL, (1, APRIL)), APRIL)
    assert before == PlanMark(1, APRIL)


@pytest.mark.parametrize("code", PlanCode)
def test_each_code_is_described(code: PlanCode) -> None:
    docs = Path(__file__).parents[2] / "docs" / "plan.md"
    assert f"`{code}`" in docs.read_text()
