"""Each function may do what it did in the journeys and nothing else: nothing is missing, nothing is unused.

The local cloud judges every call of a function by its role's policy, as AWS does, and keeps a record of it.
"""

import pytest

from infra.local_cloud import Judgement
from infra.policies import BY_LAMBDA, POLICIES
from infra.stage import Stage
from tests.journeys.client import Cloud

Permission = tuple[str, str, str]
"""Function, thing and action, as `infra.policies` names them."""


@pytest.fixture(scope="module")
def judged(cloud: Cloud, all_ran: None) -> set[Judgement]:
    """What the functions did in all journeys."""
    return cloud.stage.judgements()


def test_nothing_was_refused(judged: set[Judgement]) -> None:
    assert {one for one in judged if one.decision != "Allow"} == set()


def test_what_is_allowed_is_what_was_used(cloud: Cloud, judged: set[Judgement]) -> None:
    used = {permission(cloud, one) for one in judged}
    allowed = {
        (function, thing, action)
        for function, things in POLICIES.items()
        for thing, actions in things.items()
        for action in actions
        if action not in BY_LAMBDA
    }
    assert sorted(allowed - used) == []
    assert sorted(used - allowed) == []


def permission(cloud: Cloud, judgement: Judgement) -> Permission:
    """What was judged, in the words of `infra.policies`."""
    stage = Stage(cloud.stage.stage, cloud.stage.endpoint)
    functions = {stage.function(handler): handler for handler in POLICIES}
    thing = judgement.resource.rpartition(f"/{stage.table_prefix}")[2]
    return functions[judgement.function], thing, judgement.action
