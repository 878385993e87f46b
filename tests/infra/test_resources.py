"""What a stage keeps is protected, what can go wrong is watched, and every alarm says what to do."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import boto3
import pytest
from moto import mock_aws

from chalicelib.shared.log import NAMESPACE, NEEDS_A_PERSON, Kind
from infra import stack
from infra.gateway_answers import ANSWERS
from infra.paths import ROOT
from infra.policies import POLICIES, READ_STREAM, SEND
from infra.render import FUNCTIONS
from infra.sam import CFN_LINT
from infra.stage import Stage
from infra.stream_options import READERS, options
from infra.tables import room, table_definitions
from infra.template import RESOURCES, plain_name, resources, template

TABLES = resources("AWS::DynamoDB::Table")
ALARMS = resources("AWS::CloudWatch::Alarm")
KEEPS_STATE = {name: body for kind in stack.KEEPS_STATE for name, body in resources(kind).items()}
RUNBOOK = ROOT / "docs" / "runbook.md"
DEPLOY = ROOT / "docs" / "deploy.md"


def alarm_name(alarm: dict[str, Any]) -> str:
    return plain_name(alarm["Properties"]["AlarmName"], "STAGE").removeprefix("tributary-STAGE-")


def test_the_template_lints() -> None:
    command = [sys.executable, "-c", CFN_LINT, str(RESOURCES)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_table_is_protected(table: dict[str, Any]) -> None:
    properties = table["Properties"]
    assert properties["DeletionProtectionEnabled"] is True
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert "LocalSecondaryIndexes" not in properties


@pytest.mark.parametrize("resource", KEEPS_STATE.values(), ids=KEEPS_STATE)
def test_what_keeps_state_outlives_its_stack(resource: dict[str, Any]) -> None:
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"


def test_a_room_per_table() -> None:
    assert {room(table["Properties"]) for table in TABLES.values()} == {
        *("programs", "access", "catalog", "distributors", "referrals"),
        *("orders", "decisions", "entries", "levels", "ops"),
        *("accounts", "payouts", "withdrawals"),
    }


def test_tests_get_the_very_tables_of_a_stage() -> None:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        for definition in table_definitions("any-prefix-"):
            client.create_table(**definition)
        orders = client.describe_table(TableName="any-prefix-orders")["Table"]
    assert {index["IndexName"] for index in orders["GlobalSecondaryIndexes"]} == {"by_day"}
    assert orders["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}


def test_the_bucket_is_private_versioned_and_encrypted() -> None:
    (bucket,) = resources("AWS::S3::Bucket").values()
    properties = bucket["Properties"]
    assert all(properties["PublicAccessBlockConfiguration"].values())
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["BucketEncryption"]


def test_the_payout_key_rotates_and_policies_say_who_may_use_it() -> None:
    (key,) = resources("AWS::KMS::Key").values()
    assert key["Properties"]["EnableKeyRotation"] is True
    (statement,) = key["Properties"]["KeyPolicy"]["Statement"]
    assert statement["Principal"] == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
    (alias,) = resources("AWS::KMS::Alias").values()
    assert plain_name(alias["Properties"]["AliasName"], "trial") == "alias/tributary-trial"


def test_queues_are_encrypted_and_work_that_fails_is_kept_two_weeks() -> None:
    queues = resources("AWS::SQS::Queue")
    assert all(queue["Properties"]["SqsManagedSseEnabled"] for queue in queues.values())
    dead = [queue["Properties"] for name, queue in queues.items() if name.endswith("DeadLetters")]
    assert {queue["MessageRetentionPeriod"] for queue in dead} == {14 * 86_400}
    assert queues["JobsQueue"]["Properties"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["JobsDeadLetters", "Arn"]},
        "maxReceiveCount": 5,
    }


def test_a_job_is_hidden_six_times_as_long_as_its_function_may_take() -> None:
    """As AWS asks for, so that none is given to a second function while the first one still may finish it."""
    (queue,) = (body for name, body in resources("AWS::SQS::Queue").items() if name == "JobsQueue")
    assert queue["Properties"]["VisibilityTimeout"] == 6 * FUNCTIONS["work"]["lambda_timeout"]


def test_every_stream_that_is_read_has_its_options() -> None:
    readers = [name for name, things in POLICIES.items() if READ_STREAM in things.values()]
    assert readers == list(READERS)


@pytest.mark.parametrize("function", READERS)
def test_what_a_function_gives_up_is_told_and_bounded(function: str) -> None:
    assert POLICIES[function][f"{READERS[function].room}/stream"] == READ_STREAM
    assert POLICIES[function]["streams-dead"] == SEND
    chosen = options(function, {"Destination": "arn-of-the-queue"})
    assert chosen["DestinationConfig"] == {"OnFailure": {"Destination": "arn-of-the-queue"}}
    assert chosen["BisectBatchOnFunctionError"]
    assert chosen["MaximumRetryAttempts"] > 0
    assert 0 < chosen["MaximumRecordAgeInSeconds"] < 86_400


def test_an_entrys_change_that_cannot_be_told_is_among_the_dead_letters_within_minutes() -> None:
    """No alarm watches the failures of who watches entries."""
    assert READERS["watch_entries"].seconds <= 600


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_every_alarm_tells_the_one_topic(alarm: dict[str, Any]) -> None:
    assert alarm["Properties"]["AlarmActions"] == [{"Ref": "Alarms"}]
    assert alarm["Properties"]["AlarmDescription"]


def test_only_the_schedule_that_stopped_is_told_by_silence() -> None:
    loud = [alarm_name(alarm) for alarm in ALARMS.values() if alarm["Properties"]["TreatMissingData"] != "notBreaching"]
    assert loud == ["tick-stopped"]


def test_every_alarm_has_its_section_in_the_runbook_and_every_section_its_alarm() -> None:
    sections = re.findall(r"^## `([a-z0-9-]+)`$", RUNBOOK.read_text(), re.MULTILINE)
    assert sorted(sections) == sorted(map(alarm_name, ALARMS.values()))


WATCHED = {
    # What it raises is a 5xx of the API, and so is what it isn't called for because it is throttled.
    "api_handler": set(),
    # Whether it raised or was throttled, it is called again, and its stream's lag tells if that doesn't help.
    "decide_orders": {"IteratorAge"},
    # What it can't tell is soon among the streams' dead letters.
    "watch_entries": set(),
    # Throttled, it isn't invoked.
    "tick": {"Errors", "Invocations"},
    # What it fails comes back, and lies with the jobs' dead letters in the end; a job that waits is told to be late.
    "work": set(),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_is_watched_by_what_its_callers_do_not_tell(function: str) -> None:
    watched = {
        alarm["Properties"]["MetricName"]
        for alarm in ALARMS.values()
        for dimension in alarm["Properties"]["Dimensions"]
        if dimension["Name"] == "FunctionName"
        and plain_name(dimension["Value"], "trial") == Stage("trial").function(function)
    }
    assert watched == WATCHED[function]


def test_every_function_has_a_log_group_that_forgets() -> None:
    groups = resources("AWS::Logs::LogGroup").values()
    named = {plain_name(group["Properties"]["LogGroupName"], "trial") for group in groups}
    assert named == {f"/aws/lambda/{Stage('trial').function(handler)}" for handler in FUNCTIONS}
    assert all(group["Properties"]["RetentionInDays"] for group in groups)


def test_the_dashboard_shows_every_function_and_nothing_twice_in_one_place() -> None:
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(places) == len(set(places))
    metrics = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
    failures = {metric[3] for metric in metrics if metric[:2] == ["AWS/Lambda", "Errors"]}
    assert failures == {Stage("x").function(handler).replace("-x", "-${Stage}") for handler in FUNCTIONS}


def test_an_idle_stage_costs_what_the_docs_say() -> None:
    """While nobody uses it, a stage pays for its key, its alarms, and its worker's asking the queue.

    A key is a dollar a month, an alarm ten cents. Lambda has five pollers, each asks every 20 seconds, at 40 cents a
    million. What AWS gives for free is not counted.
    """
    keys, said = resources("AWS::KMS::Key"), DEPLOY.read_text()
    polls = 5 * (30 * 86_400 // 20)
    asking = 40 * polls / 1_000_000
    cents = 100 * len(keys) + 10 * len(ALARMS) + asking
    assert cents < 200
    assert f"| {len(ALARMS)} alarms at 10 cents | {len(ALARMS) / 10:.2f} |" in said
    assert f"{polls:,} times" in said
    assert f"| {asking / 100:.2f} |" in said
    assert f"**{cents / 100:.2f}**" in said


def test_what_needs_a_person_has_one_alarm_which_carries_its_stage() -> None:
    (alarm,) = (a["Properties"] for a in ALARMS.values() if a["Properties"]["Namespace"] == NAMESPACE)
    assert alarm["MetricName"] == NEEDS_A_PERSON
    assert alarm["Dimensions"] == [{"Name": "Stage", "Value": {"Ref": "Stage"}}]


def test_every_kind_that_needs_a_person_is_on_the_dashboard_and_in_the_runbook() -> None:
    kinds = get_args(Kind)
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(dashboard["Properties"]["DashboardBody"]["Fn::Sub"])["widgets"]
    (metrics,) = (it["properties"]["metrics"] for it in widgets if it["properties"]["title"] == "Needs a person")
    assert metrics == [[NAMESPACE, kind, "Stage", "${Stage}"] for kind in kinds]
    assert tuple(re.findall(r"^### `(\w+)`$", RUNBOOK.read_text(), re.MULTILINE)) == kinds


def test_every_kind_that_needs_a_person_is_told_by_somebody() -> None:
    sources = [path.read_text() for path in (ROOT / "chalicelib").rglob("*.py")]
    told = {kind for source in sources for kind in re.findall(r'log\.count\(\s*"(\w+)"', source)}
    assert told == set(get_args(Kind))


def test_outputs_name_every_table() -> None:
    assert {f"{name}Arn" for name in TABLES} <= template()["Outputs"].keys()
    assert Path(RESOURCES).stat().st_size < 51_200, "larger templates have to be uploaded first"


def test_what_api_gateway_refuses_is_a_documented_problem() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    said = re.findall(r"`(\w+)` \((\d+)\)", DEPLOY.read_text())
    told = {(answer.code, str(answer.status)) for answer in ANSWERS.values()}
    assert told <= {*rows, *said}
