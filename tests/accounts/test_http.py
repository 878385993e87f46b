"""Balances, statements and exports over HTTP, and who may see them."""

import csv
import io
import itertools
from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.shared import pages
from tests.accounts.purse import Purse
from tests.support import Answer
from tests.support_market import Market, at


@pytest.fixture
def busy(market: Market) -> Purse:
    """Settled on 5 March: 100 available of 130 accrued, 30 of it paid, 20 held."""
    purse = Purse(market.shop.program_id, market.id("seller"))
    purse.accrue(30, 4, 10)
    purse.earn(100, 5)
    purse.settle(5)
    purse.hold(30, "wdr_1", day=6)
    purse.pay(25, 2, 3, "wdr_1", day=7)
    purse.hold(20, "wdr_2", day=8)
    return purse


def table(answer: Answer) -> list[dict[str, str]]:
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def test_a_balance_says_where_the_money_stands(market: Market, busy: Purse) -> None:
    path = f"/v1/distributors/{busy.distributor_id}/balance"
    wanted = {
        "currency": "CNY", "pending_minor": 30, "available_minor": 50, "held_minor": 20, "paid_minor": 30,
        "as_of": "2026-03-04T02:00:00Z",
    }  # fmt: skip
    for key in (market.shop.operator, market.shop.auditor, market.session("seller")):
        assert market.get(path, key) == wanted
    assert market.api.get(path, market.session("top")).status == 404
    assert market.api.get(path, market.shop.storefront).status == 403
    assert market.api.get("/v1/distributors/dst_nobody/balance", market.shop.operator).status == 404


def test_who_has_earned_nothing_has_a_balance_of_zero(market: Market) -> None:
    balance = market.get(f"/v1/distributors/{market.id('top')}/balance")
    assert [balance[f"{name}_minor"] for name in ("pending", "available", "held", "paid")] == [0, 0, 0, 0]
    assert market.get(f"/v1/distributors/{market.id('top')}/statement") == {"data": [], "next_cursor": None}


def test_a_statement_says_what_each_line_is_about(market: Market, busy: Purse) -> None:
    path = f"/v1/distributors/{busy.distributor_id}/statement"
    lines = market.get(path, market.session("seller"))["data"]
    assert [(line["kind"], line["order_id"], line["withdrawal_id"], line["tier"]) for line in lines] == [
        ("hold", None, "wdr_2", None),
        *[("payout", None, "wdr_1", None)] * 3,
        ("hold", None, "wdr_1", None),
        ("release", "o3", None, 1),
        ("accrue", "o2", None, 1),
        ("accrue", "o1", None, 1),
    ]
    for limit in (1, 3, 100):
        assert market.walk(path, limit=limit) == lines
    assert market.api.get(path, market.session("top")).status == 404


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_statement_that_is_walked_stays_as_it_was_when_the_walk_began(
    market: Market, busy: Purse, limit: int
) -> None:
    """So it sums to the balance of then, though something is settled, earned and asked for meanwhile."""
    path = f"/v1/distributors/{busy.distributor_id}/statement"
    lines = market.get(path)["data"]
    page = market.get(f"{path}?limit={limit}")
    walked = page["data"]
    for day in itertools.count(10):
        if page["next_cursor"] is None:
            break
        busy.earn(7, day)
        busy.settle(day)
        busy.hold(1, f"wdr_{day}", day=day)
        page = market.get(f"{path}?limit={limit}&cursor={page['next_cursor']}")
        walked += page["data"]
    assert walked == lines
    assert len(market.get(path)["data"]) > len(lines)


def test_a_cursor_of_another_statement_is_refused(market: Market, busy: Purse) -> None:
    cursor = market.get(f"/v1/distributors/{busy.distributor_id}/statement?limit=1")["next_cursor"]
    other = f"/v1/distributors/{market.id('top')}/statement?cursor={cursor}"
    assert market.api.get(other, market.shop.operator).code == "invalid_cursor"


# Exports


