"""A bank's file: what is in it, that it never changes, and what the file of results makes of it."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.programs import service as programs
from chalicelib.withdrawals import jobs, rules
from chalicelib.withdrawals.model import Status
from tests.support_clock import jump
from tests.support_faults import Crash, failing
from tests.support_meter import metered
from tests.support_race import meanwhile
from tests.withdrawals.teller import TEN, WANG, Teller

DAY = timedelta(days=1)


def references(teller: Teller, *withdrawal_ids: str) -> list[str]:
    return [teller.get(each).attempt.reference for each in withdrawal_ids]


def filed(teller: Teller, *amounts: int) -> tuple[str, list[str]]:
    """Withdrawals in one file, released: its id, and theirs."""
    asked = [teller.asked(amount, "bank") for amount in amounts or (1_000, 2_000, 3_000)]
    teller.release()
    (batch,) = teller.batches()
    return str(batch["batch_id"]), asked


# The file


def test_a_release_is_one_file_of_all_that_goes_by_bank(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(fee_minor=10)
    teller.give(50_000, "middle")
    asked = [teller.asked(1_000, "bank"), teller.asked(2_000, "bank", "middle")]
    teller.asked(1_000)
    teller.go_to(TEN)
    (batch,) = teller.batches()
    assert (batch["count"], batch["amount_minor"], batch["created_at"]) == (2, 2_980, "2026-03-05T02:00:00Z")
    (file,) = teller.files().values()
    rows = [row.split(",") for row in file.decode().splitlines()[1:]]
    assert [(row[0], row[4]) for row in rows] == sorted(zip(references(teller, *asked), ["9.90", "19.90"], strict=True))
    for withdrawal_id in asked:
        shown = teller.shown(withdrawal_id)
        assert (shown["status"], shown["attempts"][0]["batch_id"]) == ("processing", batch["batch_id"])
    teller.check()
    teller.check("middle")


def test_what_is_paid_by_hand_has_a_file_of_its_own_with_its_own_columns(teller: Teller) -> None:
    by_bank, by_hand = teller.asked(1_000, "bank"), teller.asked(2_000, "other")
    teller.go_to(TEN)
    assert sorted((batch["channel"], batch["amount_minor"]) for batch in teller.batches()) == [
        ("bank", 1_000), ("other", 2_000),
    ]  # fmt: skip
    reference = teller.get(by_hand).attempt.reference
    (file,) = [file.decode() for file in teller.files().values() if "service" in file.decode()]
    assert file.splitlines() == [
        "reference,holder_name,account,service,amount,currency",
        f"{reference},张三,'+66 81 234 5678,PayPal,20.00,CNY",
    ]
    batch = next(batch for batch in teller.batches() if batch["channel"] == "other")
    teller.told(batch["batch_id"], (reference, "paid"))
    assert [teller.status(each).value for each in (by_bank, by_hand)] == ["processing", "paid"]
    teller.check()


def test_each_release_has_its_own_file_and_a_day_without_anything_has_none(teller: Teller) -> None:
    teller.asked(1_000, "bank")
    teller.go_to(TEN + 3 * DAY)
    teller.asked(1_000, "bank")
    teller.go_to(TEN + 4 * DAY)
    assert [batch["created_at"] for batch in teller.batches()] == ["2026-03-05T02:00:00Z", "2026-03-09T02:00:00Z"]


def test_a_file_has_at_most_so_many_and_nothing_is_in_two(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BATCH_MAX", 2)
    asked = [teller.asked(1_000, "bank") for _ in range(5)]
    teller.release()
    assert sorted(batch["count"] for batch in teller.batches()) == [1, 2, 2]
    rows = [row.split(",")[0] for file in teller.files().values() for row in file.decode().splitlines()[1:]]
    assert sorted(rows) == sorted(references(teller, *asked))


def test_what_is_claimed_after_the_file_is_fixed_goes_in_the_next_one(teller: Teller) -> None:
    """The kill switch in the middle of a release: what was claimed waits for its file until it is off again."""
    asked = [teller.asked(1_000, "bank") for _ in range(3)]
    jump("shop-1", TEN)
    program = teller.program
    with meanwhile(2, lambda: programs.change(WANG, program, kill_switch=True), only="withdrawals"):
        teller.work()
    assert [teller.status(each).value for each in asked] == ["submitting", "approved", "approved"]
    assert teller.files() == {}
    teller.check()
    programs.change(WANG, teller.program, kill_switch=False)
    with pytest.raises(Crash), failing({4}, only="withdrawals"):
        teller.work()  # the other two are claimed, the batch is fixed, its file is written
    assert len(teller.files()) == 1
    later = teller.asked(1_000, "bank")
    teller.work()
    assert [batch["count"] for batch in teller.batches()] == [3]
    teller.release()
    assert [batch["count"] for batch in teller.batches()] == [3, 1]
    assert teller.status(later) is Status.PROCESSING
    teller.check()


def test_one_that_is_called_off_in_time_is_in_no_file(teller: Teller) -> None:
    asked = [teller.asked(1_000, "bank"), teller.asked(2_000, "bank")]
    jump("shop-1", TEN)
    with meanwhile(1, lambda: teller.do("cancel", asked[0]), only="withdrawals"):
        teller.work()
    assert [teller.status(each).value for each in asked] == ["cancelled", "processing"]
    assert [batch["amount_minor"] for batch in teller.batches()] == [2_000]
    teller.check()


def test_two_workers_at_once_write_one_file(teller: Teller) -> None:
    asked = [teller.asked(1_000, "bank") for _ in range(3)]
    jump("shop-1", TEN)
    for at in range(1, 9):
        with meanwhile(at, teller.work, only="withdrawals"):
            teller.work()
    assert [batch["count"] for batch in teller.batches()] == [3]
    assert {teller.status(each) for each in asked} == {Status.PROCESSING}
    teller.check()


@pytest.mark.parametrize("at", range(1, 9))
def test_a_worker_that_is_overtaken_anywhere_puts_nothing_in_two_files(teller: Teller, at: int) -> None:
    asked = [teller.asked(1_000, "bank") for _ in range(3)]
    jump("shop-1", TEN)
    with meanwhile(at, teller.work, only="withdrawals"):
        teller.work()
    teller.work()
    rows = [row.split(",")[0] for file in teller.files().values() for row in file.decode().splitlines()[1:]]
    assert sorted(rows) == sorted(references(teller, *asked))
    assert {teller.status(each) for each in asked} == {Status.PROCESSING}
    teller.check()


# Results


def test_results_pay_fail_and_return(make_teller: Callable[..., Teller]) -> None:
    teller = make_teller(fee_minor=10)
    batch, asked = filed(teller)
    names = references(teller, *asked)
    told = teller.told(batch, (names[0], "paid"), (names[1], "failed"), (names[2], "returned"))
    assert told.json == {"applied": 3, "unchanged": 0}
    assert [teller.status(each).value for each in asked] == ["paid", "failed", "returned"]
    assert [step.status.value for step in teller.get(asked[2]).history][-2:] == ["paid", "returned"]
    assert teller.stands() == (99_000, 0, 990, 10)
    assert teller.shown(asked[0])["history"][-1]["actor"] == "wang"
    teller.check()


def test_results_twice_change_nothing(teller: Teller) -> None:
    batch, asked = filed(teller)
    rows = list(zip(references(teller, *asked), ["paid", "failed", "returned"], strict=True))
    teller.told(batch, *rows)
    before = teller.stands()
    with metered() as meter:
        assert teller.told(batch, *rows).json == {"applied": 0, "unchanged": 3}
    assert (meter.writes, teller.stands()) == ([], before)
    teller.check()


def test_a_return_comes_after_the_payment(teller: Teller) -> None:
    batch, (asked,) = filed(teller, 1_000)
    (name,) = references(teller, asked)
    teller.told(batch, (name, "paid"))
    teller.go_to(TEN + 3 * DAY)
    assert teller.told(batch, (name, "returned")).json == {"applied": 1, "unchanged": 0}
    assert teller.told(batch, (name, "paid")).json == {"applied": 0, "unchanged": 1}  # the first file once more
    assert (teller.status(asked), teller.stands()) == (Status.RETURNED, (100_000, 0, 0, 0))
    teller.check()


def test_who_brought_the_file_is_in_the_audit_log(teller: Teller) -> None:
    batch, asked = filed(teller, 1_000)
    teller.told(batch, (references(teller, *asked)[0], "paid"))
    (row,) = [row for row in teller.market.walk("/v1/audit", limit=100) if row["action"] == "batch.results"]
    assert (row["actor"], row["subject"]) == ("wang", batch)
    assert row["detail"] == {"rows": 1, "news": 1}


def test_a_file_is_refused_whole_with_the_rows_that_are_wrong(teller: Teller) -> None:
    batch, asked = filed(teller)
    names = references(teller, *asked)
    teller.told(batch, (names[0], "paid"), (names[1], "failed"))
    before = teller.stands()
    wrong = teller.told(
        batch, (names[2], "paid"), ("T99", "paid"), (names[0], "failed"), (names[1], "returned"), expect=422
    )
    assert wrong.code == "invalid_results"
    assert wrong.errors == {
        ("/rows/1/reference", "invalid_results"),
        ("/rows/2/result", "invalid_results"),
        ("/rows/3/result", "invalid_results"),
    }
    assert (teller.status(asked[2]), teller.stands()) == (Status.PROCESSING, before)
    malformed = teller.told(batch, (names[2], "paid"), (names[2], "gone"), expect=422)
    assert ("/rows/1/result", "invalid_results") in malformed.errors
    assert teller.status(asked[2]) is Status.PROCESSING
    teller.check()


def test_another_batch_s_rows_are_refused(teller: Teller) -> None:
    first, asked = filed(teller, 1_000)
    other = teller.asked(1_000, "bank")
    teller.release()
    rows = [(references(teller, other)[0], "paid")]
    assert teller.told(first, *rows, expect=422).errors == {("/rows/0/reference", "invalid_results")}
    assert teller.told("bat_nothing", *rows, expect=404).code == "not_found"


def test_an_attempt_that_failed_stays_failed_whatever_a_later_file_says(teller: Teller) -> None:
    first, (asked,) = filed(teller, 1_000)
    (name,) = references(teller, asked)
    teller.told(first, (name, "failed"))
    teller.do("retry", asked)
    teller.release()
    assert teller.told(first, (name, "failed")).json == {"applied": 0, "unchanged": 1}
    assert teller.told(first, (name, "paid"), expect=422).errors == {("/rows/0/result", "invalid_results")}
    second = teller.batches()[1]["batch_id"]
    teller.told(second, (references(teller, asked)[0], "paid"))
    assert [each.status.value for each in teller.get(asked).attempts] == ["failed", "paid"]
    teller.check()


def test_gb18030_and_bom_are_read_and_other_types_are_not(teller: Teller) -> None:
    batch, (asked,) = filed(teller, 1_000)
    (name,) = references(teller, asked)
    path = f"/v1/payouts/batches/{batch}/results"
    file = f"reference,result\r\n{name},paid\r\n".encode()
    for kind in ("application/json", "text/plain", ""):
        answer = teller.api.send("POST", path, file, teller.shop.operator, content_type=kind)
        assert (answer.status, answer.code) == (415, "unsupported_media_type"), kind
    large = teller.api.send("POST", path, b"x" * 1_000_001, teller.shop.operator, content_type="text/csv")
    assert (large.status, large.code) == (413, "body_too_large")
    for n, content in enumerate((b"\xef\xbb\xbf" + file, file.decode().encode("gb18030"))):
        kind = ("text/csv; charset=utf-8", "application/octet-stream")[n]
        answer = teller.api.send("POST", path, content, teller.shop.operator, content_type=kind)
        assert (answer.status, answer.json["applied"] + answer.json["unchanged"]) == (200, 1), answer.text


def test_two_who_bring_the_same_file_at_once(teller: Teller) -> None:
    batch, asked = filed(teller)
    rows = [(name, "paid") for name in references(teller, *asked)]
    with meanwhile(2, lambda: teller.told(batch, *rows), only="withdrawals"):
        assert teller.told(batch, *rows).json == {"applied": 1, "unchanged": 2}
    assert teller.stands() == (94_000, 0, 6_000, 0)
    teller.check()


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_file_that_broke_off_is_told_again(teller: Teller, at: int, answered: bool) -> None:
    batch, asked = filed(teller)
    rows = list(zip(references(teller, *asked), ["paid", "failed", "returned"], strict=True))
    with pytest.raises(Crash), failing({at}, answered=answered):
        teller.told(batch, *rows)
    teller.check()
    told = teller.told(batch, *rows).json
    assert told["applied"] + told["unchanged"] == 3
    assert [teller.status(each).value for each in asked] == ["paid", "failed", "returned"]
    assert teller.stands() == (99_000, 0, 1_000, 0)
    teller.check()


def test_a_file_is_looked_at_by_nobody_before_its_window_is_over(teller: Teller) -> None:
    _, (asked,) = filed(teller, 1_000)
    assert jobs.next_due(teller.program) == TEN + 30 * DAY
    due = teller.get(asked).due
    assert due is not None
