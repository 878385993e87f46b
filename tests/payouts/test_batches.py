"""Batch files: written once, never changed, the same bytes each time, in either encoding."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.payouts import rules, service
from chalicelib.payouts.channels import CHANNELS
from chalicelib.payouts.model import Batch, ContentChanged, Payout
from chalicelib.programs import service as programs
from chalicelib.shared import files
from tests.payouts.cashier import ACCOUNT, Cashier, payout
from tests.support_faults import Crash, failing
from tests.support_market import START, Market

PAYOUTS = [
    payout("T2", 1, ACCOUNT | {"holder_name": "𠮷野 㐀", "bank_name": "招商银行,“深圳”"}),
    payout("T1", 1_234_567),
]
ID = service.batch_id("shop-1", "bank", START, 1)
TEXT = (
    "reference,holder_name,account_number,bank_name,amount,currency\r\n"
    "T1,张三,6222 0202 0011 3445,中国银行,12345.67,CNY\r\n"
    'T2,𠮷野 㐀,6222 0202 0011 3445,"招商银行,“深圳”",0.01,CNY\r\n'
)


def write(batch_id: str = ID, payouts: list[Payout] | None = None, hours: float = 0) -> Batch:
    at = START + timedelta(hours=hours)
    return service.write_batch(programs.get("shop-1"), "bank", batch_id, PAYOUTS if payouts is None else payouts, at)


def download(cashier: Cashier, encoding: str | None = None, batch_id: str = ID, **headers: str) -> Any:
    """The raw answer: tests' usual one reads text."""
    query = f"?encoding={encoding}" if encoding else ""
    sent = {"authorization": f"Bearer {cashier.shop.operator}"} | headers
    return cashier.api._client.http.get(f"/v1/payouts/batches/{batch_id}/file{query}", headers=sent)


@contextmanager
def crash_at_the_file(answered: bool) -> Iterator[None]:
    """The process dies while it writes a file: before S3 has it, or (`answered`) after."""

    def crash(request: Any, **_: Any) -> None:
        if request.method == "PUT":
            raise Crash

    events = files._client().meta.events
    name = "before-send" if answered else "before-send.s3"
    (events.register_last if answered else events.register_first)(name, crash)
    try:
        yield
    finally:
        events.unregister(name, crash)


def test_a_file_tells_whom_to_pay_how_much(cashier: Cashier) -> None:
    batch = write()
    assert (batch.count, batch.amount_minor, batch.channel) == (2, 1_234_568, "bank")
    assert batch.sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    answer = download(cashier)
    assert answer.body.decode() == TEXT
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_a_file_is_the_same_byte_for_byte_in_both_encodings(cashier: Cashier) -> None:
    write()
    octets = {"accept": "application/octet-stream"}
    utf_8 = {download(cashier, encoding).body for encoding in (None, "utf-8", None)}
    gb18030 = {download(cashier, "gb18030", **octets).body for _ in range(3)}
    (there,), (here,) = gb18030, utf_8
    assert here.decode("utf-8") == there.decode("gb18030") == TEXT
    assert here != there
    assert download(cashier, "gb18030", **octets).headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize("accept", [{}, {"accept": "*/*"}, {"accept": "text/csv, application/octet-stream"}])
def test_bytes_are_for_those_who_ask_for_them_first(cashier: Cashier, accept: dict[str, str]) -> None:
    write()
    answer = download(cashier, "gb18030", **accept)
    assert (answer.status_code, answer.json_body["code"]) == (400, "malformed_header")
    assert download(cashier, "big5").status_code == 422
    assert cashier.audit("batch.download") == []


def test_each_download_stands_in_the_audit_log(cashier: Cashier) -> None:
    batch = write()
    download(cashier)
    download(cashier, "gb18030", accept="application/octet-stream; q=1, */*")
    rows = cashier.audit("batch.download")
    assert [(row["actor"], row["subject"], row["detail"]["encoding"]) for row in rows] == [
        ("wang", ID, "gb18030"),
        ("wang", ID, "utf-8"),
    ]
    assert {row["detail"]["sha256"] for row in rows} == {batch.sha256}


def test_the_same_payouts_again_in_any_order_change_nothing(cashier: Cashier) -> None:
    first = write()
    assert write(payouts=PAYOUTS[::-1], hours=3) == first
    assert service.read_batch("shop-1", ID) == first


