"""The tables of `resources.yaml` as boto3 takes them, so that tests and stages never disagree about a key."""

from copy import deepcopy
from typing import Any

from infra.template import plain_name, resources

_COPIED = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")


def table_definitions(prefix: str) -> list[dict[str, Any]]:
    """Keyword arguments of `create_table` for every table, named `prefix` + room, as in `tributary-test-orders`.

    What only a real stage needs (recovery, protection, time to live) is left out.
    """
    return [_definition(table["Properties"], prefix) for table in resources("AWS::DynamoDB::Table").values()]


def _definition(properties: dict[str, Any], prefix: str) -> dict[str, Any]:
    definition = {key: deepcopy(properties[key]) for key in _COPIED if key in properties}
    if stream := properties.get("StreamSpecification"):
        definition["StreamSpecification"] = {"StreamEnabled": True, **stream}
    return {"TableName": prefix + room(properties), **definition}


def room(properties: dict[str, Any]) -> str:
    """The room a table belongs to: the last part of its name."""
    return plain_name(properties["TableName"], "stage").rsplit("-", 1)[-1]
