"""Notices of channels: only what is signed, and lately, has a channel asked; nothing that is told is believed."""

import hmac
import json
import time
from typing import Any

import pytest

from tests.payouts.cashier import Cashier
from tests.support import Answer
from tests.support_clock import Worker
from tests.support_faults import EVER, failing
from tests.support_state import kept

PATH = "/v1/payouts/notices/pretend"
BODY = {"program_id": "shop-1", "reference": "T01ABC"}
ROOMS = ("payouts", "access", "ops", "withdrawals")


def secret(cashier: Cashier) -> str:
    return str(cashier.market.get(f"{PATH}/secret")["secret"])


def signed(key: str, age: int = 0, body: Any = None) -> tuple[bytes, dict[str, str]]:
    """A notice's bytes and headers, signed with the secret so many seconds ago."""
    raw, timestamp = json.dumps(body or BODY).encode(), str(int(time.time()) - age)
    signature = hmac.new(key.encode(), timestamp.encode() + b"." + raw, "sha256").hexdigest()
    return raw, {"X_Timestamp": timestamp, "X_Signature": signature}


def tell(cashier: Cashier, raw: bytes, path: str = PATH, **headers: str) -> Answer:
    return cashier.api.post(path, raw, **headers)


@pytest.mark.parametrize("age", [0, 290, -290])
def test_a_signed_notice_has_the_channel_asked(cashier: Cashier, worker: Worker, age: int) -> None:
    raw, headers = signed(secret(cashier), age)
    answer = tell(cashier, raw, **headers)
    assert (answer.status, answer.text) == (202, "")
    assert worker.waiting() == [{"job": "look", "program_id": "shop-1", "reference": "T01ABC"}]


def test_invariant_39_a_bad_signature_or_a_stale_timestamp_writes_nothing(cashier: Cashier, worker: Worker) -> None:
    key = secret(cashier)
    raw, good = signed(key)
    other = signed(key, body=BODY | {"reference": "T02"})
    forged = [
        (raw, {}),
        (raw, good | {"X_Signature": ""}),
        (raw, good | {"X_Signature": "é"}),
        (raw, good | {"X_Signature": good["X_Signature"][:-1]}),
        (raw, {"X_Signature": good["X_Signature"]}),
        (raw, good | {"X_Timestamp": str(int(good["X_Timestamp"]) + 1)}),
        (raw, good | {"X_Timestamp": "٣"}),
        (raw, good | {"X_Timestamp": "9" * 5000}),
        (raw + b" ", good),
        (other[0], good),
        signed("00" * 32),
        signed(key, 310),
        signed(key, -310),
        signed(key, body=BODY | {"program_id": "shop-2"}),
        signed(key, body=BODY | {"program_id": "nobody"}),
    ]
    before = kept(*ROOMS)
    with failing(EVER):
        for body, headers in forged:
            answer = tell(cashier, body, **headers)
            assert (answer.status, answer.code) == (401, "unauthorized"), headers
    assert kept(*ROOMS) == before
    assert worker.waiting() == []


def test_before_an_operator_has_asked_for_the_secret_nothing_is_signed(cashier: Cashier, worker: Worker) -> None:
    raw, headers = signed("")
    with failing(EVER):
        assert tell(cashier, raw, **headers).status == 401
    assert worker.waiting() == []


@pytest.mark.parametrize("channel", ["bank", "wechat", "gold"])
def test_a_channel_that_sends_no_notices_has_no_secret(cashier: Cashier, channel: str) -> None:
    raw, headers = signed(secret(cashier))
    path = f"/v1/payouts/notices/{channel}"
    assert tell(cashier, raw, path, **headers).status == 404
    assert cashier.api.get(f"{path}/secret", key=cashier.shop.operator).status == 404


@pytest.mark.parametrize("body", [{}, BODY | {"result": "paid"}, BODY | {"reference": "T-1"}])
def test_a_notice_tells_what_has_news_and_not_what(cashier: Cashier, worker: Worker, body: dict[str, str]) -> None:
    raw, headers = signed(secret(cashier), body=body or {"reference": "T1"})
    assert tell(cashier, raw, **headers).status == 422
    assert worker.waiting() == []


def test_the_secret_stays_the_same_and_who_has_seen_it_is_told(cashier: Cashier) -> None:
    assert secret(cashier) == secret(cashier)
    assert len(bytes.fromhex(secret(cashier))) == 32
    rows = cashier.audit("notice_secret.show")
    assert [(row["actor"], row["subject"], row["detail"]) for row in rows] == [("wang", "pretend", {})] * 3
