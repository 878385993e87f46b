"""The functions of what is done later: one that looks every quarter of an hour what is due, one that does it."""

import json

# The store's library from up here: imported from ten rooms below, it has Python map and unmap a piece of its stack
# with every other call, a tenth of a cold start.
import pynamodb.models  # noqa: F401
from chalice.app import Blueprint, CloudWatchEvent, Rate, SQSEvent

from chalicelib.operations import jobs
from chalicelib.shared import settings

events = Blueprint(__name__)


@events.schedule(Rate(15, unit=Rate.MINUTES), name="tick")
def tick(_event: CloudWatchEvent) -> None:
    """Send what is due to the worker."""
    jobs.tick()


@events.on_sqs_message(queue_arn=settings.jobs_queue_arn(), batch_size=1, name="work", maximum_concurrency=20)
def work(event: SQSEvent) -> None:
    """Do a job. Whatever is raised has it delivered again; the fifth time the queue gives it up."""
    for record in event:
        jobs.work(json.loads(record.body))
