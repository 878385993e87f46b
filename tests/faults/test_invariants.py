"""Each invariant has a watch that barks: a true story with one thing spoiled in it is noticed, under its number."""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.commissions.tables import DecisionItem
from chalicelib.shared.quarantine import QuarantineItem
from chalicelib.shared.tables import connection
from tests.faults import ends
from tests.faults.mirror import Broken, Change, Image, Key, Mirror, Terms
from tests.faults.story import Story
from tests.faults.test_each_write import PATH
from tests.faults.wire import CALM, faulty
from tests.faults.world import CANARIES, PER_DAY, Turn, World
from tests.support_state import Held, held, image, images, put_back

TERMS = Terms(per_day=PER_DAY, canaries=CANARIES)
Write = list[Change]


@dataclass
class Told:
    """A story that went well: what there was before it, each of its writes, and the tables at its end."""

    world: World
    before: dict[Key, Image]
    writes: list[Write]
    after: Held

    def first(self, room: str, sk: str, *, again: bool = False) -> tuple[int, Change]:
        """The first change of such an item, and in which write; `again`: of one that was there before."""
        return next(self.all(room, sk, again=again))

    def all(self, room: str, sk: str, *, again: bool = False) -> Iterator[tuple[int, Change]]:
        """Each change of such items."""
        for place, write in enumerate(self.writes):
            for change in write:
                if change.room == room and re.match(sk, change.sk) and (change.before is not None or not again):
                    yield place, change


class Recorder(Mirror):
    """Books that note each write."""

    def see(self, changes: Any) -> None:
        super().see(changes)
        self.writes.append(list(changes))

    writes: list[Write]


@pytest.fixture(scope="session")
def kept_told() -> list[Told]:
    """The story that this session has told."""
    return []


@pytest.fixture
def told(kept_told: list[Told], world: World, turn: Turn) -> Told:
    if not kept_told:
        before = dict(images())
        recorder = Recorder(TERMS)
        recorder.writes = []
        recorder.take(before.items())
        for place, (_, step) in enumerate(PATH, start=1):
            turn.next = place * 1_000
            with faulty(recorder, CALM):
                step(Story(world, recorder, 0))
        kept_told.append(Told(world, before, recorder.writes, held()))
    return kept_told[0]


def spoilt(change: Change, *, body: Mapping[str, Any] | None = None, **attributes: Any) -> Change:
    """The change with other attributes, as the wire has them; `body`: other parts of its JSON."""
    after = {**change.after, **attributes}
    if body is not None:
        whole = json.loads(zlib.decompress(after["b"]["B"])) | body
        after["b"] = {"B": zlib.compress(json.dumps(whole).encode())}
    return replace(change, after=after)


def body_of(change: Change) -> Any:
    return json.loads(zlib.decompress(change.after["b"]["B"]))


def number(value: int) -> dict[str, str]:
    return {"N": str(value)}


def plus(change: Change, **amounts: int) -> dict[str, dict[str, str]]:
    """Numbers of a change, raised."""
    return {name: number(int(change.after.get(name, {"N": "0"})["N"]) + more) for name, more in amounts.items()}


def decision(told: Told, n: int = 1, **body: Any) -> tuple[int, Write]:
    place, change = told.first("decisions", f"{n:06}")
    return place, [spoilt(change, body=body)]


def again(place_and_change: tuple[int, Change], **attributes: Any) -> tuple[int, Write]:
    """The same item once more, changed, right after it was put."""
    place, change = place_and_change
    return place + 1, [replace(spoilt(change, **attributes), before=change.after)]


def in_its_write(told: Told, place: int, *spoilt_changes: Change) -> tuple[int, Write]:
    """The write as it was, but for these changes."""
    other = {change.key: change for change in spoilt_changes}
    return place, [other.get(change.key, change) for change in told.writes[place]]