@pytest.mark.parametrize("other", [PAYOUTS[:1], [*PAYOUTS, payout("T3")], [PAYOUTS[0], payout("T1", 1_234_566)], []])
def test_other_payouts_under_the_same_id_are_a_mistake(cashier: Cashier, other: list[Payout]) -> None:
    first = write()
    with pytest.raises(ContentChanged):
        write(payouts=other)
    assert service.read_batch("shop-1", ID) == first
    assert download(cashier).body.decode() == TEXT


@pytest.mark.parametrize("answered", [False, True])
def test_a_crash_at_the_file_or_the_item_is_made_good_by_the_same_again(cashier: Cashier, answered: bool) -> None:
    for number, crash in enumerate((crash_at_the_file(answered), failing({1}, answered=answered, only="payouts"))):
        batch_id = service.batch_id("shop-1", "bank", START, number)
        with pytest.raises(Crash), crash:
            write(batch_id)
        listed = {batch.batch_id for batch in service.list_batches("shop-1", 10, None)[0]}
        assert (batch_id in listed) == (number == 1 and answered)
        assert write(batch_id) == service.read_batch("shop-1", batch_id)
        assert download(cashier, batch_id=batch_id).body.decode() == TEXT


def test_after_a_crash_at_the_item_other_payouts_are_still_refused(cashier: Cashier) -> None:
    with pytest.raises(Crash), failing({1}, only="payouts"):
        write()
    with pytest.raises(ContentChanged):
        write(payouts=PAYOUTS[:1])
    assert write().count == 2


def test_batches_are_listed_newest_first_by_when_they_were_released(cashier: Cashier) -> None:
    ids = [service.batch_id("shop-1", "bank", START + timedelta(days=day), n) for day in (0, 1, 2) for n in (1,)]
    for batch_id in ids[1], ids[2], ids[0]:
        write(batch_id)
    listed = cashier.market.walk("/v1/payouts/batches")
    assert [batch["batch_id"] for batch in listed] == ids[::-1]
    assert listed[0] == {
        "batch_id": ids[2],
        "channel": "bank",
        "created_at": "2026-03-04T02:00:00Z",
        "count": 2,
        "amount_minor": 1_234_568,
        "sha256": hashlib.sha256(TEXT.encode()).hexdigest(),
    }


def test_a_batchs_id_is_named_by_its_cause() -> None:
    said = ("shop-1", "bank", START, 1)
    others = [("shop-2", *said[1:]), (said[0], "pay", *said[2:]), (*said[:2], START + timedelta(1), 1), (*said[:3], 2)]
    assert service.batch_id(*said) == ID
    assert len({ID, *(service.batch_id(*other) for other in others)}) == 5
    assert max(service.batch_id("shop-1", "bank", START, n) for n in range(50)) < service.batch_id(*others[2])


@pytest.mark.parametrize("begins", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", "＋1", "－1", "＠1"])
def test_a_name_that_a_spreadsheet_would_run_is_shown_instead(begins: str) -> None:
    file = rules.batch_file(
        CHANNELS["bank"].file_columns, [payout(account=ACCOUNT | {"holder_name": begins, "bank_name": f"{begins} x"})]
    )
    (_, row) = csv.reader(io.StringIO(file.decode()))
    assert (row[1], row[3]) == (f"'{begins}", f"'{begins} x")


def test_other_names_are_as_they_are() -> None:
    for name in ("张三", "Anna-Lena", "a=b", "O'Neil"):
        assert rules.guarded(name) == name


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [(5, "CNY", "0.05"), (123_456_789, "CNY", "1234567.89"), (500, "JPY", "500"), (1_234, "KWD", "1.234")],
)
def test_amounts_are_decimals_of_their_currency(amount_minor: int, currency: str, text: str) -> None:
    assert rules.decimal(amount_minor, currency) == text


def test_invariant_36_another_programs_batch_is_not_there(cashier: Cashier, make_market: Callable[..., Market]) -> None:
    write()
    other = Cashier(make_market("shop-2"))
    assert other.market.walk("/v1/payouts/batches") == []
    answer, absent = (download(other, batch_id=batch_id) for batch_id in (ID, "bat_nothing"))
    assert (answer.status_code, absent.status_code) == (404, 404)
    assert answer.json_body["detail"].replace(ID, "bat_nothing") == absent.json_body["detail"]
    assert other.audit("batch.download") == []
