"""The app as a SAM template and a zip, for pipelines that deploy by CloudFormation instead of `chalice deploy`.

It needs no account: ARNs are expressions, and those of streams are imported from the stage's data stack.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from chalice.utils import to_cfn_resource_name

from infra import bundle, gateway_answers, stream_options
from infra.deploy import CHALICE, DeployError, copy_app
from infra.paths import ROOT
from infra.policies import TemplateArns
from infra.render import environment, render, sources
from infra.stage import LOCAL_ACCOUNT, Stage
from infra.stream_options import READERS

CFN_LINT = "import sys; from cfnlint.runner import main; sys.exit(main())"


def package(stage: Stage, out: Path, *, project: Path = ROOT) -> Path:
    """Write `sam.json` and `deployment.zip` into `out`; the template's path.

    Raises `DeployError` if Chalice can't package the app or cfn-lint finds fault with the template.
    """
    arns = TemplateArns(stage.name)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "app"
        copy_app(project, copy)
        render(copy, stage, environment(stage), arns)
        bundle.place(copy)
        merge = Path(scratch) / "merge.json"
        merge.write_text(json.dumps(additions(stage)))
        _chalice_package(copy, stage, merge, out.resolve())
    _lint(out / "sam.json")
    return out / "sam.json"


def additions(stage: Stage) -> dict[str, Any]:
    """What Chalice's template lacks: real ARNs, the streams' options, names that alarms know, our refusals."""
    arns = TemplateArns(stage.name)
    answers = {kind: gateway_answers.declared(answer) for kind, answer in gateway_answers.ANSWERS.items()}
    return {
        "Resources": {
            "APIHandler": {"Properties": _named(stage, "api_handler", arns)},
            "Tick": {"Properties": _named(stage, "tick", arns)},
            "Work": {"Properties": _working(stage, arns)},
            "RestAPI": {"Properties": {"DefinitionBody": {"x-amazon-apigateway-gateway-responses": answers}}},
            **{to_cfn_resource_name(function): {"Properties": _reading(stage, function, arns)} for function in READERS},
        }
    }


def _named(stage: Stage, function: str, arns: TemplateArns) -> dict[str, Any]:
    return {"FunctionName": stage.function(function), "Environment": {"Variables": sources(arns)}}


def _reading(stage: Stage, function: str, arns: TemplateArns) -> dict[str, Any]:
    options = stream_options.options(function, {"Type": "SQS", "Destination": arns.of("streams-dead")})
    event = {"Properties": options | {"Stream": arns.of(f"{READERS[function].room}/stream")}}
    name = to_cfn_resource_name(f"{function}-dynamodb-event-source")
    return _named(stage, function, arns) | {"Events": {name: event}}


def _working(stage: Stage, arns: TemplateArns) -> dict[str, Any]:
    event = {"Properties": {"Queue": arns.of("jobs")}}
    return _named(stage, "work", arns) | {
        "Events": {to_cfn_resource_name("work-sqs-event-source"): event},
        "RecursiveLoop": "Allow",  # see deploy.py
    }


def _chalice_package(project: Path, stage: Stage, merge: Path, out: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", CHALICE, "package", "--stage", stage.name, "--merge-template", str(merge), str(out)],
        cwd=project,
        env=stage.environment() | LOCAL_ACCOUNT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise DeployError(f"chalice package failed:\n{ran.stdout}{ran.stderr}")


def _lint(template: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", CFN_LINT, str(template)], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise DeployError(f"cfn-lint finds fault with {template}:\n{ran.stdout}{ran.stderr}")
