"""A stage's whole life on the local cloud: deployed, again from elsewhere, new code by plain Chalice, taken away."""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import stack
from infra.__main__ import main
from infra.api_stand_in import api_stand_in
from infra.deploy import CHALICE, Deployed, copy_app, deploy, destroy
from infra.invoke import invoke
from infra.local_cloud import local_cloud
from infra.paths import ROOT
from infra.redrive import by_worker
from infra.render import FUNCTIONS
from infra.stack import StackError
from infra.stage import Stage, StageError
from infra.stream_options import READERS

SMALL_APP = Path(__file__).with_name("small_app")


def clone(target: Path) -> Path:
    """A copy of the small app with this repository's committed Chalice configuration, as a fresh clone has it."""
    (target / ".chalice").mkdir(parents=True)
    (target / ".chalice" / "config.json").write_text((ROOT / ".chalice" / "config.json").read_text())
    for source in SMALL_APP.rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            copy = target / source.relative_to(SMALL_APP)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    return target


@pytest.fixture(scope="module")
def cloud() -> Iterator[str]:
    with local_cloud() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def stage(cloud: str) -> Stage:
    return Stage("trial", cloud)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone(tmp_path_factory.mktemp("first") / "clone")


@pytest.fixture(scope="module")
def first(stage: Stage, project: Path) -> Deployed:
    return deploy(stage, project=project, actor="ada")


def ask(method: str, url: str) -> tuple[int, dict[str, object], Message]:
    request = urllib.request.Request(url, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def plain_chalice_deploy(stage: Stage, project: Path) -> None:
    """What a person types: `chalice deploy --stage NAME`."""
    assert stage.endpoint
    with api_stand_in(stage.endpoint) as api_gateway:
        ran = subprocess.run(
            [sys.executable, "-c", CHALICE, "deploy", "--stage", stage.name],
            cwd=project,
            env=stage.environment(api_gateway),
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_first_deploy_answers_and_makes_the_first_key(first: Deployed) -> None:
    status, body, _ = ask("GET", f"{first.url}/health")
    assert (status, body["release"]) == (200, "first")
    assert first.platform_key == "trb_of_ada"
    assert first.changed


def test_a_request_reaches_the_stream_handler(first: Deployed) -> None:
    assert ask("PUT", f"{first.url}/v1/orders/A-1")[0] == 200
    eventually(lambda: ask("GET", f"{first.url}/v1/orders/A-1")[1]["decided"], True)


@pytest.mark.parametrize("handler", READERS)
def test_each_stream_has_its_filter_a_failure_destination_and_bounds(first: Deployed, handler: str) -> None:
    function = first.stage.function(handler)
    found = first.stage.client("lambda").list_event_source_mappings(FunctionName=function)
    (mapping,) = found["EventSourceMappings"]
    assert f":table/tributary-trial-{READERS[handler].room}/stream/" in mapping["EventSourceArn"]
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["BisectBatchOnFunctionError"]
    assert mapping["MaximumRecordAgeInSeconds"] == READERS[handler].seconds
    assert mapping["MaximumRetryAttempts"] == READERS[handler].retries
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"].endswith(":tributary-trial-streams-dead")
    (chosen,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(chosen["Pattern"]) == {"eventName": list(READERS[handler].events)}


def test_only_changed_entries_wake_who_watches_them(first: Deployed) -> None:
    table, entry = "tributary-trial-entries", {"pk": {"S": "account"}, "sk": {"S": "entry"}}
    dynamodb = first.stage.client("dynamodb")
    dynamodb.put_item(TableName=table, Item=entry)
    dynamodb.put_item(TableName=table, Item=entry | {"pk": {"S": "another"}})
    dynamodb.update_item(
        TableName=table, Key=entry, UpdateExpression="SET a = :a", ExpressionAttributeValues={":a": {"N": "1"}}
    )
    dynamodb.delete_item(TableName=table, Key=entry)
    eventually(lambda: told(first.stage, "watch_entries"), ["seen: MODIFY account", "seen: REMOVE account"])


def test_the_schedule_runs_every_quarter_of_an_hour(first: Deployed) -> None:
    events = first.stage.client("events")
    (rule,) = events.list_rules(NamePrefix="tributary-trial-")["Rules"]
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(15 minutes)", "ENABLED")
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    assert target["Arn"].endswith(":function:tributary-trial-tick")


def test_what_the_schedule_sends_reaches_the_worker(first: Deployed) -> None:
    assert main(["tick", *where(first.stage)]) == 0
    eventually(lambda: told(first.stage, "work"), ["seen: due"])
    eventually(lambda: waiting(first.stage, "jobs"), {"ApproximateNumberOfMessages": "0", HIDDEN: "0"})


def test_the_worker_gets_a_message_at_a_time_and_few_at_once(first: Deployed) -> None:
    mapping = mapping_of_jobs(first.stage)
    assert mapping["EventSourceArn"].endswith(":tributary-trial-jobs")
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 20}


def test_a_job_may_go_on_by_more_messages_than_lambda_takes_for_no_loop(first: Deployed) -> None:
    told = first.stage.client("lambda").get_function_recursion_config(FunctionName=first.stage.function("work"))
    assert told["RecursiveLoop"] == "Allow"


def test_a_job_that_always_fails_is_tried_again_then_given_up_and_kept(first: Deployed) -> None:
    sqs = first.stage.client("sqs")
    url = queue_url(first.stage, "jobs")
    hidden = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "0"})
    try:
        sqs.send_message(QueueUrl=url, MessageBody="poison")
        eventually(lambda: waiting(first.stage, "jobs-dead"), {"ApproximateNumberOfMessages": "1", HIDDEN: "0"})
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=hidden)
    assert 1 < told(first.stage, "work").count("seen: poison") <= 5
    (message,) = sqs.receive_message(QueueUrl=queue_url(first.stage, "jobs-dead"))["Messages"]
    assert message["Body"] == "poison"


