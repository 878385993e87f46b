"""Accounts are encrypted, each bound to its row, and stand nowhere but in the bank's file."""

import base64
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from msgspec.structs import replace

from chalicelib.payouts import service
from chalicelib.payouts.tables import METHOD, MethodItem, SecretItem, methods_key, secrets_key
from chalicelib.programs import service as programs
from chalicelib.shared import keys, log
from chalicelib.shared.settings import bucket, jobs_queue_url, payout_key
from tests.payouts.cashier import ACCOUNT, OPERATOR, Cashier, payout
from tests.support import Answer
from tests.support_market import START, Market
from tests.support_state import all_items

NUMBER = "7777000011112222"
NAME, BANK = "CANARY 金丝雀", "CANARY BANK"
CANARIES = (NUMBER, "7777 0000 1111 2222", "CANARY", "金丝雀")
SECRET = {"holder_name": NAME, "account_number": "7777 0000 1111 2222", "bank_name": BANK}


def stored() -> Iterator[str]:
    """Every attribute of every item of every table, as text, unpacked where it is packed."""
    for item in all_items():
        for value in item.values():
            yield json.dumps(value, ensure_ascii=False, default=str)
            if "B" in value:
                yield from _unpacked(base64.b64decode(value["B"]))


def _unpacked(raw: bytes) -> Iterator[str]:
    yield raw.decode(errors="replace")
    with suppress(zlib.error):
        yield zlib.decompress(raw).decode()


def told(text: str) -> list[str]:
    """The canaries that a text tells, also escaped as JSON does."""
    escaped = [json.dumps(canary)[1:-1] for canary in CANARIES]
    return [canary for canary in (*CANARIES, *escaped) if canary in text]


def itself(cashier: Cashier, method_id: str, name: str = "seller") -> MethodItem:
    """A method as it is kept."""
    item = MethodItem.find(methods_key(cashier.shop.program_id, cashier.id(name)), f"{METHOD}{method_id}")
    assert item
    return item


def everything(cashier: Cashier) -> Iterator[Answer]:
    """All that is done with a method over HTTP, well and badly."""
    api, shop = cashier.api, cashier.shop
    yield cashier.add(account=SECRET, expect=201)
    yield cashier.add(account=SECRET)
    yield cashier.add("middle", account=SECRET)
    yield cashier.add(account=SECRET | {"bank_name": f"{BANK} 2"})
    yield cashier.add(account=SECRET | {"account_number": f"{NUMBER}!"})
    yield cashier.add(account=SECRET | {"holder_name": f"{NAME}\n"})
    yield cashier.add(account=SECRET | {"more": NAME})
    yield cashier.add(account={"holder_name": [NAME]})
    yield cashier.add(channel="pretend", account=SECRET)
    yield api.get(f"/v1/payout-methods?distributor_id={cashier.id('seller')}", key=shop.operator)
    yield api.get("/v1/payouts/batches", key=shop.operator)
    yield cashier.delete(cashier.listed()[0]["method_id"])
    yield cashier.add(account=SECRET | {"holder_name": f"{NAME} 3"}, expect=201)
    yield api.get("/v1/audit", key=shop.auditor)


