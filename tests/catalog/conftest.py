"""A village with a plan in force."""

import pytest

from tests.distributors.village import Village, found
from tests.support import Api


@pytest.fixture
def village(api: Api, cloud_tables: None) -> Village:
    made = found(api, "village")
    made.publish()
    return made
