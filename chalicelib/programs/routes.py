"""Programs, presets, and plans in versions."""

from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from msgspec.structs import asdict
from pydantic import AfterValidator, StringConstraints, ValidationError

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.access.model import Scope
from chalicelib.programs import service
from chalicelib.programs.document import PlanDocument, parse, presets
from chalicelib.programs.model import Mode, NewProgram, PlanVersion, Program
from chalicelib.shared import http, money, pages
from chalicelib.shared.errors import Code, FieldError, Invalid, NotFound, pointer

routes = Routes(__name__)


def _currency(code: str) -> str:
    if code not in money.CURRENCIES:
        raise ValueError("a currency is an ISO 4217 code, such as CNY")
    return code


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("a time zone is an IANA name, such as Asia/Shanghai")
    return name


class ProgramBody(http.Body):
    """A program to be made. Currency, time zone, country and mode never change."""

    program_id: http.ExternalId
    name: http.Text
    currency: Annotated[str, AfterValidator(_currency)]
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    mode: Mode
    now: http.Time | None = None


class ProgramChange(http.Body):
    """What of a program may change; what is left out stays."""

    paused: bool | None = None
    kill_switch: bool | None = None
    name: http.Text | None = None
    reason: http.Reason | None = None


class ProgramAnswer(http.Answer):
    """A program."""

    program_id: str
    name: str
    currency: str
    timezone: str
    country: str
    mode: Mode
    paused: bool
    kill_switch: bool
    created_at: http.Shown


class PresetAnswer(http.Answer):
    """A plan that ships, to begin with."""

    name: str
    plan: dict[str, Any]


class CheckBody(http.Body):
    """A plan to be checked, of whatever shape: what is wrong with it is the answer."""

    plan: dict[str, Any]


class PublishBody(http.Body):
    """A plan to be published."""

    plan: PlanDocument
    effective_at: http.Time


class CheckAnswer(http.Answer):
    """What the plan check found, by the codes of docs/plan.md. Problems would refuse the plan, warnings wouldn't."""

    problems: list[FieldError]
    warnings: list[FieldError]


class PublishedAnswer(http.Answer):
    """The version that a plan has become."""

    version: int
    effective_at: http.Shown
    warnings: list[FieldError]


class PlanAnswer(http.Answer):
    """A published version."""

    version: int
    effective_at: http.Shown
    published_at: http.Shown
    published_by: str


class WholePlanAnswer(PlanAnswer):
    """A published version with its plan, every field written out."""

    plan: dict[str, Any]


@routes.post("/v1/programs", "P", body=ProgramBody, answer=ProgramAnswer, status=201)
def create_program(call: Call, body: ProgramBody) -> Reply:
    """Make a program."""
    if body.now is not None and body.mode is not Mode.TEST:
        wrong = FieldError("/now", "not_a_test_program", "Only a test program has a clock of its own.")
        raise Invalid(Code.INVALID_REQUEST, wrong.message, [wrong])
    wanted = NewProgram(body.program_id, body.name, body.currency, body.timezone, body.country, body.mode, body.now)
    program, new = service.create(call.caller, wanted)
    return Reply(201 if new else 200, _program(program))


@routes.get("/v1/programs", "P", query=http.ListQuery, answer=http.Listed[ProgramAnswer])
def list_programs(call: Call, query: http.ListQuery) -> http.Listed[ProgramAnswer]:
    """All programs, newest first."""
    programs, place = service.list_programs(query.limit, pages.place(query.cursor, "programs"))
    return http.Listed(data=[_program(one) for one in programs], next_cursor=pages.cursor(place, "programs"))


@routes.get("/v1/program", "S O A D", answer=ProgramAnswer)
def show_program(call: Call) -> ProgramAnswer:
    """The key's program."""
    return _program(service.get(call.program_id))


@routes.patch("/v1/program", "O", body=ProgramChange, answer=ProgramAnswer)
def change_program(call: Call, body: ProgramChange) -> ProgramAnswer:
    """Pause, resume, stop withdrawals, rename."""
    program = service.change(
        call.caller,
        service.get(call.program_id),
        paused=body.paused,
        kill_switch=body.kill_switch,
        name=body.name,
        reason=body.reason,
    )
    return _program(program)


