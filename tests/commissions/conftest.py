"""The orders table's stream, delivered by hand."""

import pytest
from chalice.test import Client

from tests.support_stream import Stream


@pytest.fixture(scope="session")
def stream() -> Stream:
    """The orders table's stream, to be delivered by hand."""
    from app import app  # with all rooms registered, as it is deployed

    return Stream(Client(app))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK repeats a lost request at once."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
