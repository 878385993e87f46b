"""Each function may do what it did in the journeys and nothing else: nothing is missing, nothing is unused.

The local cloud judges every call of a function by its role's policy, as AWS does, and keeps a record of it.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import Judgement
from infra.policies import IN_RACES, POLICIES, by_lambda
from infra.stage import Stage
from tests.journeys.client import Cloud

Permission = tuple[str, str, str]
"""Function, thing and action, as `infra.policies` names them."""


@pytest.fixture
def decides(cloud: Cloud) -> Any:
    """A DynamoDB client of somebody who may do what `decide_orders` may."""
    stage = Stage(cloud.stage.stage, cloud.stage.endpoint)
    iam = stage.client("iam")
    function = stage.client("lambda").get_function(FunctionName=stage.function("decide_orders"))
    role = function["Configuration"]["Role"].rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    given = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    iam.create_user(UserName="somebody")
    iam.put_user_policy(UserName="somebody", PolicyName="given", PolicyDocument=json.dumps(given))
    key = iam.create_access_key(UserName="somebody")["AccessKey"]
    return boto3.client(
        "dynamodb",
        endpoint_url=cloud.stage.endpoint,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )


def test_the_local_cloud_refuses_what_a_policy_does(cloud: Cloud, decides: Any) -> None:
    item = {"pk": {"S": "nobody's"}, "sk": {"S": "nothing"}}
    table = Stage(cloud.stage.stage, cloud.stage.endpoint).table_prefix
    delete = {"Delete": {"TableName": f"{table}entries", "Key": item}}
    assert "Item" not in decides.get_item(TableName=f"{table}programs", Key=item)
    refused: list[Callable[[], Any]] = [
        lambda: decides.get_item(TableName=f"{table}access", Key=item),
        lambda: decides.put_item(TableName=f"{table}orders", Item=item),
        lambda: decides.delete_item(TableName=f"{table}entries", Key=item),
        lambda: decides.scan(TableName=f"{table}orders"),
        lambda: decides.transact_write_items(TransactItems=[delete]),
    ]
    for call in refused:
        with pytest.raises(ClientError, match="not authorized"):
            call()


def test_what_is_allowed_is_what_was_used(cloud: Cloud, all_ran: None) -> None:
    used = {permission(cloud, one) for one in cloud.judged()}
    allowed = {one for one in permissions(POLICIES) if not by_lambda(*one[1:])}
    assert sorted(allowed - used - permissions(IN_RACES)) == []
    assert sorted(used - allowed) == []


def permissions(policies: Mapping[str, Mapping[str, tuple[str, ...]]]) -> set[Permission]:
    """Every function, thing and action of these policies."""
    return {
        (function, thing, action)
        for function, things in policies.items()
        for thing, actions in things.items()
        for action in actions
    }


def permission(cloud: Cloud, judgement: Judgement) -> Permission:
    """What was judged, in the words of `infra.policies`."""
    stage = Stage(cloud.stage.stage, cloud.stage.endpoint)
    functions = {stage.function(handler): handler for handler in POLICIES}
    thing = judgement.resource.rpartition(stage.table_prefix)[2]
    if judgement.action.startswith("kms:"):
        thing = "payout-key"
    elif judgement.action.startswith("s3:"):
        thing = re.sub(r"^[^/]+/batches/.+", "bucket/batches/*", thing)
    return functions[judgement.function], thing, judgement.action