def test_the_worker_can_be_given_a_job_by_hand(first: Deployed) -> None:
    job = {"job": "redrive", "program_id": "shop", "quarantine_id": "orders:B-2", "actor": "ada"}
    by_worker(first.stage)(job)
    eventually(lambda: told(first.stage, "work")[-1], f"seen: {json.dumps(job)}")


HIDDEN = "ApproximateNumberOfMessagesNotVisible"


def waiting(stage: Stage, queue: str) -> dict[str, str]:
    """How many messages a queue has, and how many of them somebody works on."""
    client, names = stage.client("sqs"), ["ApproximateNumberOfMessages", HIDDEN]
    answer = client.get_queue_attributes(QueueUrl=queue_url(stage, queue), AttributeNames=names)
    return dict(answer["Attributes"])


def queue_url(stage: Stage, queue: str) -> str:
    return str(stage.client("sqs").get_queue_url(QueueName=f"{stage.table_prefix}{queue}")["QueueUrl"])


def mapping_of_jobs(stage: Stage) -> dict[str, Any]:
    """How the jobs queue wakes its worker."""
    found = stage.client("lambda").list_event_source_mappings(FunctionName=stage.function("work"))
    (mapping,) = found["EventSourceMappings"]
    return dict(mapping)


def eventually(what: Callable[[], object], wanted: object) -> None:
    """Wait for it, up to half a minute."""
    deadline = time.monotonic() + 30
    while (found := what()) != wanted:
        assert time.monotonic() < deadline, f"after half a minute it is {found}"
        time.sleep(0.1)


def told(stage: Stage, handler: str) -> list[str]:
    """What a function has printed of the records that it saw.

    On a busy machine the local cloud hears a function's last lines only with its next call: so call it for nothing.
    """
    invoke(stage, handler, {"Records": []}, f"{handler} could not be called")
    found = stage.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{stage.function(handler)}")
    lines = [event["message"].strip() for event in found["events"]]
    return [line for line in lines if line.startswith("seen: ")]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/health")])
