"""Who may do what: one least-privilege policy per function, declared here once, rendered with a stage's ARNs.

A key names a table by its room (`orders`), an index (`orders/index/by_day`), the table's stream (`orders/stream`), a
queue (`jobs`), the key of payouts (`payout-key`), or a folder of the bucket (`bucket/batches/*`). TransactWriteItems
and TransactGetItems have no action of their own in IAM: a transaction needs the actions of its items.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

GET = ("dynamodb:GetItem",)
QUERY = ("dynamodb:Query",)
SCAN = ("dynamodb:Scan",)
PUT = ("dynamodb:PutItem",)
CHECK = ("dynamodb:ConditionCheckItem",)
BATCH_GET = ("dynamodb:BatchGetItem",)
READ_STREAM = ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator")
LIST_STREAMS = ("dynamodb:ListStreams",)
SEND = ("sqs:SendMessage",)
ENCRYPT = ("kms:Encrypt",)
DECRYPT = ("kms:Decrypt",)
NEW_SECRET = ("kms:GenerateDataKey",)
READ_FILE = ("s3:GetObject",)
WRITE_FILE = ("s3:PutObject",)
TAKE = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

POLICIES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "api_handler": {
        "programs": GET + QUERY + BATCH_GET + PUT + CHECK,
        "access": GET + QUERY + PUT + CHECK,
        "catalog": GET + QUERY + BATCH_GET + PUT,
        "distributors": GET + BATCH_GET + PUT,
        "distributors/index/by_program": QUERY,
        "distributors/index/by_sponsor": QUERY,
        "referrals": GET + QUERY + BATCH_GET + PUT,
        "referrals/index/by_distributor": QUERY,
        "orders": QUERY + PUT,
        "orders/index/by_day": QUERY,
        "decisions": QUERY + BATCH_GET + PUT,
        "entries": GET + QUERY + BATCH_GET + PUT,
        "levels": GET + QUERY + PUT,
        "levels/index/by_change": QUERY,
        "accounts": GET + QUERY + PUT,
        "payouts": GET + QUERY + PUT,
        "payout-key": ENCRYPT + DECRYPT + NEW_SECRET,
        "bucket/batches/*": READ_FILE,
        "withdrawals": GET + QUERY + BATCH_GET + PUT,
        "ops": GET + QUERY + PUT,
        "jobs": SEND,
    },
    "decide_orders": {
        "orders/stream": READ_STREAM,
        "orders/stream/*": LIST_STREAMS,
        "streams-dead": SEND,
        "orders": QUERY,
        "programs": GET,
        "catalog": BATCH_GET,
        "distributors": GET,
        "decisions": QUERY + BATCH_GET + PUT,
        "entries": GET + QUERY + BATCH_GET + PUT,
        "levels": GET + QUERY,
        "ops": PUT,
    },
    "watch_entries": {
        "entries/stream": READ_STREAM,
        "entries/stream/*": LIST_STREAMS,
        "streams-dead": SEND,
    },
    "tick": {
        "programs": GET + QUERY + BATCH_GET,
        "levels": QUERY,
        "accounts": QUERY,
        "withdrawals/index/by_due": QUERY,
        "ops": GET + QUERY,
        "withdrawals": BATCH_GET,
        "jobs": SEND,
    },
    "work": {
        "jobs": TAKE + SEND,
        "programs": GET + QUERY + BATCH_GET + PUT + CHECK,
        "distributors": GET + BATCH_GET,
        "distributors/index/by_program": QUERY,
        "catalog": BATCH_GET,
        "access": PUT,
        "orders": QUERY + PUT + SCAN,
        "orders/index/by_day": QUERY,
        "decisions": QUERY + BATCH_GET + PUT,
        "entries": GET + QUERY + BATCH_GET + PUT,
        "levels": GET + QUERY + PUT,
        "accounts": GET + QUERY + PUT,
        "payouts": GET + PUT,
        "payout-key": DECRYPT,
        "bucket/batches/*": READ_FILE + WRITE_FILE,
        "withdrawals": GET + BATCH_GET + PUT,
        "withdrawals/index/by_due": QUERY,
        "ops": GET + QUERY + PUT,
    },
}
"""Exactly what the journeys make use of: a test compares them with what the local cloud judged."""

IN_RACES: Mapping[str, Mapping[str, tuple[str, ...]]] = {"work": {"entries": GET, "bucket/batches/*": READ_FILE}}
"""What of it is for when the worker and the stream decide an order at once, or two workers write a batch's file: no
journey makes that happen each time.
"""


def by_lambda(thing: str, action: str) -> bool:
    """Whether Lambda does it itself in a function's name: take what wakes it, tell of records that it gives up."""
    return action in READ_STREAM + LIST_STREAMS + TAKE or thing == "streams-dead"


