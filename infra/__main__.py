"""The commands: `python -m infra deploy | destroy | key | redrive | verify | tick | package | placeholders | run`."""

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from infra import sam
from infra.deploy import DeployError, deploy, destroy, first_key, in_pipeline
from infra.inside import InsideError, inside
from infra.local_cloud import LocalCloudError
from infra.paths import ROOT
from infra.progress import Progress
from infra.render import environment, render_placeholders
from infra.run import RunError, run
from infra.stack import StackError
from infra.stage import Stage, StageError
from infra.tick import tick_now

EXPECTED = (DeployError, StackError, StageError, InsideError, LocalCloudError, RunError, BotoCoreError, ClientError)


Command = Callable[[argparse.Namespace], int | None]
"""Does what was typed; the process's exit code, 0 unless it says otherwise."""


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments say; the process's exit code."""
    typed = sys.argv[1:] if arguments is None else arguments
    parsed = _parser().parse_args(typed, argparse.Namespace(typed=typed))
    try:
        command: Command = parsed.command
        return command(parsed) or 0
    except EXPECTED as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra", description="Deploy Tributary, or run it here.")
    command: Command
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, words in (
        ("deploy", _deploy, "bring a stage to what this clone says"),
        ("destroy", _destroy, "remove a stage's app; its data stays"),
        ("key", _key, "make a stage's first platform key"),
    ):
        added = commands.add_parser(name, help=words)
        added.set_defaults(command=command)
        added.add_argument("--stage", required=True, help="its name: up to 16 of a-z and 0-9")
        added.add_argument("--endpoint", help="a local cloud, such as http://127.0.0.1:4566; AWS if absent")
        added.add_argument("--project", type=Path, help="the folder of the app; this clone if absent")
        added.add_argument("--actor", default=_whoever_this_is(), help="who the first platform key belongs to")
    redrive = commands.add_parser("redrive", help="try again what couldn't be processed, or have orders decided again")
    verify = commands.add_parser("verify", help="recompute a program from its facts, and print what differs")
    tick = commands.add_parser("tick", help="have what is due looked for now")
    for added, command in ((redrive, _redrive), (verify, _verify), (tick, _tick)):
        added.set_defaults(command=command)
        added.add_argument("--stage", required=True)
        added.add_argument("--endpoint", help="a local cloud; AWS if absent")
    for added in (redrive, verify):
        added.add_argument("program_id", metavar="PROGRAM")
    redrive.add_argument("order_id", metavar="ORDER", nargs="*", help="orders, in quarantine or not")
    redrive.add_argument("--quarantined", action="store_true", help="everything of the program that is in quarantine")
    redrive.add_argument("--actor", default=_whoever_this_is(), help="who the audit log shows")
    package = commands.add_parser("package", help="write a SAM template and a zip, for a pipeline")
    package.set_defaults(command=_package)
    package.add_argument("--stage", required=True)
    package.add_argument("--out", type=Path, help="a folder; build/STAGE if absent")
    placeholders = commands.add_parser("placeholders", help="rewrite the committed stage dev in .chalice")
    placeholders.set_defaults(command=_placeholders)
    running = commands.add_parser("run", help="a local cloud with real orders in it, until Ctrl-C")
    running.set_defaults(command=_run)
    running.add_argument("--port", type=int, help="4566 if absent and free")
    running.add_argument("--baskets", type=int, default=3000, help="how many a year, about; 3000 if absent")
    running.add_argument(
        "--months", type=int, choices=range(1, 13), metavar="1..12", help="how many of the year; a good four if absent"
    )
    return parser


def _deploy(arguments: argparse.Namespace) -> None:
    stage, progress = Stage(arguments.stage, arguments.endpoint), Progress()
    progress.say(f"Deploying stage {stage.name} to {stage.endpoint or 'AWS'}")
    done = deploy(
        stage,
        project=arguments.project,
        actor=arguments.actor,
        make_key=not in_pipeline(),
        progress=progress,
    )
    rows = {"URL": done.url} | _key_row(done.platform_key)
    if in_pipeline():
        rows["Platform key"] = f"never made in a pipeline; the first one, from a terminal: {_key_command(arguments)}"
    progress.say("" if done.changed else "\nNothing changed.\n")
    progress.table(rows | {"Next": f"curl {done.url}/health"})


def _destroy(arguments: argparse.Namespace) -> None:
    stage, progress = Stage(arguments.stage, arguments.endpoint), Progress()
    progress.say(f"Removing the app of stage {stage.name}")
    destroy(stage, project=arguments.project, progress=progress)
    progress.say(f"\nIts data is in the stack {stage.stack}. How to remove that too: docs/deploy.md")


def _key(arguments: argparse.Namespace) -> None:
    progress = Progress()
    if in_pipeline():
        raise DeployError("A pipeline's log is no place for a key: run this from a terminal, without CI set")
    secret = first_key(
        Stage(arguments.stage, arguments.endpoint),
        project=arguments.project or ROOT,
        actor=arguments.actor,
        progress=progress,
    )
    progress.table(_key_row(secret) or {"Key": "there is one already; with it, POST /v1/keys makes others"})


def _key_row(secret: str | None) -> dict[str, str]:
    return {"Platform key": f"{secret}   (shown this once; keep it safe)"} if secret else {}


def _key_command(arguments: argparse.Namespace) -> str:
    endpoint = f" --endpoint {arguments.endpoint}" if arguments.endpoint else ""
    return f"python -m infra key --stage {arguments.stage}{endpoint}"


def _by_the_app(command: Callable[[argparse.Namespace, Stage], int]) -> Command:
    """A command that needs the app's own code: it runs itself again where that finds the stage's names."""

    def run_inside(arguments: argparse.Namespace) -> int:
        stage = Stage(arguments.stage, arguments.endpoint)
        wanted = stage.environment() | environment(stage)
        if all(os.environ.get(name) == wanted.get(name) for name in ("TRIBUTARY_TABLE_PREFIX", "AWS_ENDPOINT_URL")):
            return command(arguments, stage)
        return inside(stage, "-m", "infra", *arguments.typed).returncode

    return run_inside


@_by_the_app
def _redrive(arguments: argparse.Namespace, stage: Stage) -> int:
    from infra import redrive

    if arguments.quarantined == bool(arguments.order_id):
        raise InsideError("Name orders, or say --quarantined.")
    return redrive.run(stage, arguments.program_id, arguments.order_id, arguments.actor, Progress())


@_by_the_app
def _verify(arguments: argparse.Namespace, _stage: Stage) -> int:
    from infra import verify

    return verify.run(arguments.program_id, Progress())


def _tick(arguments: argparse.Namespace) -> None:
    with Progress().step("tick") as outcome:
        tick_now(Stage(arguments.stage, arguments.endpoint))
        outcome("what is due is sent")


def _package(arguments: argparse.Namespace) -> None:
    progress = Progress()
    with progress.step("package") as outcome:
        template = sam.package(Stage(arguments.stage), arguments.out or Path("build") / arguments.stage)
        outcome("cfn-lint has no complaint")
    progress.say()
    progress.table({"Template": str(template), "Next": "docs/deploy.md, From a pipeline"})


def _placeholders(_arguments: argparse.Namespace) -> None:
    Progress().say("written" if render_placeholders(ROOT) else "nothing changes")


def _run(arguments: argparse.Namespace) -> None:
    run(arguments.port, arguments.baskets, arguments.months)


def _whoever_this_is() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"


if __name__ == "__main__":
    sys.exit(main())
