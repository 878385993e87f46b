"""The app packages: small, the same bytes for the same code, as a template that lints and knows the stage."""

import hashlib
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra import bundle, sam
from infra.deploy import copy_app
from infra.paths import ROOT
from infra.render import FUNCTIONS
from infra.stage import Stage
from infra.stream_options import RECORD_AGE_SECONDS

MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pipeline gets for stage prod; made without an account, and linted on the way."""
    return sam.package(Stage("prod"), tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def resources(packaged: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(packaged.read_text())["Resources"]
    return found


@pytest.mark.parametrize(("function", "stream"), [("DecideOrders", "Orders"), ("WatchEntries", "Entries")])
def test_the_template_has_each_stream_as_the_data_stack_exports_it(
    resources: dict[str, Any], function: str, stream: str
) -> None:
    (event,) = (event["Properties"] for event in resources[function]["Properties"]["Events"].values())
    assert event["Stream"] == {"Fn::ImportValue": f"tributary-prod-{stream}StreamArn"}
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    assert variables[f"TRIBUTARY_{stream.upper()}_STREAM_ARN"] == event["Stream"]
    assert event["StartingPosition"] == "TRIM_HORIZON"
    assert event["BisectBatchOnFunctionError"]
    assert event["MaximumRecordAgeInSeconds"] == RECORD_AGE_SECONDS
    assert "streams-dead" in json.dumps(event["DestinationConfig"])


def test_the_template_has_the_queue_of_whichever_account_it_is_deployed_to(resources: dict[str, Any]) -> None:
    (event,) = (event["Properties"] for event in resources["Work"]["Properties"]["Events"].values())
    jobs = "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:tributary-prod-jobs"
    assert event["Queue"] == {"Fn::Sub": jobs}
    assert event["BatchSize"] == 1
    assert event["ScalingConfig"] == {"MaximumConcurrency": 20}
    assert resources["Work"]["Properties"]["RecursiveLoop"] == "Allow"
    functions = [body for body in resources.values() if body["Type"] == "AWS::Serverless::Function"]
    told = [function["Properties"]["Environment"]["Variables"] for function in functions]
    url = "https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/tributary-prod-jobs"
    assert [variables["TRIBUTARY_JOBS_QUEUE_URL"] for variables in told] == [{"Fn::Sub": url}] * len(FUNCTIONS)


def test_the_template_has_the_schedule(resources: dict[str, Any]) -> None:
    (event,) = (event["Properties"] for event in resources["Tick"]["Properties"]["Events"].values())
    assert event["Schedule"] == "rate(15 minutes)"


def test_packaged_functions_have_the_names_that_alarms_watch(resources: dict[str, Any]) -> None:
    functions = [body for body in resources.values() if body["Type"] == "AWS::Serverless::Function"]
    names = {function["Properties"]["FunctionName"] for function in functions}
    assert names == {Stage("prod").function(handler) for handler in FUNCTIONS}


def test_the_packaged_api_refuses_as_the_app_does(resources: dict[str, Any]) -> None:
    answers = resources["RestAPI"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    problem = json.loads(answers["MISSING_AUTHENTICATION_TOKEN"]["responseTemplates"]["application/json"])
    assert problem["code"] == "not_found"


def test_every_resource_has_a_type(resources: dict[str, Any]) -> None:
    assert all("Type" in body for body in resources.values()), "a misspelt name in the merge adds a typeless one"


def test_the_package_is_small_and_carries_byte_code(packaged: Path) -> None:
    package = packaged.with_name("deployment.zip")
    assert package.stat().st_size < MOST_BYTES
    names = zipfile.ZipFile(package).namelist()
    tag = sys.implementation.cache_tag
    assert f"__pycache__/app.{tag}.pyc" in names
    assert f"chalicelib/__pycache__/__init__.{tag}.pyc" in names
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith(("infra/", "tests/", "docs/", ".chalice/"))]


def test_the_same_code_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    digests = set()
    for place in ("here", "there"):
        copy_app(ROOT, tmp_path / place)
        stray = tmp_path / place / "chalicelib" / "__pycache__"
        stray.mkdir()
        (stray / f"{place}.pyc").write_bytes(place.encode())
        package = bundle.place(tmp_path / place, with_libraries=False)
        digests.add(hashlib.sha256(package.read_bytes()).hexdigest())
    assert len(digests) == 1
