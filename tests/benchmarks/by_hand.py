"""`POST /v1/orders` written by hand for orders like the benchmark's: chalice, boto3, dicts, and nothing of ours.

It reads the same items, puts the same item and answers the same body; `orders.py` compares. What an order can be
besides (unpaid, told again, of a code, a coupon or a click, of a distributor itself, refunded before) it leaves out.
"""

import hashlib
import hmac
import json
import logging
import os
import re
import time
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import boto3
from botocore.config import Config
from chalice.app import BadRequestError, Chalice, Response, UnauthorizedError

app = Chalice("by-hand")
PREFIX = f"tributary-{os.environ['TRIBUTARY_STAGE']}-"
ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
LOG = logging.getLogger("by-hand")
KEYS: dict[str, Any] = {}
PLANS: dict[str, Any] = {}

client = boto3.client(
    "dynamodb",
    region_name="us-east-1",
    # As pynamodb makes its own.
    config=Config(parameter_validation=False, retries={"total_max_attempts": 3, "mode": "standard"}),
)


@app.route("/v1/orders", methods=["POST"])
def record_order() -> Response:
    key = authenticated(app.current_request.headers.get("authorization"))
    told = checked(app.current_request.json_body)
    program_id, order_id = key["program_id"]["S"], told["order_id"]
    program = read("programs", program_id, "program")
    if query("orders", f"{program_id}#{order_id}"):
        raise BadRequestError("told before")
    now, paid_at = datetime.now(UTC), when(told["paid_at"])
    if not now - timedelta(days=400) <= paid_at <= now + timedelta(minutes=10):
        raise BadRequestError("paid_at")
    version, _ = plan_at(program_id, program, paid_at)
    if read("distributors", f"{program_id}#user#{told['customer_id']}", "user"):
        raise BadRequestError("a distributor's own")
    distributor_id = bound(program_id, told["customer_id"], paid_at)
    attribution = [True, distributor_id, "binding", [["binding", "binding"]]]
    sellable(program_id, distributor_id, told["lines"])
    day = paid_at.astimezone(ZoneInfo(program["timezone"]["S"])).date().isoformat()
    item = {
        "pk": {"S": f"{program_id}#{order_id}"},
        "sk": {"S": "order"},
        "a": {"B": packed(attribution)},
        "c": {"B": packed(content(told, paid_at))},
        "day": {"S": f"{program_id}#{day}#{shard(order_id)}"},
        "p": {"N": str(version)},
        "paid_at": {"S": stored(paid_at)},
        "r": {"S": stored(now)},
        "v": {"N": str(told.get("version", 1))},
    }
    client.put_item(TableName=PREFIX + "orders", Item=item, ConditionExpression="attribute_not_exists(pk)")
    LOG.info(json.dumps({"event": "request", "route": "POST /v1/orders", "status": 201}))
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Response(json.dumps(answer(told, paid_at, now, attribution)), status_code=201, headers=headers)


def authenticated(header: str | None) -> Any:
    kind, _, token = (header or "").partition(" ")
    if kind.lower() != "bearer" or token.count("_") < 2:
        raise UnauthorizedError("no key")
    prefix, key_id, secret = token.split("_", 2)
    name = f"{prefix}_{key_id}"
    known, read_at = KEYS.get(name, (None, 0))
    if known is None or time.monotonic() - read_at > 30:
        known = client.get_item(TableName=PREFIX + "access", Key={"pk": {"S": "key"}, "sk": {"S": name}}).get("Item")
        KEYS[name] = known, time.monotonic()
    digest = hashlib.sha256(secret.encode()).hexdigest()
    if known is None or not hmac.compare_digest(known["secret_hash"]["S"], digest):
        raise UnauthorizedError("no such key")
    return known


def checked(told: Any) -> Any:
    for name in ("order_id", "customer_id"):
        if not isinstance(told.get(name), str) or not ID.fullmatch(told[name]):
            raise BadRequestError(name)
    if told.get("currency") != "CNY" or not isinstance(told.get("paid_at"), str):
        raise BadRequestError("currency or paid_at")
    lines = told.get("lines")
    if not isinstance(lines, list) or not 1 <= len(lines) <= 200:
        raise BadRequestError("lines")
    for line in lines:
        amounts = [line.get("quantity"), line.get("paid_minor"), line.get("list_minor", 0)]
        if not all(type(amount) is int and 0 <= amount <= 10**15 for amount in amounts):
            raise BadRequestError("amounts")
        if not ID.fullmatch(line["line_id"]) or not ID.fullmatch(line["sku"]):
            raise BadRequestError("line")
    return told