def test_a_statement_as_a_table_has_the_same_lines(market: Market, busy: Purse) -> None:
    lines = market.get(f"/v1/distributors/{busy.distributor_id}/statement")["data"]
    wanted = [{name: "" if value is None else str(value) for name, value in line.items()} for line in lines]
    path = f"/v1/exports/statement.csv?distributor_id={busy.distributor_id}"
    for key in (market.shop.operator, market.shop.auditor, market.session("seller")):
        assert table(market.api.get(path, key)) == wanted
    assert table(market.api.get("/v1/exports/statement.csv", market.session("seller"))) == wanted
    assert market.api.get(path, market.session("top")).status == 404
    missing = market.api.get("/v1/exports/statement.csv", market.shop.operator)
    assert (missing.status, missing.errors) == (422, {("/distributor_id", "invalid_request")})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of three rows, read by two."""
    monkeypatch.setattr(pages, "GATHERED_MAX", 3)
    monkeypatch.setattr(pages, "_AT_ONCE", 2)


def walked(market: Market, path: str) -> list[dict[str, str]]:
    """All rows of an export, table by table."""
    rows: list[dict[str, str]] = []
    cursor = ""
    for _ in range(50):
        answer = market.api.get(f"{path}{cursor}", market.shop.operator)
        found = table(answer)
        assert len(found) <= pages.GATHERED_MAX
        rows += found
        if "X-Next-Cursor" not in answer.headers:
            return rows
        cursor = f"&cursor={answer.headers['X-Next-Cursor']}"
    raise AssertionError("the export has no end")


@pytest.mark.usefixtures("small")
def test_a_long_statement_goes_on_in_further_tables(market: Market, busy: Purse) -> None:
    lines = market.get(f"/v1/distributors/{busy.distributor_id}/statement")["data"]
    rows = walked(market, f"/v1/exports/statement.csv?distributor_id={busy.distributor_id}")
    assert [row["entry_id"] for row in rows] == [line["entry_id"] for line in lines]


def test_an_export_that_takes_long_is_cut_in_time(market: Market, busy: Purse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_AT_ONCE", 2)
    monkeypatch.setattr(pages, "GATHERING_SECONDS", -1)
    answer = market.api.get(f"/v1/exports/statement.csv?distributor_id={busy.distributor_id}", market.shop.operator)
    assert (len(table(answer)), "X-Next-Cursor" in answer.headers) == (2, True)


@pytest.fixture
def sold(market: Market) -> Market:
    """Three orders of three tiers."""
    market.move_to(days=3)
    for day, order_id in enumerate("ABC"):
        market.tell(order_id, ("x", 10_000), paid_at=at(day))
        market.decide(order_id)
    market.complete("A")
    market.decide("A")
    return market


COLUMNS = "commission_id,order_id,tier,distributor_id,amount_minor,currency,status,paid_at,available_at"


@pytest.mark.parametrize("query", ["", "order_id=B", "status=pending&from=2026-03-05T00:00:00%2B08:00"])
def test_commissions_as_a_table_are_the_same_as_the_list(sold: Market, query: str) -> None:
    answer = sold.api.get(f"/v1/exports/commissions.csv?{query}", sold.shop.auditor)
    assert answer.text.splitlines()[0] == COLUMNS
    rows: list[dict[str, Any]] = sold.get(f"/v1/commissions?{query}")["data"]
    assert table(answer) == [{n: "" if v is None else str(v) for n, v in row.items()} for row in rows]
    assert rows


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("whose", [None, "seller"])
def test_many_commissions_go_on_in_further_tables(sold: Market, whose: str | None) -> None:
    query = "" if whose is None else f"distributor_id={sold.id(whose)}"
    rows = [row["commission_id"] for row in sold.get(f"/v1/commissions?{query}")["data"]]
    assert [row["commission_id"] for row in walked(sold, f"/v1/exports/commissions.csv?{query}")] == rows


def test_an_export_without_rows_has_its_header(market: Market) -> None:
    assert market.api.get("/v1/exports/commissions.csv", market.shop.operator).text == f"{COLUMNS}\r\n"


def test_a_table_goes_on_only_under_its_own_filters(sold: Market, small: None) -> None:
    cursor = sold.api.get("/v1/exports/commissions.csv", sold.shop.operator).headers["X-Next-Cursor"]
    other = sold.api.get(f"/v1/exports/commissions.csv?status=pending&cursor={cursor}", sold.shop.operator)
    assert other.code == "invalid_cursor"


def test_distributors_and_shops_have_no_table_of_all_commissions(market: Market) -> None:
    for key in (market.session("seller"), market.shop.storefront):
        assert market.api.get("/v1/exports/commissions.csv", key).status == 403


def test_another_programs_account_is_not_there(busy: Purse, market: Market, make_market: Callable[..., Market]) -> None:
    """Invariant 36."""
    other = make_market("shop-2")
    for path in ("balance", "statement"):
        assert other.api.get(f"/v1/distributors/{busy.distributor_id}/{path}", other.shop.operator).status == 404
