"""What is sent to the jobs queue comes out of it, and what the queue refuses is no secret."""

import json
import subprocess
import sys
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.shared import queue
from chalicelib.shared.queue import NotSent, send, send_all
from chalicelib.shared.settings import jobs_queue_url
from tests.house.source import ROOT


def received() -> list[Any]:
    """The messages that can be received now, which are then hidden."""
    found: list[Any] = []
    client = boto3.client("sqs")
    while messages := client.receive_message(QueueUrl=jobs_queue_url(), MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"]) for message in messages]
    return found


def test_a_message_arrives_as_it_was_sent() -> None:
    send({"job": "close", "day": "2026-03-04", "place": {"after": None, "done": 3}})
    assert received() == [{"job": "close", "day": "2026-03-04", "place": {"after": None, "done": 3}}]


def test_a_delayed_message_is_not_there_yet() -> None:
    send({"job": "later"}, delay_seconds=60)
    assert received() == []
    attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=jobs_queue_url(), AttributeNames=["All"])
    assert attributes["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "1"


@pytest.mark.parametrize("number", [0, 1, 10, 11, 25])
def test_many_messages_arrive_each_once(number: int) -> None:
    send_all({"number": one} for one in range(number))
    assert sorted(message["number"] for message in received()) == list(range(number))


def test_what_the_queue_refuses_of_a_batch_is_raised() -> None:
    answer = {
        "Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "5" * 32}],
        "Failed": [{"Id": "1", "SenderFault": False, "Code": "InternalError"}],
    }
    with Stubber(queue._client()) as sqs:
        sqs.add_response("send_message_batch", answer)
        with pytest.raises(NotSent, match="1 of 2 messages, first InternalError"):
            send_all([{}, {}])


def test_a_queue_that_does_not_answer_is_given_up_after_seconds() -> None:
    config = queue._client().meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (1, 2, 3)
    assert queue._client() is queue._client()


def test_who_sends_nothing_loads_nothing() -> None:
    program = "import chalicelib.shared.queue, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"boto3", "botocore"} & set(ran.stdout.split())
