"""Transactions as AWS has them: a token is good for one writing, and whoever comes second is told."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from chalicelib.ledger.model import Account
from chalicelib.shared.errors import Code, Conflict
from chalicelib.shared.tables import Put, Refused, connection, transact
from tests.accounts.purse import Purse
from tests.conformance.things import Thing, items, new, plain
from tests.support_faults import failing
from tests.support_market import Market

AT_ONCE = 16


@pytest.fixture
def token() -> str:
    """One that the store has never seen: it remembers them for ten minutes."""
    return str(uuid4())


def together(work: Callable[[int], Any], times: int = AT_ONCE) -> list[Any]:
    """What so many workers come to, who start at once."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        return list(workers.map(work, range(times)))


def send(token: str, **attributes: Any) -> Any:
    """A new item in a transaction with a token of ours."""
    put = {"TableName": "tributary-test-ops", "Item": plain("a", **attributes)} | {
        "ConditionExpression": "attribute_not_exists(pk)"
    }
    return connection().client.transact_write_items(TransactItems=[{"Put": put}], ClientRequestToken=token)


def test_a_transaction_that_is_sent_again_with_its_token_is_applied_once(token: str) -> None:
    send(token)
    send(token)
    assert items() == ["a"]


def test_another_token_is_another_transaction(token: str) -> None:
    send(token)
    with pytest.raises(ClientError, match="TransactionCanceledException"):
        send(str(uuid4()))


def test_a_token_with_other_content_is_refused(token: str) -> None:
    send(token)
    with pytest.raises(ClientError, match="IdempotentParameterMismatchException"):
        send(token, name="another")
    assert Thing.get("p", "a").name == "a"


def test_a_lost_answer_is_asked_for_with_the_same_token_so_nobody_is_refused_by_its_own_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    with failing({1, 2}, crash=False, answered=True) as wire:
        transact(Put(new("a")), Put(new("b")))
    assert (wire.attempts, items()) == (3, ["a", "b"])


def test_a_transaction_is_done_wholly_or_not_at_all_by_one_of_many() -> None:
    def work(n: int) -> bool:
        try:
            transact(Put(new(f"mine-{n}")), Put(new("taken")), Put(new(f"mine-too-{n}")))
        except Refused as refused:
            assert refused.which == (1,)
            return False
        return True

    won = together(work).index(True)
    assert items() == [f"mine-{won}", f"mine-too-{won}", "taken"]


def test_no_change_is_lost_when_many_replace_one_item_by_transactions_and_by_puts() -> None:
    new("total", count=0).replace()

    def add_one(n: int) -> None:
        while True:
            total = Thing.find("p", "total", consistent=True)
            assert total is not None
            total.count += 1
            try:
                if n % 2:
                    transact(Put(total, total.next_revision()), Put(new(f"by-{n}")))
                else:
                    total.replace()
            except (Refused, Conflict):
                continue
            return

    together(add_one, 60)
    total = Thing.get("p", "total")
    assert (total.count, total.revision) == (60, 61)
    assert len(items()) == 1 + 30


def test_what_is_available_is_held_once_however_many_ask_for_it(market: Market) -> None:
    purse = Purse(market.shop.program_id, market.id("seller"))
    purse.earn(100, 5)
    purse.settle(5)

    def hold(n: int) -> str:
        try:
            purse.hold(60, about=f"wdr_{n}")
        except Conflict as conflict:
            return conflict.code.value
        except Refused:
            return "overtaken"
        return "held"

    said = Counter(together(hold))
    assert said.pop("held") == 1
    assert said.keys() <= {"overtaken", Code.INSUFFICIENT_BALANCE.value}
    assert (purse.stands, purse.agrees()) == ((0, 40, 60, 0), True)
    assert market.balance("seller", Account.HELD) == 60
