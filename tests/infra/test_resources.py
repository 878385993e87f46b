"""What a stage keeps is protected, what can go wrong is watched, and every alarm says what to do."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

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
KEEPS_STATE = TABLES | resources("AWS::SQS::Queue") | resources("AWS::S3::Bucket")
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
    # What it raises is a 5xx of the API.
    "api_handler": {"Throttles"},
    # A throttled reader of a stream is called again, and its stream's lag tells.
    "decide_orders": {"Errors", "IteratorAge"},
    "watch_entries": {"Errors"},
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
    """While nobody uses it, a stage pays for alarms, and for its worker's asking the queue.

    An alarm is 10 cents a month; ten are free. Lambda has five pollers, each asks every 20 seconds; a million is free.
    """
    cents, said = 10 * len(ALARMS), DEPLOY.read_text()
    assert f"{len(ALARMS)} alarms" in said
    assert f"{cents / 100:.2f} dollars" in said
    polls = 5 * (30 * 86_400 // 20)
    assert f"{polls:,} times a month" in said
    assert f"{40 * polls / 1_000_000:.0f} cents" in said
    assert cents + 40 * polls / 1_000_000 < 200


def test_every_custom_metric_that_is_watched_carries_its_stage() -> None:
    ours = [a["Properties"] for a in ALARMS.values() if a["Properties"]["Namespace"] == "Tributary"]
    assert {alarm["MetricName"] for alarm in ours} == {
        *("Quarantined", "JobsLate", "EntriesChanged", "DivergentReplay")
    }
    assert all(alarm["Dimensions"] == [{"Name": "Stage", "Value": {"Ref": "Stage"}}] for alarm in ours)


def test_outputs_name_every_table() -> None:
    assert {f"{name}Arn" for name in TABLES} <= template()["Outputs"].keys()
    assert Path(RESOURCES).stat().st_size < 51_200, "larger templates have to be uploaded first"


def test_what_api_gateway_refuses_is_a_documented_problem() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    said = re.findall(r"`(\w+)` \((\d+)\)", DEPLOY.read_text())
    told = {(answer.code, str(answer.status)) for answer in ANSWERS.values()}
    assert told <= {*rows, *said}
