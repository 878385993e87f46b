"""Programs and plans as other rooms use them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chalicelib.access.model import Caller, Scope
from chalicelib.access.service import list_audit
from chalicelib.programs import service
from chalicelib.programs.document import PlanDocument, parse, presets
from chalicelib.programs.model import Mode, NewProgram, Program
from chalicelib.programs.tables import PROGRAM, CauseItem, ProgramItem
from chalicelib.shared import clock
from chalicelib.shared.errors import Conflict, Invalid, NotFound
from chalicelib.shared.tables import Put, Refused, transact
from tests.support import Shop
from tests.support_clock import jump

ROOT = Caller("root", Scope.PLATFORM, None)
WANG = Caller("wang", Scope.OPERATOR, "p")
NOW = datetime(2026, 3, 4, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROCKET, MEDALS, THREE = (presets()[name] for name in ("rocket-snail-7", "bronze-silver-gold", "three-tier"))
WANTED = NewProgram("p", "P", "CNY", "Asia/Shanghai", "US", Mode.TEST, NOW)


@pytest.fixture
def program() -> Program:
    made, _ = service.create(ROOT, WANTED)
    return made


def with_close(document: PlanDocument, hours: int) -> PlanDocument:
    return document.model_copy(update={"close_hours": hours})


def actions() -> list[str]:
    """Sorted: rows of one instant have no order."""
    return sorted(row.action for row in list_audit("p", 100, None)[0])


def test_a_program_is_made_once(program: Program) -> None:
    assert service.get("p") == program
    assert service.create(ROOT, WANTED) == (program, False)
    assert actions() == ["program.create"]


@pytest.mark.parametrize("other", [{"name": "Q"}, {"currency": "USD"}, {"now": NOW + HOUR}, {"timezone": "UTC"}])
def test_another_program_of_the_same_name_is_refused(program: Program, other: dict[str, object]) -> None:
    with pytest.raises(Conflict) as refused:
        service.create(ROOT, replace(WANTED, **other))
    assert refused.value.code == "exists_with_different_content"


def test_a_repeat_of_its_making_meets_a_program_that_has_changed_since(program: Program) -> None:
    renamed = service.change(WANG, program, name="Q")
    assert service.create(ROOT, WANTED) == (renamed, False)


def test_no_program_no_plan(program: Program) -> None:
    with pytest.raises(NotFound):
        service.get("q")
    with pytest.raises(NotFound):
        service.plan("p", 1)
    with pytest.raises(Conflict) as refused:
        service.plan_at(program, NOW)
    assert refused.value.code == "no_plan_in_force"


def test_the_version_in_force_follows_the_clock(program: Program) -> None:
    service.publish(WANG, program, ROCKET, NOW - HOUR)
    service.publish(WANG, program, with_close(ROCKET, 4), NOW + HOUR)
    service.publish(WANG, program, with_close(ROCKET, 5), NOW + HOUR)
    program = service.get("p")
    with pytest.raises(Conflict):
        service.plan_at(program, NOW - 2 * HOUR)
    assert service.plan_at(program, NOW).version == 1
    assert service.plan_at(program, NOW + HOUR - timedelta(microseconds=1)).version == 1
    in_force = service.plan_at(program, NOW + HOUR)
    assert (in_force.version, in_force.plan.close_hours) == (3, 5), "of two at one instant the later version"


def test_only_a_first_version_may_be_in_the_past(program: Program) -> None:
    service.publish(WANG, program, ROCKET, NOW - HOUR)
    with pytest.raises(Invalid) as refused:
        service.publish(WANG, program, with_close(ROCKET, 4), NOW - timedelta(microseconds=1))
    assert refused.value.code == "effective_in_the_past"
    assert [error.pointer for error in refused.value.errors] == ["/effective_at"]
    assert service.publish(WANG, program, with_close(ROCKET, 4), NOW).plan.version == 2


def test_what_the_check_refuses_is_not_published(program: Program) -> None:
    service.publish(WANG, program, ROCKET, NOW)
    with pytest.raises(Invalid) as refused:
        service.publish(WANG, program, MEDALS, NOW - HOUR)
    assert refused.value.code == "invalid_plan"
    assert {(error.pointer, error.code) for error in refused.value.errors} == {
        ("/plan/tracks/default/measure", "measure_changes_in_month"),
        ("/effective_at", "effective_in_the_past"),
    }
    assert len(service.get("p").plans) == 1


def test_a_measure_changes_at_a_months_first_midnight_and_not_back_in_its_middle(program: Program) -> None:
    april = clock.midnight(datetime(2026, 4, 1, tzinfo=UTC).date(), "Asia/Shanghai")
    service.publish(WANG, program, ROCKET, NOW)
    service.publish(WANG, program, with_close(ROCKET, 4), april + timedelta(days=9))
    with pytest.raises(Invalid) as refused:
        service.publish(WANG, program, MEDALS, april)
    assert [error.code for error in refused.value.errors] == ["measure_changes_in_month"], "version 2 would change back"
    service.publish(WANG, program, MEDALS, april + timedelta(days=30))


def test_publishing_again_meets_the_version_there_is(program: Program) -> None:
    first = service.publish(WANG, program, ROCKET, NOW)
    again = service.publish(WANG, program, ROCKET, NOW)
    assert (first.new, again.new) == (True, False)
    assert again.plan == first.plan
    jump("p", NOW + HOUR)
    assert not service.publish(WANG, program, ROCKET, NOW).new, "even when it has become the past"
    assert actions().count("plan.publish") == 1


def test_an_idempotency_key_names_the_version(program: Program) -> None:
    first = service.publish(WANG, program, ROCKET, NOW, "k")
    service.publish(WANG, program, with_close(ROCKET, 4), NOW)
    again = service.publish(WANG, program, ROCKET, NOW, "k")
    assert (again.plan, again.new) == (first.plan, False)
    with pytest.raises(Conflict) as refused:
        service.publish(WANG, program, with_close(ROCKET, 5), NOW, "k")
    assert refused.value.code == "exists_with_different_content"
    zhao = replace(WANG, actor="zhao")
    assert service.publish(zhao, program, with_close(ROCKET, 5), NOW, "k").plan.version == 3


def test_equal_plans_with_another_between_are_two_versions(program: Program) -> None:
    for hours in (3, 4, 3):
        service.publish(WANG, program, with_close(ROCKET, hours), NOW)
    assert [version.version for version in service.list_plans("p", 10, None)[0]] == [3, 2, 1]


def test_who_loses_a_race_publishes_the_version_after(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    real = service._refuse
    raced = iter([True])

    def race(*given: object) -> None:
        if next(raced, False):
            service.publish(replace(WANG, actor="zhao"), program, with_close(ROCKET, 4), NOW)
        real(*given)

    monkeypatch.setattr(service, "_refuse", race)
    assert service.publish(WANG, program, ROCKET, NOW).plan.version == 2
    assert [version.published_by for version in service.list_plans("p", 10, None)[0]] == ["wang", "zhao"]


def test_acknowledgements_are_in_the_audit_log() -> None:
    program, _ = service.create(ROOT, replace(WANTED, country="CN"))
    with pytest.raises(Invalid) as refused:
        service.publish(WANG, program, THREE, NOW)
    assert [error.code for error in refused.value.errors] == ["three_tiers_not_acknowledged"]
    said = [{"of": "three_tiers", "by": "wang", "reason": "Counsel agreed."}]
    service.publish(WANG, program, parse(THREE.written() | {"acknowledgements": said}), NOW)
    rows = {row.action: row for row in list_audit("p", 10, None)[0]}
    assert (rows["plan.publish"].subject, rows["plan.publish"].detail["acknowledgements"]) == ("p#1", said)


def test_a_pause_is_an_interval_of_the_programs_clock(program: Program) -> None:
    assert service.change(WANG, program, paused=True).paused
    jump("p", NOW + HOUR)
    resumed = service.change(WANG, program, paused=False)
    assert not resumed.paused
    times = [NOW - timedelta(microseconds=1), NOW, NOW + HOUR - timedelta(microseconds=1), NOW + HOUR]
    assert [resumed.paused_at(at) for at in times] == [False, True, True, False]


def test_changing_to_what_is_already_writes_nothing(program: Program) -> None:
    for _ in range(2):
        service.change(WANG, program, paused=True, kill_switch=True, name="Q", reason="Flood.")
    assert actions() == ["program.create", "program.kill_switch", "program.pause", "program.rename"]
    reasons = {row.reason for row in list_audit("p", 10, None)[0] if row.action != "program.create"}
    assert reasons == {"Flood."}


def test_pauses_older_than_any_order_are_forgotten(program: Program) -> None:
    service.change(WANG, program, paused=True)
    service.change(WANG, program, paused=False)
    jump("p", NOW + timedelta(days=402))
    assert len(service.get("p").pauses) == 1
    assert [pause.until for pause in service.change(WANG, program, paused=True).pauses] == [None]


def test_pauses_and_plans_are_bounded(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PAUSES_MAX", 1)
    monkeypatch.setattr(service, "PLANS_MAX", 1)
    service.change(WANG, program, paused=True)
    service.change(WANG, program, paused=False)
    with pytest.raises(Conflict) as refused:
        service.change(WANG, program, paused=True)
    assert refused.value.code == "too_many_changes"
    service.publish(WANG, program, ROCKET, NOW)
    with pytest.raises(Conflict) as refused:
        service.publish(WANG, program, with_close(ROCKET, 4), NOW)
    assert refused.value.code == "too_many_changes"


def test_a_full_program_is_still_a_small_item(program: Program) -> None:
    item = ProgramItem.get("p", PROGRAM)
    item.plans = [[n, clock.stored(NOW + n * HOUR)] for n in range(1, service.PLANS_MAX + 1)]
    item.pauses = [[clock.stored(NOW + n * HOUR)] * 2 for n in range(service.PAUSES_MAX)]
    size = sum(len(str(value)) for attribute in item.serialize().values() for value in attribute.values())
    assert size < 40_000


def test_a_lost_race_is_told(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = service._item("p")
    service.change(WANG, program, name="Q")
    monkeypatch.setattr(service, "_item", lambda program_id: stale)
    with pytest.raises(Conflict) as refused:
        service.change(WANG, program, name="R")
    assert refused.value.code == "changed_meanwhile"


def test_a_test_clock_goes_forward_only(program: Program) -> None:
    assert program.now() == NOW
    assert service.set_out(WANG, program, NOW) == program
    assert jump("p", NOW + HOUR).now() == NOW + HOUR
    with pytest.raises(Conflict) as refused:
        service.set_out(WANG, program, NOW)
    assert refused.value.code == "clock_goes_forward"
    assert actions() == ["program.create", "program.move_clock"]


def test_a_clock_that_set_out_stands_at_each_stop_until_it_arrives(program: Program) -> None:
    def told(moved: Program) -> tuple[datetime, datetime | None]:
        return moved.now(), moved.moving_to

    assert told(service.set_out(WANG, program, NOW + 2 * HOUR)) == (NOW, NOW + 2 * HOUR)
    assert told(service.stop("p", NOW + HOUR)) == (NOW + HOUR, NOW + 2 * HOUR)
    assert told(service.stop("p", NOW)) == (NOW + HOUR, NOW + 2 * HOUR), "a stop that came late moves nothing back"
    with pytest.raises(Conflict) as refused:
        service.set_out(WANG, program, NOW + HOUR)
    assert refused.value.code == "clock_goes_forward", "it is on its way to a later time"
    assert told(service.set_out(WANG, program, NOW + 3 * HOUR)) == (NOW + HOUR, NOW + 3 * HOUR)
    assert told(service.stand("p", NOW + 2 * HOUR)) == (NOW + 2 * HOUR, NOW + 3 * HOUR), "it was sent on meanwhile"
    assert told(service.stop("p", NOW + 3 * HOUR)) == (NOW + 3 * HOUR, NOW + 3 * HOUR), "more may be due there"
    assert told(service.stand("p", NOW + 3 * HOUR)) == (NOW + 3 * HOUR, None)
    assert told(service.stand("p", NOW + 9 * HOUR)) == (NOW + 3 * HOUR, None), "a clock that stands still isn't moved"


def test_a_rank_that_somebody_holds_can_not_disappear(program: Program) -> None:
    service.publish(WANG, program, ROCKET, NOW)
    document = ROCKET.written()
    document["tracks"]["default"]["levels"] = document["tracks"]["default"]["levels"][:3]
    shorter = parse(document)
    day = program.local_day(NOW)
    service.note_held_ranks("p", {"default": [1, 2, 4]}, day)
    with pytest.raises(Invalid) as refused:
        service.publish(WANG, program, shorter, NOW + HOUR)
    assert [error.code for error in refused.value.errors] == ["rank_held"]
    service.hold_rank("p", "default", 5, day + timedelta(days=1))
    service.note_held_ranks("p", {"default": [1, 2]}, day)
    assert set(service.get("p").held["default"]) == {2, 5}, "a rank given for tomorrow is held too"
    service.note_held_ranks("p", {"default": [1, 3]}, day + timedelta(days=1))
    assert set(service.get("p").held["default"]) == {3}
    service.hold_rank("p", "default", 3, day + timedelta(days=2))
    service.note_held_ranks("p", {"default": [1]}, day + timedelta(days=1))
    assert set(service.get("p").held["default"]) == {3}, "held and given again for later, it is held until then"
    assert service.publish(WANG, program, shorter, NOW + HOUR).new


def test_a_live_program_has_real_time() -> None:
    live, _ = service.create(ROOT, replace(WANTED, mode=Mode.LIVE, now=None))
    assert abs(live.now() - clock.now()) < HOUR
    with pytest.raises(Conflict) as refused:
        service.set_out(WANG, live, clock.now() + HOUR)
    assert refused.value.code == "not_a_test_program"


def test_times_out_of_range_are_refused(program: Program) -> None:
    early = datetime(1, 1, 1, tzinfo=UTC)
    tries: list[Callable[[], object]] = [
        lambda: service.publish(WANG, program, ROCKET, early),
        lambda: service.set_out(WANG, program, datetime(9999, 1, 1, tzinfo=UTC)),
        lambda: service.create(ROOT, replace(WANTED, program_id="q", now=early)),
    ]
    for attempt in tries:
        with pytest.raises(Invalid) as refused:
            attempt()
        assert refused.value.code == "time_out_of_range"


def test_programs_dont_share_plans(make_shop: Callable[..., Shop]) -> None:
    make_shop("one", plan="three-tier")
    make_shop("two", plan="teacher")
    assert set(service.plan("one", 1).tracks) == {"default"}
    assert set(service.plan("two", 1).tracks) == {"everyone", "agent"}


def test_a_transaction_sees_whether_the_kill_switch_is_on(program: Program) -> None:
    turned = [False, True, True, False]
    let_through = []
    for number, on in enumerate(turned):
        service.change(WANG, program, kill_switch=on)
        mark = CauseItem("p", f"cause#{number}", version=1)
        try:
            transact(Put(mark), service.withdrawals_allowed("p"))
        except Refused as refused:
            assert refused.which == (1,)
        else:
            let_through.append(number)
    assert let_through == [0, 3]
    assert CauseItem.find("p", "cause#1") is None
