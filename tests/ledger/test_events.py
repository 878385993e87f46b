"""The watch over the entries: what is inserted is as it should be, anything else is told, by its key alone."""

import json
import logging
import subprocess
import sys
from typing import Any

import pytest

from chalicelib.ledger.events import watch_entries
from tests.house.source import ROOT

KEY = {"pk": {"S": "shop-1#dst_1#CNY#0"}, "sk": {"S": "a#2026-03-04T02:00:00.000000Z#A#0001#1"}}


def record(how: str) -> dict[str, Any]:
    """A record of the entries' stream; of what is removed, a stream of new images has the key only."""
    image = {} if how == "REMOVE" else {"NewImage": KEY | {"amount": {"N": "80099"}}}
    return {
        "eventID": "1",
        "eventName": how,
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/tributary-test-entries/stream/2026",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_772_589_600,
            "Keys": KEY,
            "SequenceNumber": "1",
            "SizeBytes": 99,
            "StreamViewType": "NEW_IMAGE",
            **image,
        },
    }


def watch(*how: str) -> None:
    """Call the function as Lambda does: its module alone, no app."""
    watch_entries({"Records": [record(one) for one in how]}, None)


def test_what_is_inserted_is_no_news(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    watch("INSERT", "INSERT")
    assert capsys.readouterr().out == ""
    assert caplog.records == []


def test_each_change_is_told_by_its_key_and_counted(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    watch("INSERT", "MODIFY", "REMOVE")
    told = [json.loads(line.getMessage()) for line in caplog.records]
    key = {name: value["S"] for name, value in KEY.items()}
    assert told == [{"event": "entry_changed", "how": how} | key for how in ("MODIFY", "REMOVE")]
    assert {line.levelno for line in caplog.records} == {logging.ERROR}
    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["Stage"], line["EntriesChanged"]) for line in counted] == [("test", 1), ("test", 1)]
    assert "80099" not in caplog.text


def test_it_starts_without_the_store() -> None:
    program = "import chalicelib.ledger.events, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"boto3", "botocore", "pynamodb", "pydantic"} & set(ran.stdout.split())
