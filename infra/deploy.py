"""Bring a stage to what this clone says, however often and from wherever it is run."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from infra import bundle, gateway_answers, stack, stream_options
from infra.api_stand_in import api_stand_in
from infra.inside import inside
from infra.paths import ROOT, cloud_home
from infra.policies import StageArns
from infra.progress import Progress
from infra.render import FUNCTIONS, environment, render
from infra.stage import Stage
from infra.stream_options import READERS

HEALTH_SECONDS = 60.0
CHALICE = "import sys; from chalice.cli import main; sys.exit(main())"
FIRST_KEY = (
    "import json, sys; from chalicelib.access import service as access; "
    "print(json.dumps(access.create_first_platform_key(sys.argv[1])))"
)


class DeployError(RuntimeError):
    """A step didn't succeed; the message says which, why, and what to do."""


@dataclass(frozen=True)
class Deployed:
    """A stage that answers. `platform_key` is the first key's secret if this deploy made it."""

    stage: Stage
    url: str
    platform_key: str | None
    changed: bool


@dataclass(frozen=True)
class Context:
    """What every step needs: which stage, from which folder, with whose words."""

    stage: Stage
    project: Path
    progress: Progress

    @property
    def state_file(self) -> Path:
        """Chalice's memory of what it has deployed. Without it, it would make a second API."""
        return self.project / ".chalice" / "deployed" / f"{self.stage.name}.json"

    def has_deployed(self) -> bool:
        """Whether Chalice remembers anything."""
        return self.state_file.exists() and bool(json.loads(self.state_file.read_text())["resources"])

    def deployed(self, name: str) -> dict[str, Any]:
        """What Chalice remembers of a thing that it has deployed."""
        resources = json.loads(self.state_file.read_text())["resources"]
        found: dict[str, Any] = next(item for item in resources if item["name"] == name)
        return found


def deploy(
    stage: Stage,
    *,
    project: Path | None = None,
    actor: str = "ops",
    make_key: bool = True,
    progress: Progress | None = None,
) -> Deployed:
    """Deploy the app in `project` (this clone's when none is named) to a stage, with the data it works on.

    `actor` is who the first platform key belongs to. Raises `DeployError` or `StackError`; running it again
    after either takes up where it stopped.
    """
    progress = progress or Progress(quiet=True)
    context = Context(stage, project or _own_project(stage), progress)
    with progress.step("data stack") as outcome:
        applied = stack.apply(stage)
        outcome(f"{len(applied.changed)} things made or changed" if applied.changed else "nothing changes")
    with progress.step("configuration") as outcome:
        arns = StageArns(applied.outputs)
        fresh = render(context.project, stage, environment(stage, arns), arns)
        outcome(f"{len(FUNCTIONS)} functions, a policy each" + ("" if fresh else ", as before"))
    with progress.step("package") as outcome:
        package = bundle.place(context.project, with_libraries=stage.endpoint is None or bundle.RUNS_LAMBDA_CODE)
        outcome(f"{package.stat().st_size / 1e6:.1f} MB")
    shipped = _ship(context, applied.outputs["BucketName"], package)
    finished = _finish(context, arns)
    key = first_key(stage, project=context.project, actor=actor, progress=progress) if make_key else None
    url = stage.url(context.deployed("rest_api"))
    _check(context, url)
    return Deployed(stage, url, key, changed=bool(applied.changed) or shipped or finished)


def destroy(stage: Stage, *, project: Path | None = None, progress: Progress | None = None) -> None:
    """Remove the app and leave everything that keeps state. `StackError` if there is no such stage."""
    progress = progress or Progress(quiet=True)
    context = Context(stage, project or _own_project(stage), progress)
    known = stack.outputs(stage)
    arns = StageArns(known)
    render(context.project, stage, environment(stage, arns), arns)
    with progress.step("earlier state") as outcome:
        outcome("found" if _fetch_state(context, known["BucketName"]) else "none: nothing to remove")
    with progress.step("chalice delete") as outcome, _kept_state(context, known["BucketName"]):
        if context.has_deployed():
            _chalice(context, "delete")
        outcome("the app is gone, its data stays")


def _own_project(stage: Stage) -> Path:
    """This clone, or for a local cloud a copy of its app in `.local`, so that no committed file changes."""
    if stage.endpoint is None:
        return ROOT
    copy = cloud_home(stage.endpoint) / "app"
    copy_app(ROOT, copy)
    return copy


def copy_app(source: Path, target: Path) -> None:
    """Make `target` a copy of an app's own files, without caches and without what a deploy has left there."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.pyc", "deployed", "deployments", "policy-*-*.json")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("app.py", "requirements.txt"):
        shutil.copy2(source / name, target / name)
    for name in ("chalicelib", ".chalice"):
        shutil.copytree(source / name, target / name, ignore=unwanted)


def _ship(context: Context, bucket: str, package: Path) -> bool:
    """Let Chalice deploy, with the memory of what was deployed before, whoever did it; True if the code is new."""
    with context.progress.step("earlier state") as outcome:
        outcome("found, the URL stays" if _fetch_state(context, bucket) else "none: this is the first deploy")
    with context.progress.step("chalice deploy") as outcome, _kept_state(context, bucket):
        names = [context.stage.function(handler) for handler in FUNCTIONS]
        new = any(_code(context.stage, name) != _digest(package) for name in names)
        _chalice(context, "deploy")
        outcome(f"{len(names)} functions: " + ("new code" if new else "code as before"))
    return new


def _code(stage: Stage, function: str) -> str | None:
    """The digest of the code a function runs, None if there is no such function."""
    client = stage.client("lambda")
    try:
        digest: str = client.get_function_configuration(FunctionName=function)["CodeSha256"]
    except client.exceptions.ResourceNotFoundException:
        return None
    return digest


def _digest(package: Path) -> str:
    return base64.b64encode(hashlib.sha256(package.read_bytes()).digest()).decode()


def _fetch_state(context: Context, bucket: str) -> bool:
    """Put the stage's state file in place; False if the stage has none, whatever lies here from elsewhere."""
    s3 = context.stage.client("s3")
    context.state_file.unlink(missing_ok=True)
    try:
        body = s3.get_object(Bucket=bucket, Key=_state_key(context.stage))["Body"].read()
    except s3.exceptions.NoSuchKey:
        return False
    context.state_file.parent.mkdir(parents=True, exist_ok=True)
    context.state_file.write_bytes(body)
    return True


