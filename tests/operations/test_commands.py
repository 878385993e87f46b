"""What `python -m infra redrive` and `verify` do and say, in this process; a journey runs them against a cloud."""

import io
from collections.abc import Callable

import pytest

from chalicelib.commissions import jobs as commissions
from chalicelib.operations import reconciliation
from chalicelib.shared import quarantine
from chalicelib.shared.errors import NotFound
from chalicelib.shared.tables import connection
from infra import redrive, verify
from infra.inside import InsideError
from infra.progress import Progress
from tests.operations.till import Till
from tests.support_meter import metered
from tests.support_state import lose, unreadable_fact

ORDERS = "tributary-test-orders"


class Said(Progress):
    """What is printed."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        super().__init__(out=self._text)

    @property
    def lines(self) -> list[str]:
        """Line by line; how long a step took is no matter."""
        return [line[:-10].rstrip() if line.endswith(" s") else line for line in self._text.getvalue().splitlines()]


def tried(till: Till, ids: list[str]) -> list[redrive.Tried]:
    return list(redrive.redrive("shop-1", ids, "ada", till.worker.deliver))


def test_what_is_in_quarantine_is_tried_again_one_after_the_other(till: Till) -> None:
    for order_id in ("A", "B", "C"):
        till.market.tell(order_id)
    keys = [unreadable_fact("shop-1", order_id) for order_id in ("A", "B")]
    commissions.judge_again(till.program, ["A", "B", "C"])
    assert redrive.quarantined("shop-1") == ["orders:A", "orders:B"]
    connection().client.delete_item(TableName=ORDERS, Key=keys[0])
    done, stays = tried(till, redrive.quarantined("shop-1"))
    assert done == redrive.Tried("orders:A", True)
    assert (stays.quarantine_id, stays.done, stays.why[:6]) == ("orders:B", False, "error:")
    assert redrive.quarantined("shop-1") == ["orders:B"]
    rows = till.market.get("/v1/audit")["data"]
    assert [(row["actor"], row["subject"]) for row in rows if row["action"] == "quarantine.redrive"] == [
        ("ada", "orders:B"),
        ("ada", "orders:A"),
    ]
    said = Said()
    redrive.tell([done, stays], "--stage prod shop-1", said)
    assert said.lines == [
        "",
        "  orders:A  done",
        f"  orders:B  stays  {stays.why}",
        "",
        "1 of 2 stay. Mend the cause (docs/runbook.md, Quarantined), deploy, then:",
        "  python -m infra redrive --stage prod shop-1 --quarantined",
    ]


def test_orders_are_decided_again_by_name_be_they_in_quarantine_or_not(till: Till) -> None:
    till.market.tell("A")
    till.market.tell("B")
    quarantine.keep("shop-1", "orders", "B", "a bug of yesterday", {})
    assert tried(till, ["orders:A", "orders:B", "orders:C"]) == [
        redrive.Tried("orders:A", True),
        redrive.Tried("orders:B", True),
        redrive.Tried("orders:C", False, "there is no such order"),
    ]
    assert [len(till.market.journal(order_id)) for order_id in "AB"] == [1, 1]
    assert redrive.quarantined("shop-1") == []
    with pytest.raises(NotFound):
        redrive.quarantined("nobody's")


def test_without_anything_in_quarantine_there_is_nothing_to_do(till: Till) -> None:
    said = Said()
    redrive.tell(tried(till, redrive.quarantined("shop-1")), "--stage prod shop-1", said)
    assert said.lines[-2:] == [
        "Nothing is in quarantine.",
        "Whether all is right: python -m infra verify --stage prod shop-1",
    ]


def test_a_program_in_which_all_is_right_verifies_and_nothing_is_written(till: Till) -> None:
    till.sells("A", 100_000)
    till.sells("B", 50_000)
    till.clock(1)
    said = Said()
    with metered() as meter:
        assert verify.run("shop-1", said) == 0
    assert meter.writes == []
    assert said.lines == [
        "  orders          2 orders",
        "  accounts        3 accounts, 12 entries",
        "",
        "Nothing differs.",
    ]
    with pytest.raises(InsideError, match="nobody's"):
        verify.run("nobody's", said)


def test_verifying_names_what_differs_and_leaves_it_to_others(make_till: Callable[..., Till]) -> None:
    till = make_till()
    till.sells("A", 100_000)
    till.market.tell("B")
    till.market.tell("C")
    till.market.tell("D")
    unreadable_fact("shop-1", "C")
    quarantine.keep("shop-1", "orders", "D", "a bug of yesterday", {})
    till.market.move_to(days=1)
    assert lose("entries", till.market.id("middle"), "#A#") == 2
    said = Said()
    with metered() as meter:
        assert verify.run("shop-1", said) == 1
    assert meter.writes == []
    what, *rows, _, summary = said.lines[said.lines.index("") + 1 :]
    assert what.split() == ["what", "of", "wanted", "found"]
    found = sorted((" ".join(row.split()[:1]), row.split()[-4:]) for row in rows)
    assert [kind for kind, _ in found] == sorted(["entry", "entry", "decision", "quarantined", "quarantined"])
    assert ("decision", ["13.00", "CNY", "0.00", "CNY"]) in found
    assert [row.split()[1] for row in rows if row.split()[0] == "quarantined"] == ["C", "D"]
    assert all(row.split()[2:4] == ["of", "A"] for row in rows if row.split()[0] == "entry")
    assert len({len(row) for row in rows if row.endswith("CNY")}) == 1, "amounts end in one column"
    assert summary == "5 differences. What to do: docs/runbook.md, ReconciliationRed"
    assert not reconciliation.is_red("shop-1")
