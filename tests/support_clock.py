"""A test program's clock, and the worker that moves it: messages are taken from the queue and given to the function."""

import json
from datetime import datetime
from typing import Any

import boto3
from chalice.test import Client

from chalicelib.access.model import Caller, Scope
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared.settings import jobs_queue_url


def jump(program_id: str, to: datetime) -> Program:
    """Put the clock somewhere, for tests of rooms in which nothing becomes due."""
    caller = Caller("wang", Scope.OPERATOR, program_id)
    programs.set_out(caller, programs.get(program_id), to)
    return programs.stand(program_id, to)


class Worker:
    """The jobs queue and the function that works it off, as Lambda would have it: one message an invocation."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.done: list[dict[str, Any]] = []

    def waiting(self) -> list[dict[str, Any]]:
        """The next messages, up to ten, taken from the queue."""
        sqs = boto3.client("sqs")
        found = sqs.receive_message(QueueUrl=jobs_queue_url(), MaxNumberOfMessages=10).get("Messages", [])
        for one in found:
            sqs.delete_message(QueueUrl=jobs_queue_url(), ReceiptHandle=one["ReceiptHandle"])
        return [json.loads(one["Body"]) for one in found]

    def deliver(self, *messages: dict[str, Any]) -> None:
        """Give messages to the function. Raises what it raises."""
        for message in messages:
            event = self._client.events.generate_sqs_event([json.dumps(message)], queue_name="tributary-test-jobs")
            self._client.lambda_.invoke("work", event)
            self.done.append(message)

    def run(self) -> None:
        """Work until the queue is empty."""
        for _ in range(10_000):
            found = self.waiting()
            if not found:
                return
            self.deliver(*found)
        raise AssertionError("the queue never empties")