def hold_too_much(told: Told) -> tuple[int, Write]:
    place, asked = told.first("withdrawals", "wdr_")
    balance = next(change for change in told.writes[place] if change.sk == "balance")
    much = 1_000_000
    return in_its_write(
        told,
        place,
        spoilt(asked, amount=number(int(asked.after["amount"]["N"]) + much)),
        spoilt(balance, **plus(balance, held=much, available=-much)),
    )


def pay_from_nothing(told: Told) -> tuple[int, Write]:
    place, balance = next(
        (place, change)
        for place, change in told.all("accounts", "balance", again=True)
        if int(change.after["paid_out"]["N"]) > int((change.before or {})["paid_out"]["N"])
    )
    return in_its_write(told, place, spoilt(balance, **plus(balance, available=-(10**6), paid_out=10**6)))


def balance(told: Told, **amounts: int) -> tuple[int, Write]:
    place, change = told.first("accounts", "balance", again=True)
    return in_its_write(told, place, spoilt(change, **plus(change, **amounts)))


def withdrawal(told: Told, status: str, change_body: Callable[[Any], Any]) -> tuple[int, Write]:
    """The withdrawal as it becomes of this status, spoilt."""
    place, change = next(
        (place, change)
        for place, change in told.all("withdrawals", "wdr_", again=True)
        if body_of(change)["history"][-1][0] == status
    )
    return in_its_write(told, place, spoilt(change, body=change_body(body_of(change))))


def stepped_to(status: str) -> Callable[[Any], Any]:
    return lambda body: {"history": [*body["history"], [status, *body["history"][-1][1:]]]}


def attempt(**parts: Any) -> Callable[[Any], Any]:
    places = {"content": 3, "status": 4}

    def changed(body: Any) -> Any:
        first = list(body["attempts"][0])
        for name, value in parts.items():
            first[places[name]] = value
        return {"attempts": [first, *body["attempts"][1:]]}

    return changed


def twice_tried(body: Any) -> Any:
    first, second = list(body["attempts"][0]), list(body["attempts"][0])
    second[1] = first[1][:-2] + "02"
    return {"attempts": [first, second]}


def snapshot(told: Told, **parts: Any) -> tuple[int, Write]:
    _, change = told.first("decisions", "000001")
    return decision(told, snapshot=body_of(change)["snapshot"] | parts)


def same_key(told: Told) -> tuple[int, Write]:
    place, change = told.first("entries", "a#")
    sk = change.sk.replace("#2026", "#2027", 1)
    return place + 1, [replace(spoilt(change, sk={"S": sk}), sk=sk)]


def standing(told: Told) -> tuple[int, Write]:
    return again(told.first("levels", ".*#rank"), body={"rank": 3})


def fact_without_a_row(told: Told) -> tuple[int, Write]:
    place, change = told.first("orders", "refund#")
    sk = "attribution#0001"
    return place + 1, [replace(spoilt(change, sk={"S": sk}), sk=sk, before=None)]


def for_another(told: Told) -> tuple[int, Write]:
    place, change = told.first("orders", "order")
    pk = change.pk.replace("shop-1", "shop-1-other")
    return place, [replace(spoilt(change, pk={"S": pk}), pk=pk)]


