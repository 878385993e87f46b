"""Where a distributor's money stands: from a sale to its bank and below zero, and what people correct by hand."""

import csv
from typing import Any

import pytest

from tests.journeys.client import Cloud, Shop, done, pick
from tests.journeys.plans import plan
from tests.journeys.till import MORNING, Till, paying


def table(text: str) -> list[dict[str, str]]:
    """The rows of a CSV."""
    return list(csv.DictReader(text.splitlines()))


def test_from_a_sale_to_the_payee_and_a_refund_after_that(cloud: Cloud) -> None:
    """Order A is completed at once, B completes itself after two days; both are held for a day."""
    document = paying()
    document["hold"] = {"starts": "completed", "days": 1, "auto_complete_days": 2}
    till = Till(cloud, document)
    shop, mei = till.shop, till.shop.distributor("mei")
    method = till.method(mei, "pretend", behaviour="accept")
    shop.order("A", 100_000, code=mei["code"])
    shop.order("B", 150_000, code=mei["code"])
    shop.complete("A")
    assert (shop.targets("A"), shop.targets("B")) == ([8_000], [12_000])
    assert till.stands(mei) == (20_000, 0, 0, 0)

    # The hold of A is over at midnight; the settlement of that day books it.
    shop.move_clock("2026-03-06T01:00:00+08:00")
    assert till.stands(mei) == (20_000, 0, 0, 0)
    shop.move_clock("2026-03-06T02:30:00+08:00")
    assert till.stands(mei) == (12_000, 8_000, 0, 0)
    asked = till.asked(mei, 8_000, method)
    assert till.stands(mei) == (12_000, 0, 8_000, 0)
    shop.move_clock("2026-03-06T10:05:00+08:00")
    assert till.status(asked) == "paid"
    assert till.stands(mei) == (12_000, 0, 0, 8_000)

    # A comes back after it was paid for: a debt, and nothing can be withdrawn.
    shop.refund("A", "r", ("1", 100_000, 1))
    assert shop.targets("A") == [0]
    assert till.stands(mei) == (12_000, 0, 0, 8_000)
    shop.move_clock("2026-03-07T02:30:00+08:00")
    assert till.stands(mei) == (12_000, -8_000, 0, 8_000)
    assert till.ask(mei, 100, method).code == "insufficient_balance"
    assert shop.get("/v1/orders/B")["status"] == "completed", "by itself"

    # What B has earned fills it.
    shop.move_clock("2026-03-08T02:30:00+08:00")
    assert till.stands(mei) == (0, 4_000, 0, 8_000)
    assert till.ask(mei, 4_001, method).code == "insufficient_balance"
    till.asked(mei, 4_000, method)
    assert till.stands(mei) == (0, 0, 4_000, 8_000)
    assert till.balances()


def test_two_people_adjust_and_write_off(cloud: Cloud) -> None:
    till = Till(cloud, paying())
    mei, li = (till.shop.distributor(name) for name in ("mei", "li"))
    method = till.method(li, "pretend", behaviour="accept")
    assert (till.adjust(mei, 1, idempotency_key="").status, till.adjust(mei, 0).status) == (400, 422)
    gift, fine = till.adjust(mei, 30_000, idempotency_key="gift"), till.adjust(li, -500)
    assert done(till.adjust(mei, 30_000, idempotency_key="gift")) == gift.json
    assert till.adjust(mei, 30_001, idempotency_key="gift").code == "exists_with_different_content"
    assert till.agree(gift, key=till.keys.operator).code == "same_actor"
    for asked in (gift, fine):
        assert done(till.agree(asked))["available_at"] == "2026-03-04T16:00:00Z"
        assert till.agree(asked).status == 200, "a repeat"
    assert (till.stands(mei), till.stands(li)) == ((0, 0, 0, 0), (0, 0, 0, 0))

    till.shop.move_clock(MORNING)
    assert (till.stands(mei), till.stands(li)) == ((0, 30_000, 0, 0), (0, -500, 0, 0))
    assert till.ask(li, 100, method).code == "insufficient_balance"
    assert till.write_off(mei).code == "no_debt"
    given_up = till.write_off(li)
    assert done(given_up, 201)["amount_minor"] == 500
    assert till.agree(given_up, key=till.keys.operator).code == "same_actor"
    assert done(till.agree(given_up))["kind"] == "write_off"
    listed = till.shop.get(f"/v1/adjustments?status=approved&distributor_id={pick(li)}")["data"]
    assert [row["amount_minor"] for row in listed] == [500, -500]
    assert [row["reason"] for row in listed] == ["gone for good", "as agreed"]
    done_by = [(row["actor"], row["action"]) for row in till.shop.all("/v1/audit") if row["action"][:6] == "adjust"]
    assert done_by.count(("wang", "adjustment.request")) == done_by.count(("zhao", "adjustment.approve")) == 3

    till.shop.move_clock("2026-03-06T02:30:00+08:00")
    assert till.stands(li) == (0, 0, 0, 0)
    assert till.balances()


def test_tables_of_commissions_and_statements(cloud: Cloud) -> None:
    till = Till(cloud, plan())
    seller, middle, _ = till.shop.chain()
    for number in range(3):
        till.shop.order(f"A{number}", 10_000, code=seller["code"])
        till.shop.explained(f"A{number}")

    def told(path: str, key: str) -> Any:
        answer = till.api.get(path, key=key)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8"), answer.text
        return table(answer.text)

    listed = list(till.shop.all("/v1/commissions"))
    rows = told("/v1/exports/commissions.csv", till.keys.auditor)
    assert list(rows[0]) == (
        "commission_id,order_id,tier,distributor_id,amount_minor,currency,status,paid_at,available_at".split(",")
    )
    assert [row["commission_id"] for row in rows] == [one["commission_id"] for one in listed]
    assert sum(int(row["amount_minor"]) for row in rows) == 3 * 1_100

    own = told("/v1/exports/statement.csv", till.session(middle))
    assert [(row["kind"], row["credit_account"], row["amount_minor"]) for row in own] == [
        ("accrue", "pending", "200")
    ] * 3
    assert told(f"/v1/exports/statement.csv?distributor_id={pick(middle)}", till.keys.auditor) == own
    others = f"/v1/exports/statement.csv?distributor_id={pick(seller)}"
    assert till.api.get(others, key=till.session(middle)).status == 404
    assert till.api.get(f"/v1/distributors/{pick(seller)}/balance", key=till.session(middle)).status == 404


@pytest.mark.parametrize("path", ["/v1/exports/commissions.csv", "/v1/exports/statement.csv"])
def test_tables_are_for_those_who_may_read_them(shop: Shop, path: str) -> None:
    assert shop.api.get(path, key=shop.keys.storefront).code == "forbidden"
