"""Health, the test clock, the quarantine, and the API's description of itself."""

from typing import Any, Literal

from chalicelib.access.door import ROUTES, Call, Reply, Routes
from chalicelib.operations import handbook, openapi, service
from chalicelib.operations.model import Job, Phase, Reconciled, Run
from chalicelib.programs import service as programs
from chalicelib.shared import http, pages
from chalicelib.shared.quarantine import Quarantined
from chalicelib.shared.version import VERSION

routes = Routes(__name__)


class HealthAnswer(http.Answer):
    """That the API answers, and which release it is."""

    status: Literal["ok"] = "ok"
    version: str = VERSION


class ClockBody(http.Body):
    """Where a test program's clock is to stand."""

    now: http.Time


class ClockAnswer(http.Answer):
    """Where a test program's clock stands, and where it is still moving to; null: all that became due has run."""

    now: http.Shown
    moving_to: http.Shown | None


class RunsQuery(http.ListQuery):
    """Which runs."""

    job: Job | None = None


class RunAnswer(http.Answer):
    """A run of a job, about the days `first_day` to `last_day`. `due_at` is by the program's clock, the rest real time;
    `finished_at` null: it isn't done."""

    job: Job
    first_day: http.Day
    last_day: http.Day
    due_at: http.Shown
    phase: Phase
    started_at: http.Shown
    finished_at: http.Shown | None
    counts: dict[str, Any]


class QuarantineAnswer(http.Answer):
    """A record that couldn't be processed: where it came from, what it was about, and why."""

    quarantine_id: str
    at: http.Shown
    source: str
    key: str
    reason: str
    record: dict[str, Any]


class RedriveBody(http.Body):
    """Nothing is asked."""


class RedriveAnswer(http.Answer):
    """What became of a record that was tried again; `done` false: it failed again and stays."""

    quarantine_id: str
    done: bool


class DifferenceAnswer(http.Answer):
    """That something isn't as it should be: an order, entry, commission or withdrawal, or a distributor's balance."""

    kind: str
    id: str
    wanted_minor: int
    found_minor: int


class ReconciliationAnswer(http.Answer):
    """What a reconciliation has found: at most 100 differences, and how many there are.

    `healed`: how many orders were decided that should have been long ago, and are right now.
    `totals_minor`: what all statements come to, by account; together zero. `since` null: it has looked at everything.
    `started_at` and `finished_at` are real time; `finished_at` null: a worker is still at it.
    """

    as_of: http.Shown
    since: http.Day | None
    started_at: http.Shown
    finished_at: http.Shown | None
    ok: bool
    differences: list[DifferenceAnswer]
    found: int
    healed: int
    currency: str
    totals_minor: dict[str, int]
    counts: dict[str, int]


@routes.get("/health", "", answer=HealthAnswer)
def show_health(call: Call) -> HealthAnswer:
    """Whether the API answers. Reads no table."""
    return HealthAnswer()


@routes.get("/v1/openapi.json", "")
def show_openapi(call: Call) -> Reply:
    """This API as an OpenAPI 3.1 document."""
    return Reply(200, openapi.text(tuple(ROUTES)))


@routes.get("/docs", "", gives=("text/html",))
def show_docs(call: Call) -> Reply:
    """This API as a page to read."""
    return Reply(200, handbook.page(tuple(ROUTES)), "text/html; charset=utf-8")


@routes.post("/v1/test/clock", "O", body=ClockBody, answer=ClockAnswer, status=202)
def move_clock(call: Call, body: ClockBody) -> ClockAnswer:
    """Put a test program's clock forward and run what became due."""
    program = service.move_clock(call.caller, call.program_id, body.now)
    return ClockAnswer(now=program.now(), moving_to=program.moving_to)


@routes.get("/v1/test/clock", "O", answer=ClockAnswer)
def show_clock(call: Call) -> ClockAnswer:
    """Where a test program's clock stands."""
    program = service.test_program(call.program_id)
    return ClockAnswer(now=program.now(), moving_to=program.moving_to)


@routes.get("/v1/jobs", "O A", query=RunsQuery, answer=http.Listed[RunAnswer])
def list_jobs(call: Call, query: RunsQuery) -> http.Listed[RunAnswer]:
    """The program's runs of jobs, the last due first."""
    bound = ("jobs", call.program_id, query.job)
    runs, place = service.list_runs(call.program_id, query.job, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(data=[_run(run) for run in runs], next_cursor=pages.cursor(place, *bound))


@routes.get("/v1/quarantine", "O A", query=http.ListQuery, answer=http.Listed[QuarantineAnswer])
def list_quarantine(call: Call, query: http.ListQuery) -> http.Listed[QuarantineAnswer]:
    """Records that couldn't be processed, by source and key."""
    bound = ("quarantine", call.program_id)
    rows, place = service.list_quarantine(call.program_id, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(data=[_quarantined(row) for row in rows], next_cursor=pages.cursor(place, *bound))


@routes.post("/v1/reports/reconciliation", "O A", answer=ReconciliationAnswer, status=202)
def start_reconciliation(call: Call) -> ReconciliationAnswer:
    """Hold all orders, decisions, entries, balances and withdrawals against each other; a worker goes on with it."""
    return _reconciled(call.program_id, service.reconcile(call.program_id))


@routes.get("/v1/reports/reconciliation", "O A", answer=ReconciliationAnswer)
def show_reconciliation(call: Call) -> ReconciliationAnswer:
    """What the last reconciliation has found."""
    return _reconciled(call.program_id, service.reconciled(call.program_id))


@routes.post("/v1/quarantine/{quarantine_id}/redrive", "O", body=RedriveBody, answer=RedriveAnswer)
def redrive(call: Call, quarantine_id: str, body: RedriveBody) -> RedriveAnswer:
    """Try again what couldn't be processed."""
    return RedriveAnswer(quarantine_id=quarantine_id, done=service.redrive(call.caller, call.program_id, quarantine_id))


def _reconciled(program_id: str, found: Reconciled) -> ReconciliationAnswer:
    return ReconciliationAnswer(
        as_of=found.as_of,
        since=found.since,
        started_at=found.started_at,
        finished_at=found.finished_at,
        ok=found.ok,
        differences=[DifferenceAnswer(**difference) for difference in found.differences],
        found=found.found,
        healed=found.healed,
        currency=programs.get(program_id).currency,
        totals_minor=dict(found.totals_minor),
        counts=dict(found.counts),
    )


def _run(run: Run) -> RunAnswer:
    return RunAnswer(
        job=run.job,
        first_day=run.first,
        last_day=run.last,
        due_at=run.due_at,
        phase=run.phase,
        started_at=run.started_at,
        finished_at=run.finished_at,
        counts=dict(run.counts),
    )


def _quarantined(row: Quarantined) -> QuarantineAnswer:
    return QuarantineAnswer(
        quarantine_id=row.quarantine_id,
        at=row.at,
        source=row.source,
        key=row.key,
        reason=row.reason,
        record=dict(row.record),
    )