def test_api_gateway_refuses_as_the_app_would(first: Deployed, method: str, path: str) -> None:
    status, body, headers = ask(method, first.url + path)
    assert status == body["status"] == 404
    assert headers["Content-Type"] == "application/problem+json"
    assert body["code"] == "not_found"
    assert body["request_id"] == headers["X-Request-Id"]
    assert headers["Access-Control-Allow-Origin"] == "*"


def test_each_function_has_its_own_role_with_its_rendered_policy(first: Deployed, project: Path) -> None:
    client, roles = first.stage.client("iam"), set()
    for handler in FUNCTIONS:
        function = first.stage.client("lambda").get_function(FunctionName=first.stage.function(handler))
        role = function["Configuration"]["Role"].rpartition("/")[2]
        (name,) = client.list_role_policies(RoleName=role)["PolicyNames"]
        given = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        assert given == json.loads((project / ".chalice" / f"policy-trial-{handler}.json").read_text())
        roles.add(role)
    assert len(roles) == len(FUNCTIONS)


def test_who_pays_keeps_accounts_under_the_key_and_batches_in_the_bucket(first: Deployed, project: Path) -> None:
    configured = first.stage.client("lambda").get_function_configuration(FunctionName=first.stage.function("work"))
    told = configured["Environment"]["Variables"]
    kms, s3 = may_do_what(first.stage, project, "work", "kms", "s3")
    (who_is_told,) = may_do_what(first.stage, project, "api_handler", "kms")
    account = {"KeyId": told["TRIBUTARY_PAYOUT_KEY"], "EncryptionContext": {"distributor": "dst_1"}}
    cipher = who_is_told.encrypt(Plaintext=b"6222", **account)["CiphertextBlob"]
    with pytest.raises(ClientError, match="not authorized"):
        kms.encrypt(Plaintext=b"6222", **account)
    assert kms.decrypt(CiphertextBlob=cipher, **account)["Plaintext"] == b"6222"
    with pytest.raises(ClientError, match="InvalidCiphertext"):
        kms.decrypt(CiphertextBlob=cipher, **account | {"EncryptionContext": {"distributor": "dst_2"}})
    batch = {"Bucket": told["TRIBUTARY_BUCKET"], "Key": "batches/shop-1/b-1.csv"}
    s3.put_object(**batch, Body=b"once", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(**batch, Body=b"twice", IfNoneMatch="*")
    assert s3.get_object(**batch)["Body"].read() == b"once"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(**batch | {"Key": "chalice/deployed/trial.json"}, Body=b"")


def test_who_decides_opens_no_account_and_no_batch(first: Deployed, project: Path) -> None:
    kms, s3 = may_do_what(first.stage, project, "decide_orders", "kms", "s3")
    with pytest.raises(ClientError, match="not authorized"):
        kms.encrypt(KeyId="alias/tributary-trial", Plaintext=b"6222")
    bucket = stack.outputs(first.stage)["BucketName"]
    with pytest.raises(ClientError, match="not authorized"):
        s3.get_object(Bucket=bucket, Key="batches/shop-1/b-1.csv")


def may_do_what(stage: Stage, project: Path, handler: str, *services: str) -> list[Any]:
    """Clients of somebody who may do what a function may."""
    iam, user = stage.client("iam"), f"as-{handler}"
    iam.create_user(UserName=user)
    policy = (project / ".chalice" / f"policy-{stage.name}-{handler}.json").read_text()
    iam.put_user_policy(UserName=user, PolicyName="given", PolicyDocument=policy)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
    make: Any = session.client
    return [make(service, endpoint_url=stage.endpoint) for service in services]


def test_a_second_clone_changes_nothing(
    first: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    elsewhere = clone(tmp_path / "elsewhere")
    assert main(["deploy", *where(first.stage), "--project", str(elsewhere)]) == 0
    said = capsys.readouterr().out
    assert "Nothing changed." in said
    assert re.search(r"data stack +nothing changes", said)
    assert re.search(r"platform key +there is one already", said)
    assert f"URL   {first.url}\n" in said
    assert len(first.stage.client("apigateway").get_rest_apis()["items"]) == 1
    assert mapping_of_jobs(first.stage)["ScalingConfig"] == {"MaximumConcurrency": 20}


def test_a_pipeline_never_sees_a_key(
    cloud: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    stage, project = Stage("pipeline", cloud), ["--project", str(clone(tmp_path / "clone"))]
    assert main(["deploy", *where(stage), *project]) == 0
    assert main(["key", *where(stage), *project]) == 1
    assert "trb_" not in "".join(capsys.readouterr())
    monkeypatch.delenv("CI")
    assert main(["key", *where(stage), *project, "--actor", "eve"]) == 0
    assert "trb_of_eve" in capsys.readouterr().out
    destroy(stage, project=Path(project[1]))


def where(stage: Stage) -> list[str]:
    return ["--stage", stage.name, "--endpoint", str(stage.endpoint)]


def test_the_url_on_aws_is_the_one_chalice_was_given() -> None:
    known = {"rest_api_id": "a1", "rest_api_url": "https://a1.execute-api.cn-north-1.amazonaws.com.cn/prod/"}
    assert Stage("prod").url(known) == "https://a1.execute-api.cn-north-1.amazonaws.com.cn/prod"


def test_plain_chalice_ships_new_code_to_the_same_url(first: Deployed, project: Path) -> None:
    routes = project / "chalicelib" / "routes.py"
    text = routes.read_text().replace('"first"', '"second"').replace("/v1/leaving", "/v1/arriving/{name}")
    routes.write_text(text.replace("def leaving()", "def leaving(name: str)"))
    plain_chalice_deploy(first.stage, project)
    assert ask("GET", f"{first.url}/health")[1]["release"] == "second"
    assert ask("GET", f"{first.url}/v1/leaving")[0] == 404
    assert ask("GET", f"{first.url}/v1/arriving/now")[0] == 200


def test_destroy_leaves_the_data(first: Deployed, project: Path) -> None:
    destroy(first.stage, project=project)
    assert first.stage.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert first.stage.client("events").list_rules()["Rules"] == []
    assert queue_url(first.stage, "jobs")
    assert ask("GET", f"{first.url}/health")[0] == 404
    orders = first.stage.client("dynamodb").scan(TableName="tributary-trial-orders")["Items"]
    assert [item["pk"]["S"] for item in orders] == ["A-1"]


def test_a_change_that_would_lose_a_table_is_refused_before_it_begins(
    first: Deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = stack.RESOURCES.read_text()
    changed = tmp_path / "resources.yaml"
    changed.write_text(text.replace("TableName: !Sub tributary-${Stage}-orders", "TableName: !Sub other-${Stage}"))
    monkeypatch.setattr(stack, "RESOURCES", changed)
    with pytest.raises(StackError, match="nothing was done: OrdersTable"):
        stack.apply(first.stage)
    assert "tributary-trial-orders" in first.stage.client("dynamodb").list_tables()["TableNames"]


def test_destroying_what_was_never_deployed_says_so(cloud: str, project: Path) -> None:
    with pytest.raises(StackError, match="Stage ghost has no stack"):
        destroy(Stage("ghost", cloud), project=project)


def test_a_copy_of_the_app_holds_no_stage_of_this_machine(tmp_path: Path) -> None:
    source = clone(tmp_path / "source")
    (source / ".chalice" / "deployed").mkdir()
    (source / ".chalice" / "policy-prod-api_handler.json").write_text("{}")
    copy_app(source, tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy" / ".chalice").iterdir()) == ["config.json"]


@pytest.mark.parametrize("name", ["", "Prod", "my-stage", "x" * 17, "1st"])
def test_a_stage_is_named_so_that_every_resource_can_be(name: str) -> None:
    with pytest.raises(StageError):
        Stage(name)