@routes.get("/v1/presets", "O", query=http.ListQuery, answer=http.Listed[PresetAnswer])
def list_presets(call: Call, query: http.ListQuery) -> http.Listed[PresetAnswer]:
    """The plans that ship."""
    listed = list(presets().items())
    start = pages.place(query.cursor, "presets") or 0
    end = start + query.limit
    return http.Listed(
        data=[PresetAnswer(name=name, plan=plan.written()) for name, plan in listed[start:end]],
        next_cursor=pages.cursor(end if end < len(listed) else None, "presets"),
    )


@routes.post("/v1/program/plans/check", "O", body=CheckBody, answer=CheckAnswer)
def check_plan(call: Call, body: CheckBody) -> CheckAnswer:
    """What publishing a plan would say, without publishing it."""
    try:
        document = parse(body.plan)
    except ValidationError as wrong:
        return CheckAnswer(problems=list(_shape_problems(wrong)), warnings=[])
    findings = service.check(service.get(call.program_id), document)
    return CheckAnswer(
        problems=list(findings.problems),
        warnings=list(findings.warnings),
    )


@routes.post("/v1/program/plans", "O", body=PublishBody, answer=PublishedAnswer, status=201)
def publish_plan(call: Call, body: PublishBody) -> Reply:
    """Publish a plan as the next version. Refused with every problem listed."""
    program = service.get(call.program_id)
    published = service.publish(call.caller, program, body.plan, body.effective_at, call.idempotency_key)
    answer = PublishedAnswer(
        version=published.plan.version,
        effective_at=published.plan.effective_at,
        warnings=list(published.warnings),
    )
    return Reply(201 if published.new else 200, answer)


@routes.get("/v1/program/plans", "O A D", query=http.ListQuery, answer=http.Listed[PlanAnswer])
def list_plans(call: Call, query: http.ListQuery) -> http.Listed[PlanAnswer]:
    """The plan's versions, last first; a distributor sees the one in force."""
    bound = ("plans", call.program_id)
    place = pages.place(query.cursor, *bound)
    if call.caller.scope is Scope.DISTRIBUTOR:
        in_force = _in_force(call.program_id)
        versions = [service.plan_version(call.program_id, in_force)] if in_force else []
        return http.Listed(data=[_plan(version) for version in versions])
    listed, further = service.list_plans(call.program_id, query.limit, place)
    return http.Listed(data=[_plan(version) for version in listed], next_cursor=pages.cursor(further, *bound))


@routes.get("/v1/program/plans/{version}", "O A D", answer=WholePlanAnswer)
def show_plan(call: Call, version: str) -> WholePlanAnswer:
    """One version with its plan; a distributor sees the one in force."""
    number = int(version) if version.isdigit() and len(version) <= 6 else 0
    if call.caller.scope is Scope.DISTRIBUTOR and number != _in_force(call.program_id):
        raise NotFound(Code.NOT_FOUND, f"Version {version} isn't in force.")
    found = service.plan_version(call.program_id, number)
    return WholePlanAnswer(**asdict(_plan(found)), plan=dict(found.document))


def _in_force(program_id: str) -> int | None:
    program = service.get(program_id)
    return program.plan_version_at(program.now())


def _program(program: Program) -> ProgramAnswer:
    return ProgramAnswer(
        program_id=program.program_id,
        name=program.name,
        currency=program.currency,
        timezone=program.timezone,
        country=program.country,
        mode=program.mode,
        paused=program.paused,
        kill_switch=program.kill_switch,
        created_at=program.created_at,
    )


def _plan(version: PlanVersion) -> PlanAnswer:
    return PlanAnswer(
        version=version.version,
        effective_at=version.effective_at,
        published_at=version.published_at,
        published_by=version.published_by,
    )


def _shape_problems(wrong: ValidationError) -> list[FieldError]:
    errors = wrong.errors(include_url=False, include_context=False, include_input=False)
    return [FieldError(pointer("plan", *error["loc"]), error["type"], error["msg"]) for error in errors[:100]]
