"""A bank's file of results: what is read, and what is refused whole, by row."""

import pytest

from chalicelib.payouts import service
from chalicelib.payouts.model import Result, ResultRow
from chalicelib.payouts.rules import ROWS_MAX
from chalicelib.shared.errors import Invalid

GOOD = [ResultRow("T1", Result.PAID), ResultRow("T2", Result.FAILED), ResultRow("T3", Result.RETURNED)]
TEXT = "reference,result\r\nT1,paid\r\nT2,failed\r\nT3,returned\r\n"


def wrong(text: str | bytes) -> set[str]:
    """Where a file is wrong. What is refused is refused with nothing read."""
    with pytest.raises(Invalid) as refused:
        service.read_results(text.encode() if isinstance(text, str) else text)
    assert {error.code for error in refused.value.errors} == {"invalid_results"} == {refused.value.code}
    return {error.pointer for error in refused.value.errors}


@pytest.mark.parametrize(
    "file",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("gb18030"),
        TEXT.replace("\r\n", "\n").encode(),
        TEXT.rstrip().encode(),
        TEXT.replace("T1,paid", '"T1","paid"').encode(),
        TEXT.replace("T1,paid", " T1 , paid ").replace(",result", ", result").encode(),
        (TEXT + "\r\n,\r\n").encode(),
    ],
    ids=["utf-8", "with a mark", "gb18030", "unix", "no last end", "quoted", "spaced", "blank rows"],
)
def test_a_file_is_read_however_it_was_saved(file: bytes) -> None:
    assert service.read_results(file) == GOOD


def test_a_file_without_rows_says_nothing() -> None:
    assert service.read_results(b"reference,result\r\n") == []


def test_every_row_that_is_wrong_is_named() -> None:
    rows = ["T1,paid", "T2,PAID", "T-3,failed", "T4", "T5,paid,more", ",paid", "T1,failed", "T8,", "T9,accepted"]
    assert wrong("\n".join(["reference,result", *rows])) == {
        "/rows/1/result",
        "/rows/2/reference",
        "/rows/3",
        "/rows/4",
        "/rows/5/reference",
        "/rows/6/reference",
        "/rows/7/result",
        "/rows/8/result",
    }


def test_a_reference_stands_in_a_file_once() -> None:
    assert wrong("reference,result\nT1,paid\nT2,paid\nT1,paid\n") == {"/rows/2/reference"}


@pytest.mark.parametrize("text", ["", "\n", "T1,paid\n", "result,reference\npaid,T1\n", "reference,result,more\n"])
def test_the_header_must_be_there(text: str) -> None:
    assert wrong(text) == {"/header"}


@pytest.mark.parametrize("file", [b'reference,result\n"T1,paid\n', b"reference,result\nT1,\xff\xff\n", b'"a"b,c\n'])
def test_what_is_no_csv_is_refused(file: bytes) -> None:
    assert wrong(file) == {""}


def test_a_reference_in_other_letters_is_refused() -> None:
    for file in ("reference,result\n单号,paid\n".encode("gb18030"), "reference,result\nＴ１,paid\n".encode()):
        assert wrong(file) == {"/rows/0/reference"}


def test_a_file_has_at_most_ten_thousand_rows() -> None:
    rows = [f"T{number},paid" for number in range(ROWS_MAX + 1)]
    assert len(service.read_results("\n".join(["reference,result", *rows[:-1]]).encode())) == ROWS_MAX
    assert wrong("\n".join(["reference,result", *rows])) == {"/rows"}


def test_of_many_mistakes_the_first_hundred_are_told() -> None:
    assert len(wrong("reference,result\n" + "T-,paid\n" * 500)) == 100
