"""Programs and their plans: what every other room asks for, and what operators change."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from chalicelib.access.model import Caller
from chalicelib.access.service import admit_program, audit_row
from chalicelib.programs import rules
from chalicelib.programs.model import (
    Mode,
    NewProgram,
    Pause,
    Plan,
    PlanInForce,
    PlanMark,
    PlanVersion,
    Program,
    read_plan,
)
from chalicelib.programs.tables import (
    DIRECTORY,
    PLANS,
    PROGRAM,
    SWITCH,
    CauseItem,
    DirectoryItem,
    PlanItem,
    ProgramItem,
    SwitchItem,
    cause_key,
    plan_key,
)
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, Conflict, FieldError, Invalid, NotFound
from chalicelib.shared.tables import Check, Key, Put, Refused, changed_meanwhile, page, read_once, transact
from chalicelib.shared.value import Value

if TYPE_CHECKING:
    # Of all functions only the one of the API takes documents; what they are read by starts slowly.
    from chalicelib.programs.document import PlanDocument

PLANS_MAX: Final = 500
PAUSES_MAX: Final = 500
"""Bounds that keep the item read on every request small: 500 of each are about 8 KB."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""What a program's clock and its plans may be set to."""

_ATTEMPTS: Final = 3


class Published(Value):
    """A version, what the check warns of, and whether it is new or was published before."""

    plan: PlanVersion
    warnings: tuple[FieldError, ...]
    new: bool


def get(program_id: str) -> Program:
    """A program as it is now. Raises NotFound."""
    return read_once((Program, program_id), lambda: _program(_item(program_id)))


@lru_cache(maxsize=256)
def plan(program_id: str, version: int) -> Plan:
    """A published plan; it never changes, so a process reads it once. Raises NotFound."""
    return read_plan(plan_version(program_id, version).document)


def plan_at(program: Program, at: datetime) -> PlanInForce:
    """The plan in force at an instant. Raises Conflict `no_plan_in_force`."""
    version = program.plan_version_at(at)
    if version is None:
        raise Conflict(Code.NO_PLAN_IN_FORCE, f"No plan of {program.program_id} is in force at {clock.shown(at)}.")
    return PlanInForce(version, plan(program.program_id, version))


def plan_version(program_id: str, version: int) -> PlanVersion:
    """A published plan with when and by whom. Raises NotFound."""
    item = PlanItem.find(program_id, plan_key(version), consistent=True)
    if item is None:
        raise NotFound(Code.NOT_FOUND, f"There is no version {version} of the plan.")
    return _version(item)


def list_plans(program_id: str, limit: int, place: Key | None) -> tuple[list[PlanVersion], Key | None]:
    """A program's plans, last version first, and where the list goes on."""
    found = PlanItem.query(
        program_id, PlanItem.sk.startswith(PLANS), scan_index_forward=False, last_evaluated_key=place
    )
    items, further = page(found, limit)
    return [_version(item) for item in items], further


def list_programs(limit: int, place: Key | None) -> tuple[list[Program], Key | None]:
    """All programs, the last made first, and where the list goes on."""
    listed, further = page(DirectoryItem.query(DIRECTORY, scan_index_forward=False, last_evaluated_key=place), limit)
    wanted = [item.program_id for item in listed]
    items = ProgramItem.batch_get([(program_id, PROGRAM) for program_id in wanted], consistent_read=True)
    programs = {item.pk: _program(item) for item in items}
    return [programs[program_id] for program_id in wanted], further


def create(caller: Caller, wanted: NewProgram) -> tuple[Program, bool]:
    """Make a program, and say whether it is new: one made before by an equal request is answered as it is now.

    Raises Conflict `exists_with_different_content`, Invalid `time_out_of_range`.
    """
    if wanted.now is not None:
        _in_range(wanted.now, "/now")
    item = _new_item(wanted)
    made = _program(item)
    listed = DirectoryItem(DIRECTORY, f"{clock.stored(clock.now())}#{made.program_id}", program_id=made.program_id)
    row = audit_row(
        caller, made.now(), "program.create", made.program_id, program_id=made.program_id, detail=item.created_as
    )
    try:
        transact(Put(item, item.next_revision()), Put(listed), admit_program(made.program_id), Put(row))
    except Refused:
        return _made_before(wanted), False
    return made, True


def _made_before(wanted: NewProgram) -> Program:
    item = ProgramItem.find(wanted.program_id, PROGRAM, consistent=True)
    if item is None:
        raise changed_meanwhile()
    if item.created_as != _as_asked(wanted):
        raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, f"There is another program {wanted.program_id}.")
    return _program(item)


