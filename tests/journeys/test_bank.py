"""Payouts by bank: accounts that nobody sees, a file for the bank, and the bank's file of results."""

import csv
import hashlib
from collections import Counter

import pytest

from tests.journeys.client import Cloud, done, file_of, pick
from tests.journeys.till import AFTER_TEN, CARD, MORNING, Till, paying
from tests.support import Answer

BYTES = "application/octet-stream"


def card(last: int) -> dict[str, str]:
    """An account whose number ends like this."""
    return CARD | {"account_number": f"622202020011{last:04}"}


def results(till: Till, batch_id: str, *rows: tuple[str, str], header: str = "reference,result") -> Answer:
    """Send a bank's file of results."""
    return sent(till, batch_id, "\r\n".join([header, *map(",".join, rows)]).encode("utf-8-sig"))


def sent(till: Till, batch_id: str, file: bytes, kind: str = "text/csv") -> Answer:
    path = f"/v1/payouts/batches/{batch_id}/results"
    return till.api.send("POST", path, file, till.keys.operator, content_type=kind)


def pointers(answer: Answer) -> set[str]:
    """Where a file of results is wrong."""
    assert (answer.status, answer.code) == (422, "invalid_results"), answer.text
    return {pointer for pointer, _ in answer.errors}


def test_a_file_for_the_bank_and_what_became_of_it(cloud: Cloud) -> None:
    """Five transfers of 10 yuan, each to an account of its own, at a fee of 50 fen."""
    till = Till(cloud, paying(fee_minor=50))
    names = ("paid", "failed", "returned", "lost", "found")
    sellers = dict(zip(names, till.fund(1_000, *names), strict=True))
    methods = {name: till.method(each, "bank", **card(n)) for n, (name, each) in enumerate(sellers.items())}
    till.shop.move_clock(MORNING)
    asked = {name: till.asked(sellers[name], 1_000, method) for name, method in methods.items()}
    till.shop.move_clock(AFTER_TEN)
    assert {till.status(one) for one in asked.values()} == {"processing"}
    (batch,) = done(till.api.get("/v1/payouts/batches", key=till.keys.operator))["data"]
    assert (batch["channel"], batch["count"], batch["amount_minor"]) == ("bank", 5, 4_750)
    reference = {name: till.shown(one)["attempts"][0]["reference"] for name, one in asked.items()}
    the_file_is_the_same_each_time(till, batch, set(reference.values()))

    # What can't be is refused whole.
    batch_id, good = batch["batch_id"], (reference["paid"], "paid")
    refused = [(reference["failed"], "perhaps"), ("T 1", "paid"), good]
    assert pointers(results(till, batch_id, good, *refused)) == {
        "/rows/1/result",
        "/rows/2/reference",
        "/rows/3/reference",
    }
    assert pointers(results(till, batch_id, good, (f"{reference['paid']}0", "paid"))) == {"/rows/1/reference"}
    assert pointers(results(till, batch_id, good, header="reference,outcome")) == {"/header"}
    assert sent(till, batch_id, b"{}", "application/json").code == "unsupported_media_type"
    assert till.status(asked["paid"]) == "processing"

    # What can is applied once.
    told = [good, (reference["failed"], "failed"), (reference["returned"], "paid")]
    for applied, unchanged in ((3, 0), (0, 3)):
        assert done(results(till, batch_id, *told)) == {"applied": applied, "unchanged": unchanged}
    back = (reference["returned"], "returned")
    assert done(results(till, batch_id, *told[:2], back)) == {"applied": 1, "unchanged": 2}
    assert pointers(results(till, batch_id, back, (reference["failed"], "paid"))) == {"/rows/1/result"}
    assert [till.status(asked[name]) for name in names] == ["paid", "failed", "returned", "processing", "processing"]
    stand = {name: till.stands(each) for name, each in sellers.items()}
    assert (stand["paid"], stand["failed"], stand["returned"]) == ((0, 0, 0, 1_000), (0, 1_000, 0, 0), (0, 1_000, 0, 0))
    assert done(till.do("retry", asked["failed"]))["status"] == "queued"

    # The bank is silent for a month: people find out, and its late word for the second try counts.
    till.shop.move_clock("2026-04-05T10:05:00+08:00")
    silent = {"lost", "found", "failed"}
    late = {row["withdrawal_id"] for row in till.shop.all("/v1/withdrawals?late=true&status=manual")}
    assert late == {asked[name] for name in silent}
    for actor, expected in ((till.keys.operator, 409), (till.keys.second, 200)):
        assert till.do("resolve", asked["lost"], actor, outcome="failed", reason="no trace").status == expected
        assert till.do("resolve", asked["found"], actor, outcome="paid", reason="seen").status == expected
    assert pointers(results(till, batch_id, (reference["lost"], "paid"))) == {"/rows/0/result"}
    again = till.shown(asked["failed"])["attempts"][-1]
    assert again["reference"] != reference["failed"]
    assert done(results(till, again["batch_id"], (again["reference"], "paid")))["applied"] == 1
    stand = {name: till.stands(sellers[name]) for name in silent}
    assert stand == {"lost": (0, 1_000, 0, 0), "found": (0, 0, 0, 1_000), "failed": (0, 0, 0, 1_000)}
    assert till.balances()


