"""Laws of the journal: however facts come and whenever deciding happens, money and volumes end the same."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chalicelib.commissions.rules import journal as rules
from chalicelib.ledger.model import Account, Kind
from chalicelib.orders.model import HandAttribution, Line, Order, Told
from tests.commissions.machine import Machine, expected_volumes
from tests.support_laws import MIDNIGHT, SELLERS, law, line, order, plan, refund

PLANS = [
    plan(rate_bp=1000, uplines=[500, 300], cap_bp=2500),
    plan(rate_bp=1000, uplines=[500, 300], cap_bp=1200, hold={"starts": "paid", "days": 1}),
    plan(rate_bp=1, uplines=[1], cap_bp=10000, hold={"starts": "completed", "days": 0}),
]
GAPS = [timedelta(minutes=minutes) for minutes in (1440, 181, 0, 4321, 179, 719, 1)]
"""Between two facts: a day, just after a close, at once, three days, just before a close, half a day, a moment."""
KINDS = ["refund", "hand", "refund", "hand", "complete", "refund", "cancel"]
PAID_BEFORE = [timedelta(minutes=minutes) for minutes in (-10, 0, 1, 179, 600, 1441, 20_000)]

some_lines = st.lists(
    st.tuples(st.sampled_from([0, 1, 333, 4000, 99_999]), st.sampled_from(["x", "ruled", "least", "no"])),
    min_size=1,
    max_size=3,
)


@st.composite
def story(draw: Any) -> list[tuple[datetime, Any, bool]]:
    """Facts as they come: when each is received, what it is, and whether deciding follows at once."""
    lines = [line(paid, sku, 2, str(i)) for i, (paid, sku) in enumerate(draw(some_lines))]
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=7))
    early = draw(st.integers(0, len(kinds)))
    kinds = [*(kind for kind in kinds[:early] if kind != "hand"), "order", *kinds[early:]]
    at, hands, told = MIDNIGHT + draw(st.sampled_from(GAPS)), 0, []
    for i, kind in enumerate(kinds):
        at += draw(st.sampled_from(GAPS))
        hands += kind == "hand"
        told.append((at, _fact(draw, kind, i, lines, hands, at), draw(st.sampled_from([False, False, True]))))
    return told


def _fact(draw: Any, kind: str, i: int, lines: list[Line], hands: int, at: datetime) -> Any:
    if kind == "order":
        return order(lines, at - draw(st.sampled_from(PAID_BEFORE)), at)
    if kind == "hand":
        return HandAttribution(hands, draw(st.sampled_from([None, *SELLERS[:4]])), f"why {i}", "wang", at)
    if kind == "refund":
        each = draw(st.sampled_from(lines))
        amount = each.paid_minor * draw(st.integers(0, 11)) // 10
        return refund(f"r-{i}", [(each.line_id, draw(st.integers(0, 2)), amount)], at)
    return kind, Told(at, at)


def told(machine: Machine, facts: list[tuple[datetime, Any, bool]], always: bool = False) -> datetime:
    """Tell a story to a machine, which is caught up at its end."""
    for at, fact, decides in facts:
        machine.tell(fact)
        if decides or always:
            machine.decide(at)
    ends = facts[-1][0] + timedelta(minutes=5)
    machine.decide(ends)
    return ends


@law(250)
@given(story(), st.sampled_from(PLANS))
def test_volumes_are_of_when_facts_came_not_of_when_they_were_decided(facts: Any, by: Any) -> None:
    machine, diligent = Machine(by), Machine(by)
    told(machine, facts)
    told(diligent, facts, always=True)
    assert machine.volumes() == diligent.volumes() == expected_volumes(by, machine.facts)


@law(250)
@given(story(), st.sampled_from(PLANS))
def test_the_journal_is_gap_free_and_adds_up(facts: Any, by: Any) -> None:
    machine = Machine(by)
    told(machine, facts)
    journal = machine.journal
    assert [decision.n for decision in journal] == list(range(1, len(journal) + 1))
    for before, after in zip([None, *journal[:-1]], journal, strict=True):
        same = before is not None and before.opened_by == after.opened_by
        was = before.targets if same and before else (0,) * len(after.targets)
        base, count = (before.base_minor, before.count) if same and before else (0, 0)
        assert tuple(old + delta for old, delta in zip(was, after.deltas, strict=True)) == after.targets
        assert (base + after.base_delta, count + after.count_delta) == (after.base_minor, after.count)
        assert min((*after.targets, after.base_minor, after.count)) >= 0
        assert before is None or (before.at <= after.at and before.counts_on <= after.counts_on)
        assert not same or before is None or before.available_at in (None, after.available_at)
        assert after.opens or after.snapshot is None


@law(250)
@given(story(), st.sampled_from(PLANS))
def test_the_last_targets_are_a_function_of_all_facts_and_the_accounts_say_them(facts: Any, by: Any) -> None:
    machine = Machine(by)
    told(machine, facts)
    last, case = machine.journal[-1], machine.case
    assert last.attribution == case.attribution
    chain = case.snapshot.chain if case.snapshot else ()
    if case.snapshot:
        assert last.targets == rules.target_of(case, case.snapshot, last.rank, machine.facts).amounts
    standing = {(b.distributor_id, b.tier): last.targets[b.tier - 1] for b in chain if b.reason is None}
    balances = machine.balances()
    for (who, tier, account), amount in balances.items():
        due = standing.pop((who, tier), 0) if account is Account.EXPENSE else None
        assert due is None or amount == -due
        released = last.available_at is not None and (who, tier) in [(b.distributor_id, b.tier) for b in chain]
        if account is Account.PENDING:
            assert amount == (0 if released else -balances[who, tier, Account.EXPENSE])
        if account is Account.AVAILABLE:
            assert amount == (-balances[who, tier, Account.EXPENSE] if released else 0)
    assert not any(standing.values())


@law(150)
@given(story(), st.sampled_from(PLANS))
def test_each_entry_is_named_once_and_made_again_the_same_whatever_came_after(facts: Any, by: Any) -> None:
    machine = Machine(by)
    ends = told(machine, facts)
    names = [(entry.n, entry.tier, entry.kind) for entry in machine.entries]
    assert len(set(names)) == len(names)
    assert len({entry.entry_id for entry in machine.entries}) == len(names)
    again = [entry for decision in machine.journal for entry in rules.entries_of(machine.case, decision)]
    assert again == machine.entries
    assert machine.decide(ends + timedelta(days=9)) == 0
    first = [(entry.distributor_id, entry.tier) for entry in machine.entries if entry.opens]
    assert len(set(first)) == len(first)
    assert set(first) == {(entry.distributor_id, entry.tier) for entry in machine.entries}


@law(150)
@given(story(), st.sampled_from(PLANS))
def test_entries_are_transfers_that_nothing_takes_below_zero(facts: Any, by: Any) -> None:
    machine = Machine(by)
    told(machine, facts)
    seen: dict[tuple[str, int, Account], int] = {}
    for entry in machine.entries:
        assert entry.debit is not entry.credit
        assert entry.amount_minor >= 0
        assert (entry.available_at is None) == (Account.AVAILABLE not in (entry.debit, entry.credit))
        assert (entry.counts_on is None) == (entry.tier > 1 or entry.kind is Kind.RELEASE)
        for account, sign in ((entry.debit, -1), (entry.credit, 1)):
            key = (entry.distributor_id, entry.tier, account)
            seen[key] = seen.get(key, 0) + sign * entry.amount_minor
            assert account is Account.EXPENSE or seen[key] >= 0


@law(100)
@given(story(), st.sampled_from(PLANS), st.randoms(use_true_random=False))
def test_of_facts_that_come_at_one_instant_the_order_does_not_matter(facts: Any, by: Any, shuffler: Any) -> None:
    """Reordered among themselves, refunds, completions and cancellations end at the same targets and volumes."""
    at = facts[-1][0]
    paid = next(fact for _, fact, _ in facts if isinstance(fact, Order))
    others = [fact for _, fact, _ in facts if not isinstance(fact, Order | HandAttribution)]
    others = [
        replace(fact, received_at=at) if hasattr(fact, "refund_id") else (fact[0], Told(at, at)) for fact in others
    ]
    ends = []
    for _ in range(2):
        shuffler.shuffle(others)
        machine = Machine(by)
        told(machine, [(at, fact, shuffler.random() < 0.5) for fact in [replace(paid, received_at=at), *others]])
        money = {key: amount for key, amount in machine.balances().items() if amount}
        ends.append((sum(machine.journal[-1].targets), money, machine.volumes()))
    assert ends[0] == ends[1]
