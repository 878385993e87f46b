"""The app packages: small, the same bytes for the same code, as a template that lints and knows the stage."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from chalice.utils import to_cfn_resource_name

from infra import bundle, sam
from infra.deploy import copy_app
from infra.paths import ROOT
from infra.render import FUNCTIONS
from infra.stage import Stage
from infra.stream_options import READERS

MOST_BYTES = 6_000_000

STARTS_ALONE = """
import sys
sys.path = [path for path in sys.path if "site-packages" not in path] + [sys.argv[1]]
import app, botocore.session
for service in ("dynamodb", "kms", "s3", "sqs"):
    botocore.session.get_session().create_client(service, region_name="eu-central-1")
"""


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a pipeline gets for stage prod; made without an account, and linted on the way."""
    return sam.package(Stage("prod"), tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def resources(packaged: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(packaged.read_text())["Resources"]
    return found


@pytest.mark.parametrize("handler", READERS)
def test_the_template_has_each_stream_as_the_data_stack_exports_it(resources: dict[str, Any], handler: str) -> None:
    function, stream = to_cfn_resource_name(handler), READERS[handler].room.capitalize()
    (event,) = (event["Properties"] for event in resources[function]["Properties"]["Events"].values())
    assert event["Stream"] == {"Fn::ImportValue": f"tributary-prod-{stream}StreamArn"}
    variables = resources[function]["Properties"]["Environment"]["Variables"]
    assert variables[f"TRIBUTARY_{stream.upper()}_STREAM_ARN"] == event["Stream"]
    assert event["StartingPosition"] == "TRIM_HORIZON"
    assert event["BisectBatchOnFunctionError"]
    assert event["MaximumRecordAgeInSeconds"] == READERS[handler].seconds
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


def test_the_template_has_the_bucket_and_the_key_of_whichever_account_it_is_deployed_to(
    resources: dict[str, Any],
) -> None:
    functions = [body for body in resources.values() if body["Type"] == "AWS::Serverless::Function"]
    for function in functions:
        told = function["Properties"]["Environment"]["Variables"]
        assert told["TRIBUTARY_BUCKET"] == {"Fn::Sub": "tributary-prod-${AWS::AccountId}-${AWS::Region}"}
        assert told["TRIBUTARY_PAYOUT_KEY"] == {"Fn::ImportValue": "tributary-prod-PayoutKeyArn"}


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


@pytest.mark.skipif(not bundle.RUNS_LAMBDA_CODE, reason="Lambda's libraries run on Linux on x86-64")
def test_the_package_needs_nothing_beside_it(packaged: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(packaged.with_name("deployment.zip")).extractall(tmp_path)
    command = [sys.executable, "-S", "-c", STARTS_ALONE, str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


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
