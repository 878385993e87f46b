"""The stage's jobs queue, from the sending side. Delivered at least once and in no order: a job must bear both."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from chalicelib.shared.settings import jobs_queue_url, settings

BATCH_MAX: Final = 10
"""How many messages SQS takes with one call."""


class NotSent(Exception):
    """SQS took some messages and not the others. Whoever repeats may send all of them again."""


def send(message: Mapping[str, object], delay_seconds: int = 0) -> None:
    """Have the worker get a message, not before `delay_seconds` (at most 900) have passed."""
    _client().send_message(QueueUrl=jobs_queue_url(), MessageBody=_body(message), DelaySeconds=delay_seconds)


def send_all(messages: Iterable[Mapping[str, object]]) -> None:
    """Have the worker get each of the messages. Raises `NotSent` if SQS refused any."""
    bodies = [_body(message) for message in messages]
    for first in range(0, len(bodies), BATCH_MAX):
        batch = bodies[first : first + BATCH_MAX]
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(batch)]
        answer = _client().send_message_batch(QueueUrl=jobs_queue_url(), Entries=entries)
        if refused := answer.get("Failed"):
            raise NotSent(f"{len(refused)} of {len(batch)} messages, first {refused[0]['Code']}")


def _body(message: Mapping[str, object]) -> str:
    return json.dumps(message, separators=(",", ":"))


@cache
def _client() -> Any:
    """The process's one client. Here, because most functions and most requests send nothing."""
    from botocore.config import Config
    from botocore.session import get_session

    limits = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 3, "mode": "standard"})
    return get_session().create_client("sqs", region_name=settings().region, config=limits)