def test_invariant_38_numbers_and_names_stand_in_no_item_no_log_and_no_answer(
    cashier: Cashier, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG", logger="tributary")
    caplog.set_level("INFO")
    answers = list(everything(cashier))
    program, method = cashier.market.program, cashier.method(account=SECRET | {"holder_name": f"{NAME} 3"})
    account = service.account_of("shop-1", method)
    asked = payout("T1", account=account)
    log.info("asked", payout=asked, method=method)
    batch = service.write_batch(program, "bank", "bat_1", [asked], START)
    path = "/v1/payouts/batches"
    answers += [cashier.api.get(path, key=cashier.shop.operator)]
    file = cashier.api.get(f"{path}/{batch.batch_id}/file", key=cashier.shop.operator)
    answers += [cashier.api.get("/v1/audit", key=cashier.shop.auditor)]
    assert NUMBER in file.text and NAME in file.text
    assert [found for answer in answers for found in told(answer.text + str(answer.headers))] == []
    assert [found for text in stored() for found in told(text)] == []
    assert "request" in caplog.text and told(caplog.text) == []
    assert told("".join(capfd.readouterr())) == []
    messages = boto3.client("sqs").receive_message(QueueUrl=jobs_queue_url()).get("Messages", [])
    assert told(str(messages)) == []


def test_the_search_for_canaries_finds_one(cashier: Cashier) -> None:
    """Or the test above is blind: a name that is kept in the open, and one that is packed."""
    assert not any(told(text) for text in stored())
    body = {"user_id": "u-9", "name": NAME, "evidence": {"name": NAME}}
    assert cashier.api.post("/v1/distributors", body, key=cashier.shop.storefront).status == 201
    found = {text for text in stored() if told(text)}
    assert {json.dumps({"S": NAME}, ensure_ascii=False), f'{{"name":"{NAME}"}}'} <= found


def test_an_account_opens_as_its_own_rows_and_no_other(cashier: Cashier) -> None:
    mine = cashier.method()
    other = cashier.method("middle", account=ACCOUNT | {"account_number": "6222020200119999"})
    given = itself(cashier, other.method_id, "middle")
    given.account = itself(cashier, mine.method_id).account
    given.replace()
    with pytest.raises(keys.Unreadable):
        service.account_of("shop-1", other)
    assert service.account_of("shop-1", mine)["account_number"] == "6222020200113445"


def test_nor_as_another_method_of_the_same_distributor(cashier: Cashier) -> None:
    mine = cashier.method()
    other = cashier.method(account=ACCOUNT | {"account_number": "6222020200119999"})
    given = itself(cashier, other.method_id)
    given.account = itself(cashier, mine.method_id).account
    given.replace()
    with pytest.raises(keys.Unreadable):
        service.account_of("shop-1", other)


@pytest.mark.parametrize(("program_id", "name"), [("shop-2", "seller"), ("shop-1", "middle")])
def test_nor_under_the_same_id_elsewhere(
    cashier: Cashier, make_market: Callable[..., Market], program_id: str, name: str
) -> None:
    make_market("shop-2")
    mine = cashier.method()
    elsewhere = replace(mine, program_id=program_id, distributor_id=cashier.id(name))
    item = itself(cashier, mine.method_id)
    copied: Any = {name: getattr(item, name) for name in ("channel", "masked", "account", "fingerprint", "created_at")}
    assert MethodItem(methods_key(program_id, elsewhere.distributor_id), item.sk, **copied).put_new()
    with pytest.raises(keys.Unreadable):
        service.account_of(program_id, elsewhere)


def test_what_is_kept_of_an_account_for_comparing_needs_the_programs_key(
    cashier: Cashier, make_market: Callable[..., Market]
) -> None:
    other = Cashier(make_market("shop-2"))
    mine, theirs = cashier.method(), other.add(account=ACCOUNT).json["method_id"]
    assert itself(other, theirs).fingerprint != itself(cashier, mine.method_id).fingerprint
    kept = SecretItem.find(secrets_key("shop-1"), "fingerprint")
    assert kept and len(keys.decrypt(kept.sealed, {"program": "shop-1", "secret": "fingerprint"})) == 32
    for of in ({"program": "shop-2", "secret": "fingerprint"}, {"program": "shop-1", "secret": "notices#pretend"}):
        with pytest.raises(keys.Unreadable):
            keys.decrypt(kept.sealed, of)


def test_invariant_36_another_programs_method_is_not_there(
    cashier: Cashier, make_market: Callable[..., Market]
) -> None:
    method = cashier.method()
    other = Cashier(make_market("shop-2"))
    refused, absent = other.delete(method.method_id), other.delete("pmt_nothing")
    assert (refused.status, absent.status) == (404, 404)
    assert refused.json["detail"].replace(method.method_id, "pmt_nothing") == absent.json["detail"]
    seen = other.api.get(f"/v1/payout-methods?distributor_id={method.distributor_id}", key=other.shop.operator)
    assert seen.json == {"data": [], "next_cursor": None}
    added = other.add(distributor_id=method.distributor_id)
    assert (added.status, added.errors) == (422, {("/distributor_id", "unknown_distributor")})
    assert cashier.listed()[0]["method_id"] == method.method_id


def test_the_file_of_a_batch_is_in_the_bucket_and_nowhere_else(cashier: Cashier) -> None:
    service.write_batch(programs.get("shop-1"), "bank", "bat_1", [payout(account=SECRET)], START)
    service.download_batch(OPERATOR, programs.get("shop-1"), "bat_1", service.Encoding.UTF_8)
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket())["Contents"]
    assert [file["Key"] for file in listed] == ["batches/shop-1/bat_1.csv"]
    assert [found for text in stored() for found in told(text)] == []
    assert payout_key() not in "".join(stored())
