"""Apply `resources.yaml` to a stage by a change set, so that applying it again says that nothing changes."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.stage import Stage
from infra.template import RESOURCES

TIMEOUT_SECONDS = 1800.0
KEEPS_STATE = ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::KMS::Key")
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")


class StackError(RuntimeError):
    """The stack can't or must not be brought to what the template says; the message has CloudFormation's words."""


@dataclass(frozen=True)
class Applied:
    """What a stage has now, and what this time made or changed, by logical id."""

    outputs: dict[str, str]
    changed: list[str]


def apply(stage: Stage) -> Applied:
    """Make or update the stage's data stack.

    Raises `StackError` before anything happens if a table, a queue, the bucket or the key would be replaced or removed.
    """
    cloudformation = stage.client("cloudformation")
    change_set = {"StackName": stage.stack, "ChangeSetName": f"deploy-{time.time_ns()}"}
    changed = _prepare(cloudformation, stage, change_set)
    if changed:
        cloudformation.execute_change_set(**change_set)
        _finish(cloudformation, stage)
        cloudformation.update_termination_protection(StackName=stage.stack, EnableTerminationProtection=True)
    return Applied(outputs(stage), changed)


def outputs(stage: Stage) -> dict[str, str]:
    """What the stage's stack tells the deploy: names and ARNs. `StackError` if there is no such stack."""
    described = _describe(stage.client("cloudformation"), stage)
    if described is None:
        raise StackError(f"Stage {stage.name} has no stack {stage.stack} yet")
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def _describe(cloudformation: Any, stage: Stage) -> dict[str, Any] | None:
    try:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=stage.stack)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return stack


def _prepare(cloudformation: Any, stage: Stage, change_set: dict[str, str]) -> list[str]:
    """Make a change set and look at it; the logical ids it would touch, none if it was empty."""
    described = _describe(cloudformation, stage)
    fresh = described is None or described["StackStatus"] == "REVIEW_IN_PROGRESS"
    cloudformation.create_change_set(
        **change_set,
        ChangeSetType="CREATE" if fresh else "UPDATE",
        TemplateBody=RESOURCES.read_text(),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage.name}],
    )
    answer = _wait(lambda: cloudformation.describe_change_set(**change_set))
    if answer["Status"] == "FAILED":
        reason = answer.get("StatusReason", "")
        cloudformation.delete_change_set(**change_set)
        if any(words in reason for words in _UNCHANGED):
            return []
        raise StackError(f"CloudFormation won't change {stage.stack}: {reason}")
    changes = [change["ResourceChange"] for change in answer["Changes"]]
    if losses := [change["LogicalResourceId"] for change in changes if _loses_data(change)]:
        cloudformation.delete_change_set(**change_set)
        raise StackError(f"This would replace or remove what keeps state, so nothing was done: {', '.join(losses)}")
    return [change["LogicalResourceId"] for change in changes]


def _loses_data(change: dict[str, Any]) -> bool:
    gone = change["Action"] == "Remove" or change.get("Replacement") == "True"
    return gone and change["ResourceType"] in KEEPS_STATE


def _finish(cloudformation: Any, stage: Stage) -> None:
    def current() -> dict[str, Any]:
        stack = _describe(cloudformation, stage) or {}
        return {"Status": stack["StackStatus"]}

    status = _wait(current)["Status"]
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise StackError(f"{stage.stack} ended as {status}:\n{_complaints(cloudformation, stage)}")


def _complaints(cloudformation: Any, stage: Stage) -> str:
    events = cloudformation.describe_stack_events(StackName=stage.stack)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    lines = [f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed]
    return "\n".join(lines) or "  no reason given"


def _wait(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Look until the status is no longer one of being under way; at first often, then every three seconds."""
    pause, deadline = 0.05, time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        seen = look()
        if not seen["Status"].endswith(("_IN_PROGRESS", "_PENDING")) or seen["Status"].startswith("REVIEW"):
            return seen
        time.sleep(pause)
        pause = min(3.0, pause * 1.5)
    raise StackError(f"CloudFormation isn't done after {TIMEOUT_SECONDS / 60:.0f} minutes")