def change(
    caller: Caller,
    program: Program,
    *,
    paused: bool | None = None,
    kill_switch: bool | None = None,
    name: str | None = None,
    reason: str | None = None,
) -> Program:
    """Pause or resume, stop or allow withdrawals, rename; None leaves a thing as it is, and so does what it is already.

    Each change leaves an audit row. Raises Conflict `changed_meanwhile`, `too_many_changes` (pauses).
    """
    item = _item(program.program_id)
    now = _program(item).now()
    actions = [
        *_pause_or_resume(item, paused, now),
        *_switch(item, kill_switch),
        *_rename(item, name),
    ]
    if actions:
        rows = (audit_row(caller, now, action, item.pk, reason=reason, detail=d) for action, d in actions)
        _save(item, *_turned(item), *map(Put, rows))
    return _program(item)


def withdrawals_allowed(program_id: str) -> Check:
    """The part of a transaction that lets it through only while the kill switch is off. Two write units."""
    off = SwitchItem.pk.does_not_exist() | (SwitchItem.on == False)  # noqa: E712  (a pynamodb condition)
    return Check(SwitchItem, program_id, SWITCH, off)


def _turned(item: ProgramItem) -> Sequence[Put]:
    """The switch as the program has it now, if that is another than it was."""
    switch = SwitchItem.find(item.pk, SWITCH, consistent=True) or SwitchItem(item.pk, SWITCH)
    if switch.on == item.kill_switch:
        return ()
    switch.on = item.kill_switch
    return (Put(switch, switch.next_revision()),)


_Action = tuple[str, dict[str, object]]


def _pause_or_resume(item: ProgramItem, paused: bool | None, now: datetime) -> Sequence[_Action]:
    if paused is None or paused == _program(item).paused:
        return []
    kept = [[since, until] for since, until in item.pauses if rules.still_needed(_read(until), now)]
    if not paused:
        kept[-1][1] = clock.stored(now)
        item.pauses = kept
        return [("program.resume", {})]
    if len(kept) >= PAUSES_MAX:
        raise Conflict(Code.TOO_MANY_CHANGES, f"A program can be paused {PAUSES_MAX} times in 400 days.")
    item.pauses = [*kept, [clock.stored(now), None]]
    return [("program.pause", {})]


def _switch(item: ProgramItem, kill_switch: bool | None) -> Sequence[_Action]:
    if kill_switch is None or kill_switch == item.kill_switch:
        return []
    item.kill_switch = kill_switch
    return [("program.kill_switch", {"on": kill_switch})]


def _rename(item: ProgramItem, name: str | None) -> Sequence[_Action]:
    if name is None or name == item.name:
        return []
    before, item.name = item.name, name
    return [("program.rename", {"from": before, "to": name})]


def set_out(caller: Caller, program: Program, to: datetime) -> Program:
    """Have a test program's clock move to an instant; what became due by then runs on the way. See `stand`.

    Raises Conflict `not_a_test_program`, `clock_goes_forward`, `changed_meanwhile`, Invalid `time_out_of_range`.
    """
    if program.mode is not Mode.TEST:
        raise Conflict(Code.NOT_A_TEST_PROGRAM, "Only a test program's clock can be moved.")
    _in_range(to, "/now")
    for _ in range(_ATTEMPTS):
        item = _item(program.program_id)
        before = _program(item)
        latest = before.moving_to or before.now()
        if to < latest:
            raise Conflict(Code.CLOCK_GOES_FORWARD, f"The clock stands at {clock.shown(latest)} and goes forward only.")
        if to == latest and before.clock_at is not None:
            return before
        item.moving_to = clock.stored(to)
        detail: dict[str, object] = {"from": clock.shown(before.now()), "to": clock.shown(to)}
        row = audit_row(caller, before.now(), "program.move_clock", item.pk, detail=detail)
        try:
            transact(Put(item, item.next_revision()), Put(row))
        except Refused:
            continue  # it stands at its next stop meanwhile
        return _program(item)
    raise changed_meanwhile()


def stop(program_id: str, at: datetime) -> Program:
    """Let a moving clock stop at an instant at which something is to be done. Never moves it back.

    At its end, too, it goes on moving: something else may be due there. Raises NotFound, Conflict `changed_meanwhile`.
    """

    def change(item: ProgramItem, program: Program) -> None:
        if program.moving_to is not None:
            item.clock_at = _forward(program, at)

    return _noted(program_id, change)


