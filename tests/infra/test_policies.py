"""Each function may do what it does and no more, on things that exist, and no function may change an entry."""

import json
from typing import Any

import pytest

from infra.paths import ROOT
from infra.policies import NEVER_ON_ENTRIES, POLICIES, StageArns, TemplateArns, by_lambda, policy
from infra.render import FUNCTIONS, environment, render, render_placeholders
from infra.stage import Stage
from infra.tables import table_definitions

ACCOUNT = "arn:aws:dynamodb:eu-central-1:123456789012:table"
TABLES = {definition["TableName"]: definition for definition in table_definitions("")}
OUTPUTS = {
    "TablePrefix": "tributary-prod-",
    "OrdersStreamArn": f"{ACCOUNT}/tributary-prod-orders/stream/2026-11-21T00:00:00.000",
    "EntriesStreamArn": f"{ACCOUNT}/tributary-prod-entries/stream/2026-11-21T00:00:00.000",
    "StreamsDeadLettersArn": "arn:aws:sqs:eu-central-1:123456789012:tributary-prod-streams-dead",
    "JobsQueueArn": "arn:aws:sqs:eu-central-1:123456789012:tributary-prod-jobs",
    "JobsQueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/tributary-prod-jobs",
    "BucketName": "tributary-prod-123456789012-eu-central-1",
    "BucketArn": "arn:aws:s3:::tributary-prod-123456789012-eu-central-1",
    "PayoutKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/5a0b7f0e-9a3c-4c0e-8f53-0d5f3f6f6c11",
} | {f"{name.capitalize()}TableArn": f"{ACCOUNT}/tributary-prod-{name}" for name in TABLES}


def statements(function: str, effect: str) -> list[dict[str, Any]]:
    document = policy(function, StageArns(OUTPUTS))
    return [statement for statement in document["Statement"] if statement["Effect"] == effect]


def test_every_function_has_a_policy() -> None:
    assert POLICIES.keys() == FUNCTIONS.keys()


@pytest.mark.parametrize("function", POLICIES)
def test_no_function_may_change_an_entry(function: str) -> None:
    (denied,) = statements(function, "Deny")
    assert denied["Resource"] == [f"{ACCOUNT}/tributary-prod-entries"]
    assert set(denied["Action"]) == set(NEVER_ON_ENTRIES)
    allowed = set(POLICIES[function].get("entries", ()))
    assert not allowed & set(NEVER_ON_ENTRIES)


@pytest.mark.parametrize("function", POLICIES)
def test_only_named_actions_on_named_things(function: str) -> None:
    for statement in statements(function, "Allow"):
        assert not any("*" in action for action in statement["Action"])
        (resource,) = statement["Resource"]
        assert resource.startswith("arn:aws:")
        assert "tributary-prod" in resource or resource == OUTPUTS["PayoutKeyArn"]


@pytest.mark.parametrize("function", POLICIES)
def test_only_tables_and_indexes_that_exist(function: str) -> None:
    for thing in POLICIES[function]:
        room, _, rest = thing.partition("/")
        if thing in ("streams-dead", "jobs", "payout-key", "bucket/batches/*"):
            continue
        table = TABLES[room]
        if rest.startswith("index/"):
            indexes = {index["IndexName"] for index in table["GlobalSecondaryIndexes"]}
            assert rest.removeprefix("index/") in indexes
        elif rest:
            assert rest in ("stream", "stream/*")
            assert table["StreamSpecification"]["StreamEnabled"]


def test_nobody_writes_what_another_function_decides() -> None:
    """The API decides an order that was in quarantine, by an operator's word; the worker those that the stream left."""
    writes = {"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"}
    assert not writes & set(POLICIES["decide_orders"]["orders"])
    deciding = {name for name, things in POLICIES.items() if writes & set(things.get("decisions", ()))}
    assert deciding == {"api_handler", "decide_orders", "work"}
    tables = [set(actions) for thing, actions in POLICIES["tick"].items() if thing != "jobs"]
    assert not any(writes & actions for actions in tables)


def test_only_who_pays_opens_where_it_is_paid_to() -> None:
    opens = {name for name, things in POLICIES.items() if "kms:Decrypt" in things.get("payout-key", ())}
    assert opens <= {"api_handler", "work"}
    assert StageArns(OUTPUTS).of("payout-key") == OUTPUTS["PayoutKeyArn"]


def test_of_the_bucket_functions_have_the_batches_only() -> None:
    things = {thing for things in POLICIES.values() for thing in things if thing.startswith("bucket")}
    assert things == {"bucket/batches/*"}
    assert StageArns(OUTPUTS).of("bucket/batches/*") == f"{OUTPUTS['BucketArn']}/batches/*"
    in_any_account = "arn:${AWS::Partition}:s3:::tributary-prod-${AWS::AccountId}-${AWS::Region}/batches/*"
    assert TemplateArns("prod").of("bucket/batches/*") == {"Fn::Sub": in_any_account}


def test_who_watches_entries_touches_no_table() -> None:
    assert POLICIES["watch_entries"].keys() == {"entries/stream", "entries/stream/*", "streams-dead"}
    things = POLICIES["watch_entries"].items()
    assert all(by_lambda(thing, action) for thing, actions in things for action in actions)


def test_a_function_writes_to_its_own_log_group_only() -> None:
    for function in FUNCTIONS:
        arn = f"arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/{Stage('prod').function(function)}:*"
        assert statements(function, "Allow")[-1]["Resource"] == [arn]


def test_a_packaged_policy_fits_any_account() -> None:
    text = json.dumps(policy("decide_orders", TemplateArns("prod")))
    assert "arn:aws:" not in text
    assert '{"Fn::ImportValue": "tributary-prod-OrdersStreamArn"}' in text


def test_the_committed_stage_dev_is_up_to_date() -> None:
    assert not render_placeholders(ROOT), "it was out of date and is rewritten now: commit it"


def test_rendering_a_stage_again_changes_nothing(tmp_path: Any) -> None:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text((ROOT / ".chalice" / "config.json").read_text())
    stage = Stage("prod")
    told = environment(stage, StageArns(OUTPUTS))
    assert render(tmp_path, stage, told, StageArns(OUTPUTS))
    assert not render(tmp_path, stage, told, StageArns(OUTPUTS))
    config = json.loads((tmp_path / ".chalice" / "config.json").read_text())
    assert config["stages"].keys() == {"dev", "prod"}
    assert config["stages"]["prod"]["environment_variables"] == {
        "TRIBUTARY_STAGE": "prod",
        "TRIBUTARY_TABLE_PREFIX": "tributary-prod-",
        "TRIBUTARY_LOG_LEVEL": "INFO",
        "TRIBUTARY_ORDERS_STREAM_ARN": OUTPUTS["OrdersStreamArn"],
        "TRIBUTARY_ENTRIES_STREAM_ARN": OUTPUTS["EntriesStreamArn"],
        "TRIBUTARY_JOBS_QUEUE_ARN": OUTPUTS["JobsQueueArn"],
        "TRIBUTARY_JOBS_QUEUE_URL": OUTPUTS["JobsQueueUrl"],
        "TRIBUTARY_BUCKET": OUTPUTS["BucketName"],
        "TRIBUTARY_PAYOUT_KEY": OUTPUTS["PayoutKeyArn"],
    }
    for function in FUNCTIONS:
        named = config["stages"]["prod"]["lambda_functions"][function]["iam_policy_file"]
        assert (tmp_path / ".chalice" / named).exists()