@contextmanager
def _kept_state(context: Context, bucket: str) -> Iterator[None]:
    """Keep Chalice's state file with the stage, also when Chalice stopped half way."""
    try:
        yield
    finally:
        place = {"Bucket": bucket, "Key": _state_key(context.stage)}
        if context.has_deployed():
            context.stage.client("s3").put_object(**place, Body=context.state_file.read_bytes())
        else:
            context.stage.client("s3").delete_object(**place)


def _state_key(stage: Stage) -> str:
    return f"chalice/deployed/{stage.name}.json"


def _chalice(context: Context, command: str) -> None:
    """Run one Chalice command as a person would, with the Python that runs this."""
    stage = context.stage
    with api_stand_in(stage.endpoint) if stage.endpoint else nullcontext() as api_gateway:
        ran = subprocess.run(
            [sys.executable, "-c", CHALICE, command, "--stage", stage.name],
            cwd=context.project,
            env=stage.environment(api_gateway),
            capture_output=True,
            text=True,
            check=False,
        )
    if ran.returncode:
        raise DeployError(f"chalice {command} failed:\n{ran.stdout}{ran.stderr}")


def _finish(context: Context, arns: StageArns) -> bool:
    """Set what Chalice has no words for; True if the options of streams and worker weren't so already.

    API Gateway's answers don't count: on AWS, Chalice's rewriting of the API has just dropped them.
    """
    stage = context.stage
    with context.progress.step("streams") as outcome:
        # A list: each is settled, also after one that wasn't.
        streams = any([_settle_stream(context, function, arns) for function in READERS])
        outcome("filters, retries, bisecting and dead letters " + ("set" if streams else "as before"))
    with context.progress.step("worker") as outcome:
        worker = _let_jobs_go_on(stage)
        outcome("may send what comes next to itself" + ("" if worker else ", as before"))
    with context.progress.step("refusals") as outcome:
        api_id = context.deployed("rest_api")["rest_api_id"]
        answers = gateway_answers.settle(stage.client("apigateway"), api_id, stage.name)
        outcome(f"{answers} of API Gateway's answers made problem+json" if answers else "as before")
    return streams or worker


def _settle_stream(context: Context, function: str, arns: StageArns) -> bool:
    mapping = context.deployed(f"{function}-dynamodb-event-source")["event_uuid"]
    wanted = stream_options.options(function, {"Destination": arns.of("streams-dead")})
    return stream_options.settle(context.stage.client("lambda"), mapping, wanted)


def _let_jobs_go_on(stage: Stage) -> bool:
    """Let a long job go on by a message to its own queue, however often; True if that is new.

    Lambda would take it for a loop, and give the seventeenth message of a chain up to the dead letters.
    """
    client, work = stage.client("lambda"), stage.function("work")
    if client.get_function_recursion_config(FunctionName=work)["RecursiveLoop"] == "Allow":
        return False
    client.put_function_recursion_config(FunctionName=work, RecursiveLoop="Allow")
    return True


def first_key(stage: Stage, *, project: Path, actor: str, progress: Progress) -> str | None:
    """Have the access room of the app in `project` make the stage's first platform key, for `actor`.

    The key's secret, which nobody can ask for again; None if the stage has a platform key already.
    """
    with progress.step("platform key") as outcome:
        ran = inside(stage, "-c", FIRST_KEY, actor, project=project, captured=True)
        if ran.returncode:
            raise DeployError(f"The first platform key could not be made:\n{ran.stderr}")
        secret: str | None = json.loads(ran.stdout.splitlines()[-1])
        outcome(f"the first one made, for {actor}" if secret else "there is one already")
        return secret


def _check(context: Context, url: str) -> None:
    """Ask the deployed API how it is, until it answers."""
    with context.progress.step("health") as outcome:
        deadline, seen = time.monotonic() + HEALTH_SECONDS, "no answer"
        while time.monotonic() < deadline:
            started = time.monotonic()
            status, seen = _get(f"{url}/health")
            if status == HTTPStatus.OK:
                outcome(f"200 in {1000 * (time.monotonic() - started):.0f} ms")
                return
            time.sleep(0.5)
        raise DeployError(f"{url}/health isn't well after {HEALTH_SECONDS:.0f} s; the last answer was {seen}")


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own API
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, f"{error.code} {error.read().decode(errors='replace')}"
    except (urllib.error.URLError, OSError) as error:
        return 0, str(error)


def in_pipeline() -> bool:
    """Whether what is printed ends up in a log that others read."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