SPOILT: Mapping[int, Callable[[Told], tuple[int, Write]]] = {
    1: lambda told: again(told.first("orders", "order"), v=number(0)),
    2: lambda told: again(told.first("orders", "refund#"), r={"S": "2020"}),
    3: lambda told: decision(told, base_minor=-1),
    4: lambda told: (
        told.first("decisions", "000002")[0],
        [replace(told.first("decisions", "000002")[1], sk="000009")],
    ),
    5: lambda told: decision(told, deltas=[1, 2, 3]),
    6: lambda told: decision(told, 2, distributor_id="dst_other"),
    8: lambda told: decision(told, deltas=[10**7] * 3, targets=[10**7] * 3),
    9: lambda told: snapshot(told, chain=[["dst_00000000000000000000000018", 0, None]] * 3),
    10: lambda told: snapshot(told, paid_at="2020-01-01T00:00:00.000000Z"),
    11: lambda told: again(told.first("entries", "a#"), amount=number(7)),
    12: same_key,
    13: lambda told: decision(told, deltas=[-1] * 3, targets=[-1] * 3),
    15: lambda told: (
        told.first("entries", "a#")[0],
        [spoilt(told.first("entries", "a#")[1], credit={"S": "expense"})],
    ),
    16: lambda told: balance(told, available=1),
    17: lambda told: balance(told, available=-1, held=1),
    18: lambda told: balance(told, revision=1),
    19: pay_from_nothing,
    23: lambda told: withdrawal(told, "paid", lambda body: {"split": [1, 0, int(sum(body["split"])) - 1]}),
    24: lambda told: withdrawal(told, "unknown", stepped_to("failed")),
    26: lambda told: withdrawal(told, "processing", twice_tried),
    27: lambda told: withdrawal(told, "unknown", attempt(content="something else")),
    28: lambda told: withdrawal(told, "submitting", stepped_to("paid")),
    30: lambda told: withdrawal(told, "submitting", lambda body: {"split": [1, 2, 3]}),
    32: hold_too_much,
    33: standing,
    36: for_another,
    37: fact_without_a_row,
}
"""What is told instead of a write, and from which place on."""


@pytest.mark.parametrize("of", SPOILT, ids=lambda of: f"invariant_{of}")
def test_a_spoilt_write_is_noticed_at_the_wire(told: Told, of: int) -> None:
    place, write = SPOILT[of](told)
    mirror = before_the_write(told, place)
    with pytest.raises(Broken) as broken:
        mirror.see(write)
    assert broken.value.number == of, broken.value


def before_the_write(told: Told, place: int, terms: Terms = TERMS) -> Mirror:
    """Books to which everything before a write was told."""
    mirror = Mirror(terms)
    mirror.take(told.before.items())
    for write in told.writes[:place]:
        mirror.see(write)
    return mirror


def test_the_true_story_breaks_nothing(told: Told) -> None:
    assert len(before_the_write(told, len(told.writes)).items) > len(told.before)


def test_invariant_20_a_settlement_while_something_is_quarantined(told: Told) -> None:
    place, _ = told.first("accounts", "s#")
    mirror = before_the_write(told, place)
    row = QuarantineItem("quarantine#shop-1", "orders#A", source="orders", key="A", reason="x", at="2026", record={})
    mirror.take([(("ops", row.pk, row.sk), row.serialize())])
    with pytest.raises(Broken, match="invariant 20"):
        mirror.see(told.writes[place])


def test_invariant_25_the_provider_is_asked_for_what_is_not_written_down(told: Told) -> None:
    place, change = told.first("payouts", "T")
    with pytest.raises(Broken, match="invariant 25"):
        before_the_write(told, 0).see([change])
    assert place > 0


def test_invariant_31_one_more_than_a_day_may_have(told: Told) -> None:
    (first, _), (second, _) = [each for each in told.all("withdrawals", "wdr_") if each[1].before is None]
    with pytest.raises(Broken, match="invariant 31"):
        before_the_write(told, second, replace(TERMS, per_day=1)).see(told.writes[second])
    assert first < second


def test_invariant_35_a_rank_is_decided_after_its_close(told: Told) -> None:
    place, change = told.first("levels", ".*#rank")
    mirror = before_the_write(told, place)
    mirror.take([(("levels", "shop-1#close", change.sk[:10]), change.after)])
    with pytest.raises(Broken, match="invariant 35"):
        mirror.see(told.writes[place])


def test_invariant_38_an_account_in_plain_text(told: Told) -> None:
    with pytest.raises(Broken, match="invariant 38"):
        before_the_write(told, 0).overhear(f"x {CANARIES[1]} y".encode())


# At rest


@pytest.fixture
def rest(told: Told) -> World:
    """The world at the end of the story, in the store."""
    put_back(told.after)
    return told.world