def stand(program_id: str, at: datetime) -> Program:
    """Let a moving clock stand at its end, where it then stays; if it was sent on meanwhile, it stops there.

    Never moves it back. Raises NotFound, Conflict `changed_meanwhile`.
    """

    def change(item: ProgramItem, program: Program) -> None:
        if program.moving_to is not None:
            item.clock_at = _forward(program, at)
            item.moving_to = None if at >= program.moving_to else item.moving_to

    return _noted(program_id, change)


def _forward(program: Program, at: datetime) -> str:
    return clock.stored(at if program.clock_at is None else max(program.clock_at, at))


def hold_rank(program_id: str, track: str, rank: int, day: date) -> None:
    """Note that somebody will have a rank from `day` on, so that no plan drops it. Raises Conflict."""

    def change(item: ProgramItem, program: Program) -> None:
        if rank > 1 and program.held.get(track, {}).get(rank, date.min) < day:
            item.held = {**item.held, track: {**item.held.get(track, {}), str(rank): day.isoformat()}}

    _noted(program_id, change)


def note_held_ranks(program_id: str, held: Mapping[str, Collection[int]], day: date) -> None:
    """Note which ranks somebody has on `day`, by track; those noted for later days stay. Raises Conflict."""

    def change(item: ProgramItem, program: Program) -> None:
        found = rules.held_ranks(program.held, held, day)
        if {track: set(ranks) for track, ranks in found.items()} != {t: set(r) for t, r in program.held.items()}:
            item.held = {t: {str(rank): known.isoformat() for rank, known in r.items()} for t, r in found.items()}

    _noted(program_id, change)


def _noted(program_id: str, change: Callable[[ProgramItem, Program], None]) -> Program:
    """Change what the platform itself keeps with a program; nothing changed, nothing is written."""
    for _ in range(_ATTEMPTS):
        item = _item(program_id)
        before = item.serialize()
        change(item, _program(item))
        if item.serialize() == before or item.put_if(item.next_revision()):
            return _program(item)
    raise changed_meanwhile()


def check(
    program: Program,
    document: "PlanDocument",
    effective_at: datetime | None = None,
    products: Sequence[rules.ProductRate] = (),
) -> rules.Findings:
    """The plan check. Without `effective_at`, as if the plan were to follow the last one.

    `products`: rates of product rules, from a room above this one; by default none is known.
    """
    checked = document.means()
    before, after = rules.neighbours(program, effective_at or LATEST)
    changes = []
    if before:
        changes.append(rules.Change(plan(program.program_id, before.version), checked, effective_at))
    if after:
        changes.append(rules.Change(checked, plan(program.program_id, after.version), after.effective_at))
    context = rules.Context(program.country, program.mode, program.timezone, changes, program.held, products)
    return rules.check(checked, context)


def publish(
    caller: Caller, program: Program, document: "PlanDocument", effective_at: datetime, cause: str | None = None
) -> Published:
    """Publish a plan's next version; `cause` is an Idempotency-Key.

    What equals the last version, or repeats a `cause`, is answered with the version there is. Raises Invalid
    `invalid_plan`, `effective_in_the_past`, `time_out_of_range`; Conflict `exists_with_different_content` (of one
    cause), `too_many_changes`, `changed_meanwhile`.
    """
    _in_range(effective_at, "/effective_at")
    cause_id = ids.from_cause("pln", program.program_id, caller.actor, cause) if cause else None
    for _ in range(_ATTEMPTS):
        item = _item(program.program_id)
        before = _program(item)
        repeated = _published_before(before, document, effective_at, cause_id)
        findings = check(before, document, effective_at)
        if repeated:
            return Published(repeated, findings.warnings, new=False)
        _refuse(before, findings, effective_at)
        made = _next_version(caller, before, document, effective_at)
        try:
            transact(*_publication(caller, item, before, made, cause_id))
        except Refused:
            continue
        return Published(_version(made), findings.warnings, new=True)
    raise changed_meanwhile()


def _published_before(
    program: Program, document: "PlanDocument", effective_at: datetime, cause_id: str | None
) -> PlanVersion | None:
    caused = CauseItem.find(program.program_id, cause_key(cause_id), consistent=True) if cause_id else None
    version = int(caused.version) if caused else len(program.plans)
    if version == 0:
        return None
    there = plan_version(program.program_id, version)
    if there.effective_at == effective_at and there.document == document.written():
        return there
    if caused:
        raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, "This Idempotency-Key has published another plan before.")
    return None


