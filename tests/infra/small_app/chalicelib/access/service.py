"""One platform key a stage."""

import boto3

from chalicelib.stage import table


def create_first_platform_key(actor: str) -> str | None:
    client = boto3.client("dynamodb")
    item = {"pk": {"S": "first"}, "sk": {"S": "key"}, "actor": {"S": actor}}
    try:
        client.put_item(TableName=table("access"), Item=item, ConditionExpression="attribute_not_exists(pk)")
    except client.exceptions.ConditionalCheckFailedException:
        return None
    return f"trb_of_{actor}"