def store(key: Key, **attributes: Any) -> None:
    """Put an item there with other attributes, past everything."""
    known = image(*key) or {"pk": {"S": key[1]}, "sk": {"S": key[2]}}
    connection().client.put_item(TableName=f"tributary-test-{key[0]}", Item={**known, **attributes})


def lose(key: Key) -> None:
    keys = {"pk": {"S": key[1]}, "sk": {"S": key[2]}}
    connection().client.delete_item(TableName=f"tributary-test-{key[0]}", Key=keys)


def some(room: str, sk: str) -> Key:
    return next(key for key, _ in images() if key[0] == room and re.match(sk, key[2]))


def last(room: str, sk: str) -> Key:
    return max((key for key, _ in images() if key[0] == room and re.match(sk, key[2])), key=lambda key: key[2])


def other_targets() -> None:
    key = last("decisions", "0")
    item = DecisionItem.from_raw_data(dict(image(*key) or {}))
    store(key, b={"B": DecisionItem.body.serialize(item.body | {"targets": [5, 5, 5]})})


def book_line() -> None:
    line = image(*some("payouts", "T")) or {}
    store(("payouts", "shop-1#pretend", "T0NOBODY"), **{**line, "sk": {"S": "T0NOBODY"}})


def stuck() -> None:
    key = some("withdrawals", "wdr_")
    whole = json.loads(zlib.decompress((image(*key) or {})["b"]["B"]))
    whole["history"] = [step for step in whole["history"] if step[0] != "paid"]
    whole["promised"] = "2027-01-01T00:00:00.000000Z"
    store(key, b={"B": zlib.compress(json.dumps(whole).encode())})


DAMAGE: Mapping[int, Callable[[], None]] = {
    7: lambda: lose(last("entries", "a#")),
    14: other_targets,
    21: book_line,
    22: lambda: store(("accounts", some("accounts", "balance")[1], "balance"), available=number(10**6)),
    29: stuck,
    34: lambda: lose(some("levels", ".*#rank")),
}
"""What is done to the store behind everybody's back."""


@pytest.mark.parametrize("of", DAMAGE, ids=lambda of: f"invariant_{of}")
def test_damage_is_noticed_at_rest(rest: World, of: int) -> None:
    DAMAGE[of]()
    mirror = Mirror(TERMS)
    mirror.take(images())
    with pytest.raises(Broken) as broken:
        ends.check(rest, mirror)
    assert broken.value.number == of, broken.value


def test_nothing_is_damaged_without_it(rest: World) -> None:
    mirror = Mirror(TERMS)
    mirror.take(images())
    ends.check(rest, mirror)


def test_invariant_40_what_never_comes_to_rest_and_what_went_past_the_wire(
    rest: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(TERMS)
    mirror.take(images())
    store(("orders", "shop-1#Z", "order"))
    with pytest.raises(Broken, match="invariant 40"):
        ends.check(rest, mirror)
    turns = iter(range(100))
    monkeypatch.setattr(rest.worker, "run", lambda: store(("orders", "shop-1#Z", str(next(turns)))))
    with pytest.raises(Broken, match="invariant 40"):
        ends.settle_down(rest)


def test_invariant_41_a_replay_that_changes_something(rest: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror(TERMS)
    mirror.take(images())
    story = Story(rest, mirror, 0)
    monkeypatch.setattr(story, "replay", lambda records: store(("orders", "shop-1#Z", "complete#1")))
    with pytest.raises(Broken, match="invariant 41"):
        ends.nothing_new(rest, mirror, story)


def test_every_invariant_is_named_in_a_test() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("*.py"))
    named = {
        int(one) for found in re.findall(r"invariants?_([0-9_and]+?)_[a-z]", text) for one in re.findall(r"\d+", found)
    }
    assert named | SPOILT.keys() | DAMAGE.keys() >= set(range(1, 42))
