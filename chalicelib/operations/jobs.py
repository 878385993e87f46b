"""What is done later, by nobody's request."""

from collections.abc import Mapping
from typing import Any

from chalicelib.shared import log


def tick() -> None:
    """Send what is due to the worker."""
    log.info("tick")


def work(message: Mapping[str, Any]) -> None:
    """Do one job."""
    log.info("work", message=message)
