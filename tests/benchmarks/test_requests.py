"""Requests per distributor depend neither on how many there are, nor on how much one has sold in its life.

The same in figures of AWS's own DynamoDB, for 10,000 distributors: `make bench`.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from chalicelib.distributors import service as distributors
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Volume
from chalicelib.levels import jobs
from chalicelib.levels.tables import PartItem, walk_pk
from tests.benchmarks import dynamodb_local
from tests.benchmarks.close import Close, close, decide, grows
from tests.benchmarks.crowd import FIRST, ORDINARY, TWENTY, join, make_program, meet, newcomer_and_old_hand
from tests.benchmarks.wire import Wire


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a crowd is walked through in several parts, as a large one is."""
    monkeypatch.setattr(distributors, "PART", len(TWENTY))
    monkeypatch.setattr(distributors, "_AT_ONCE", len(TWENTY))


def closed(twenties: int) -> Close:
    program = make_program(f"crowd-{twenties}", FIRST)
    assert sum(join(program, twenties * len(TWENTY))) == twenties * len(TWENTY)
    return close(program, FIRST)


def test_requests_per_distributor_are_the_same_for_few_and_for_many() -> None:
    few, many = closed(2), closed(6)
    assert not grows(few, many)
    # The crowd does what it is made for, else little would be measured: see `crowd.Kin`.
    assert (few.distributors, few.counts) == (40, {"rises": 2, "falls": 2})
    assert (many.distributors, many.counts) == (120, {"rises": 6, "falls": 6})


def test_a_close_that_asks_the_more_the_more_there_are_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    decided = jobs.decide

    def forgetful(program: Any, distributor: Any, before: Any, closing: Any, terms: Any) -> Any:
        for after in jobs.parts_done(program.program_id, closing.last):
            assert PartItem.find(walk_pk(program.program_id, closing.last), after)
        return decided(program, distributor, before, closing, terms)

    monkeypatch.setattr(jobs, "decide", forgetful)
    assert grows(closed(1), closed(4))


@pytest.mark.parametrize(("small", "large", "noticed"), [(300, 3_299, 0), (300, 3_301, 1), (300, 2_699, 1)])
def test_a_tenth_is_the_limit(small: int, large: int, noticed: bool) -> None:
    few, many = (
        Close(size, Wire(Counter(Query=requests)), 0, 0, {}) for size, requests in ((100, small), (1_000, large))
    )
    assert grows(few, many) == noticed


def lives(entries: int) -> tuple[Wire, Wire]:
    program = make_program(f"lives-{entries}")
    assert sum(meet(program, entries)) == entries
    newcomer, old_hand = newcomer_and_old_hand(program)
    return decide(program, newcomer, ORDINARY), decide(program, old_hand, ORDINARY)


def test_a_long_life_costs_what_a_short_one_does() -> None:
    newcomer, old_hand = lives(400)
    _, younger = lives(10)
    assert newcomer.requests == old_hand.requests == younger.requests
    assert old_hand.items_read == younger.items_read


def test_a_close_that_reads_whole_lives_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    read = ledger.volumes_since

    def thorough(holder: ledger.Holder, *since: Any, **more: Any) -> Mapping[date, Volume]:
        assert list(ledger.all_of(holder))
        return read(holder, *since, **more)

    monkeypatch.setattr(ledger, "volumes_since", thorough)
    (_, older), (_, younger) = lives(100), lives(10)
    assert older.items_read == younger.items_read + 90


def test_what_the_benchmark_needs_is_said_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("java", "npm"):
        with pytest.raises(dynamodb_local.NotHere, match=f"^There is no {name} here.*apt-get install"):
            dynamodb_local.tool(name)