def the_file_is_the_same_each_time(till: Till, batch: dict[str, str], references: set[str]) -> None:
    """In either encoding; the audit log tells of each download. Those who may not pay may not read it."""
    path = f"/v1/payouts/batches/{batch['batch_id']}/file"
    content = [file_of(till.api.get(path, key=key)) for key in (till.keys.operator, till.keys.second)]
    assert {hashlib.sha256(each).hexdigest() for each in content} == {batch["sha256"]}
    rows = list(csv.DictReader(content[0].decode().splitlines()))
    assert {row["reference"] for row in rows} == references
    assert {row["account_number"] for row in rows} == {card(n)["account_number"] for n in range(5)}
    assert {(row["holder_name"], row["amount"], row["currency"]) for row in rows} == {("张三", "9.50", "CNY")}
    other = [file_of(till.api.get(f"{path}?encoding=gb18030", key=till.keys.operator, accept=BYTES)) for _ in "12"]
    assert {each.decode("gb18030") for each in other} == {content[0].decode()}
    assert till.api.get(f"{path}?encoding=gb18030", key=till.keys.operator).code == "malformed_header"
    assert till.api.get(path, key=till.keys.auditor).code == "forbidden"
    downloads = [row for row in till.shop.all("/v1/audit") if row["action"] == "batch.download"]
    assert Counter(row["actor"] for row in downloads) == {"wang": 3, "zhao": 1}


# Accounts


@pytest.fixture(scope="module")
def till(cloud: Cloud) -> Till:
    return Till(cloud, paying(method_age_hours=24))


def test_an_account_is_kept_and_never_shown(till: Till) -> None:
    mei = till.shop.distributor("mei")
    own = till.session(mei)
    added = till.add(mei, "bank", CARD, key=own)
    method = done(added, 201)
    assert (method["masked"], method["usable_from"]) == ("**** 3445", "2026-03-05T02:00:00Z")
    listed = till.api.get("/v1/payout-methods", key=own)
    assert listed.json["data"] == [method]
    asked_for = till.api.get(f"/v1/payout-methods?distributor_id={pick(mei)}", key=till.keys.operator)
    assert asked_for.json["data"] == [method]
    audited = till.api.get("/v1/audit", key=till.keys.auditor)
    assert "payout_method.add" in {row["action"] for row in audited.json["data"]}
    for answer in (added, listed, asked_for, audited):
        for secret in ("张三", "20200113445", "0113 445"):
            assert secret not in answer.text


def test_an_account_is_one_distributors(till: Till) -> None:
    mei, li = (till.shop.distributor(name) for name in ("one", "another"))
    method = done(till.add(mei, "bank", card(9)), 201)
    written_otherwise = card(9) | {"account_number": "6222-0202 0011-0009"}
    assert done(till.add(mei, "bank", written_otherwise)) == method
    assert till.add(mei, "bank", card(9) | {"holder_name": "李四"}).code == "exists_with_different_content"
    assert till.add(li, "bank", card(9)).code == "account_in_use"
    path = f"/v1/payout-methods/{method['method_id']}"
    assert till.api.delete(path, key=till.session(li)).status == 404
    assert till.api.delete(path, key=till.session(mei)).status == 204
    assert till.api.delete(path, key=till.keys.operator).status == 404
    assert till.api.get("/v1/payout-methods", key=till.session(mei)).json["data"] == []
    assert till.add(li, "bank", card(9)).status == 201
    assert till.ask(mei, 1_000, method["method_id"]).code == "unknown_method"


def test_what_is_no_account_is_refused(till: Till) -> None:
    mei = till.shop.distributor("strict")
    assert till.add(mei, "alipay", {"login_id": "13800000000", "real_name": "张三"}).code == "unknown_channel"
    assert till.add({"distributor_id": "dst_nobody"}, "bank", CARD).code == "unknown_distributor"
    for wrong, pointer in (({"account_number": "12"}, "account_number"), ({"iban": "x"}, "iban")):
        answer = till.add(mei, "bank", CARD | wrong)
        assert (answer.status, {where for where, _ in answer.errors}) == (422, {f"/account/{pointer}"}), answer.text
    live = {"distributor_id": pick(mei), "channel": "pretend", "account": {"behaviour": "steal"}}
    assert till.api.post("/v1/payout-methods", live, key=till.keys.operator).status == 422
    nobody = {"channel": "bank", "account": CARD}
    assert till.api.post("/v1/payout-methods", nobody, key=till.keys.operator).status == 422, "whose?"