NEVER_ON_ENTRIES = (
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:PartiQLInsert",
    "dynamodb:PartiQLUpdate",
    "dynamodb:PartiQLDelete",
)
"""Entries are written once, by a conditional put. Denied, not merely left out: a deny outranks any allow."""

Arn = str | dict[str, Any]


class Arns(Protocol):
    """Where a policy's things are: in a deployed stage, or as a template's expressions."""

    def of(self, thing: str) -> Arn:
        """The ARN of a thing, by its key in `POLICIES`."""

    def url(self, queue: str) -> Arn:
        """Where a queue takes messages."""

    def bucket(self) -> Arn:
        """The name of the stage's bucket."""

    def logs(self, function: str) -> Arn:
        """The ARN of the streams in a function's log group."""


def policy(function: str, arns: Arns) -> dict[str, Any]:
    """The IAM policy document of one function."""
    statements = [_allow(actions, [arns.of(thing)]) for thing, actions in sorted(POLICIES[function].items())]
    statements.append(_allow(("logs:CreateLogStream", "logs:PutLogEvents"), [arns.logs(function)]))
    statements.append(
        {
            "Sid": "EntriesAreNeverChanged",
            "Effect": "Deny",
            "Action": list(NEVER_ON_ENTRIES),
            "Resource": [arns.of("entries")],
        }
    )
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(actions: Iterable[str], resources: list[Arn]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": sorted(set(actions)), "Resource": resources}


class StageArns:
    """Real ARNs, from the outputs of a stage's stack."""

    def __init__(self, outputs: Mapping[str, str]) -> None:
        self._outputs = outputs
        self._prefix = outputs["TablePrefix"]

    def of(self, thing: str) -> str:
        """See `Arns`. `KeyError` if the stack has no such thing."""
        if thing in _ALONE:
            return self._outputs[_ALONE[thing]]
        room, _, rest = thing.partition("/")
        if room == "bucket":
            return f"{self._outputs['BucketArn']}/{rest}"
        if rest == "stream":
            return self._outputs[f"{room.capitalize()}StreamArn"]
        table = self._outputs[f"{room.capitalize()}TableArn"]
        return f"{table}/{rest}" if rest else table

    def url(self, queue: str) -> str:
        """See `Arns`."""
        return self._outputs[_ALONE[queue].replace("Arn", "Url")]

    def bucket(self) -> str:
        """See `Arns`."""
        return self._outputs["BucketName"]

    def logs(self, function: str) -> str:
        """See `Arns`."""
        partition, _, region, account = self._outputs["OrdersTableArn"].split(":")[1:5]
        return f"arn:{partition}:logs:{region}:{account}:log-group:{log_group(self._prefix, function)}:*"


class TemplateArns:
    """CloudFormation expressions, for a packaged app that any account's pipeline can deploy."""

    def __init__(self, stage: str) -> None:
        self._prefix = f"tributary-{stage}-"
        self._bucket = f"{self._prefix}${{AWS::AccountId}}-${{AWS::Region}}"

    def of(self, thing: str) -> dict[str, Any]:
        """See `Arns`. A stream's ARN holds when it was made, the key's an id, so the data stack exports them."""
        room, _, rest = thing.partition("/")
        if rest == "stream":
            return {"Fn::ImportValue": f"{self._prefix}{room.capitalize()}StreamArn"}
        if thing == "payout-key":
            return {"Fn::ImportValue": f"{self._prefix}{_ALONE[thing]}"}
        if thing in _ALONE:
            return _sub("sqs", f"{self._prefix}{thing}")
        if room == "bucket":
            return {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{self._bucket}/{rest}"}
        return _sub("dynamodb", f"table/{self._prefix}{room}" + (f"/{rest}" if rest else ""))

    def url(self, queue: str) -> dict[str, Any]:
        """See `Arns`."""
        return {
            "Fn::Sub": f"https://sqs.${{AWS::Region}}.${{AWS::URLSuffix}}/${{AWS::AccountId}}/{self._prefix}{queue}"
        }

    def bucket(self) -> dict[str, Any]:
        """See `Arns`."""
        return {"Fn::Sub": self._bucket}

    def logs(self, function: str) -> dict[str, Any]:
        """See `Arns`."""
        return _sub("logs", f"log-group:{log_group(self._prefix, function)}:*")


_ALONE = {"streams-dead": "StreamsDeadLettersArn", "jobs": "JobsQueueArn", "payout-key": "PayoutKeyArn"}
"""Things with an ARN of their own, and the stack's output that tells it."""


def log_group(prefix: str, function: str) -> str:
    """The log group Lambda writes a function's lines to."""
    return f"/aws/lambda/{prefix[:-1]}" if function == "api_handler" else f"/aws/lambda/{prefix}{function}"


def _sub(service: str, resource: str) -> dict[str, Any]:
    text = f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"
    return {"Fn::Sub": text}