def _refuse(program: Program, findings: rules.Findings, effective_at: datetime) -> None:
    past = bool(program.plans) and effective_at < program.now()
    problems = list(findings.problems)
    if past:
        words = f"Only a first version may be effective in the past; it is {clock.shown(program.now())}."
        problems.append(FieldError("/effective_at", Code.EFFECTIVE_IN_THE_PAST, words))
    if past and not findings.problems:
        raise Invalid(Code.EFFECTIVE_IN_THE_PAST, words, problems)
    if problems:
        raise Invalid(Code.INVALID_PLAN, "The plan check refuses this plan; see errors.", problems)
    if len(program.plans) >= PLANS_MAX:
        raise Conflict(Code.TOO_MANY_CHANGES, f"A program has at most {PLANS_MAX} versions of its plan.")


def _next_version(caller: Caller, program: Program, document: "PlanDocument", effective_at: datetime) -> PlanItem:
    version = len(program.plans) + 1
    return PlanItem(
        program.program_id,
        plan_key(version),
        version=version,
        effective_at=clock.stored(effective_at),
        published_at=clock.stored(program.now()),
        published_by=caller.actor,
        document=document.written(),
    )


def _publication(
    caller: Caller, item: ProgramItem, program: Program, made: PlanItem, cause_id: str | None
) -> list[Put]:
    item.plans = [*item.plans, [made.version, made.effective_at]]
    detail: dict[str, object] = {
        "version": made.version,
        "effective_at": clock.shown(clock.read(made.effective_at)),
        "acknowledgements": made.document["acknowledgements"],
    }
    row = audit_row(caller, program.now(), "plan.publish", f"{program.program_id}#{made.version}", detail=detail)
    parts = [Put(item, item.next_revision()), Put(made), Put(row)]
    if cause_id:
        parts.append(Put(CauseItem(program.program_id, cause_key(cause_id), version=made.version)))
    return parts


def _in_range(at: datetime, pointer: str) -> None:
    if not EARLIEST <= at <= LATEST:
        words = f"This must be a time from {EARLIEST.year} to {LATEST.year}."
        raise Invalid(Code.TIME_OUT_OF_RANGE, words, [FieldError(pointer, Code.TIME_OUT_OF_RANGE, words)])


def _item(program_id: str) -> ProgramItem:
    # Consistent: a pause or a plan just made counts for the very next order.
    item = ProgramItem.find(program_id, PROGRAM, consistent=True)
    if item is None:
        raise NotFound(Code.NOT_FOUND, f"There is no program {program_id}.")
    return item


def _save(item: ProgramItem, *others: Put) -> None:
    try:
        transact(Put(item, item.next_revision()), *others)
    except Refused:
        raise changed_meanwhile() from None


def _as_asked(wanted: NewProgram) -> dict[str, object]:
    return {
        "name": wanted.name,
        "currency": wanted.currency,
        "timezone": wanted.timezone,
        "country": wanted.country,
        "mode": wanted.mode.value,
        "now": wanted.now and clock.stored(wanted.now),
    }


def _new_item(wanted: NewProgram) -> ProgramItem:
    clock_at = wanted.now and clock.stored(wanted.now)
    return ProgramItem(
        wanted.program_id,
        PROGRAM,
        name=wanted.name,
        currency=wanted.currency,
        timezone=wanted.timezone,
        country=wanted.country,
        mode=wanted.mode.value,
        created_at=clock_at or clock.stored(clock.now()),
        created_as=_as_asked(wanted),
        clock_at=clock_at,
    )


def _program(item: ProgramItem) -> Program:
    return Program(
        program_id=item.pk,
        name=item.name,
        currency=item.currency,
        timezone=item.timezone,
        country=item.country,
        mode=Mode(item.mode),
        kill_switch=item.kill_switch,
        created_at=clock.read(item.created_at),
        clock_at=_read(item.clock_at),
        plans=tuple(PlanMark(version, clock.read(at)) for version, at in item.plans),
        pauses=tuple(Pause(clock.read(since), _read(until)) for since, until in item.pauses),
        moving_to=_read(item.moving_to),
        held={
            track: {int(rank): clock.day(known) for rank, known in of_track.items()}
            for track, of_track in item.held.items()
        },
    )


def _read(text: str | None) -> datetime | None:
    return clock.read(text) if text else None


def _version(item: PlanItem) -> PlanVersion:
    return PlanVersion(
        int(item.version),
        clock.read(item.effective_at),
        clock.read(item.published_at),
        item.published_by,
        item.document,
    )