def read(table: str, pk: str, sk: str) -> Any:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    return client.get_item(TableName=PREFIX + table, Key=key, ConsistentRead=True).get("Item")


def query(table: str, pk: str, **more: Any) -> Any:
    values = {":0": {"S": pk}}
    asked = {"KeyConditionExpression": "pk = :0", "ExpressionAttributeValues": values, "ConsistentRead": True}
    return client.query(TableName=PREFIX + table, **(asked | more))["Items"]


def plan_at(program_id: str, program: Any, at: datetime) -> Any:
    plans = json.loads(zlib.decompress(program["plans"]["B"]))
    version = max(version for version, since in plans if when(since) <= at)
    if (program_id, version) not in PLANS:
        PLANS[program_id, version] = read("programs", program_id, f"plan#{version:06}")
    return version, PLANS[program_id, version]


def bound(program_id: str, customer_id: str, at: datetime) -> str:
    newest = query(
        "referrals",
        f"{program_id}#c#{customer_id}",
        KeyConditionExpression="pk = :0 AND begins_with (sk, :1)",
        ExpressionAttributeValues={":0": {"S": f"{program_id}#c#{customer_id}"}, ":1": {"S": "binding#"}},
        ScanIndexForward=False,
        Limit=10,
    )
    distributor_id: str = next(item["distributor_id"]["S"] for item in newest if when(item["bound_at"]["S"]) <= at)
    profile = read("distributors", f"{program_id}#{distributor_id}", "profile")
    statuses = json.loads(zlib.decompress(profile["statuses"]["B"]))
    if [status for since, status in statuses if when(since) <= at][-1] != "approved":
        raise BadRequestError("not approved")
    return distributor_id


def sellable(program_id: str, distributor_id: str, lines: Any) -> None:
    skus = dict.fromkeys(line["sku"] for line in lines if line["paid_minor"])
    keys = [{"pk": {"S": program_id}, "sk": {"S": f"product#{sku}"}} for sku in skus]
    for start in range(0, len(keys), 100):
        asked = {PREFIX + "catalog": {"Keys": keys[start : start + 100], "ConsistentRead": True}}
        found = client.batch_get_item(RequestItems=asked)["Responses"][PREFIX + "catalog"]
        rules = [json.loads(zlib.decompress(item["versions"]["B"]))[-1] for item in found]
        if len(rules) == len(skus):
            track = read("distributors", f"{program_id}#{distributor_id}", "profile")["track"]["S"]
            if not any(rule["eligible"] and (not rule["tracks"] or track in rule["tracks"]) for rule in rules):
                raise BadRequestError("not eligible")


def content(told: Any, paid_at: datetime) -> Any:
    lines = [[line.get(name) for name in LINE] for line in told["lines"]]
    return [
        told["customer_id"], told["currency"], None, stored(paid_at), None, lines, None,
        [code.upper() for code in told["coupon_codes"]], None, told["channel"], told.get("version", 1), {},
    ]  # fmt: skip


LINE = ("line_id", "sku", "quantity", "paid_minor", "list_minor", "category")
NONE = ("placed_at", "completed_at", "referral_code", "visitor_id")


def answer(told: Any, paid_at: datetime, now: datetime, attribution: Any) -> Any:
    credited, distributor_id, reason, tried = attribution
    return {name: None for name in NONE} | {
        "order_id": told["order_id"],
        "customer_id": told["customer_id"],
        "currency": told["currency"],
        "paid_at": shown(paid_at),
        "lines": [{name: line.get(name) for name in LINE} for line in told["lines"]],
        "coupon_codes": [code.upper() for code in told["coupon_codes"]],
        "channel": told["channel"],
        "version": told.get("version", 1),
        "metadata": {},
        "status": "paid",
        "received_at": shown(now),
        "flags": [],
        "attribution": {
            "credited": credited,
            "distributor_id": distributor_id,
            "reason": reason,
            "tried": [{"evidence": evidence, "result": result} for evidence, result in tried],
        },
    }


def when(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def stored(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shown(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat() + "Z"


def packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), 9)


def shard(order_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{len(order_id)}:{order_id}".encode()).digest()[:8], "big") % 8
