"""Mistakes that have cost others money, as patches of ours: the stories must notice each.

Each patch does what its docstring says, and nothing else goes wrong in it.
"""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from chalicelib.accounts import jobs as settlements
from chalicelib.accounts.tables import BalanceItem
from chalicelib.commissions.model import Decision, Target
from chalicelib.commissions.rules import journal
from chalicelib.ledger import service as ledger
from chalicelib.ledger import tables as entries
from chalicelib.ledger.model import Entry
from chalicelib.payouts.model import Account, Answer, NoAnswer, Payout, Result
from chalicelib.programs.model import Program
from chalicelib.shared.tables import Put, Refused, connection
from chalicelib.withdrawals import asking, batches, jobs
from chalicelib.withdrawals.model import Attempt, Withdrawal

Patch = pytest.MonkeyPatch


def counter_add(patch: Patch) -> None:
    """A settlement is noted, then the balance is added to: outside of a transaction, by a request that may repeat."""

    def transact(balance: Put, settlement: Put) -> None:
        if not settlement.item.put_new():
            raise Refused([1])
        item: Any = balance.item
        stored = BalanceItem.find(item.pk, item.sk, consistent=True)
        before = BalanceItem(item.pk, item.sk) if stored is None else stored
        names = ("accrued", "released", "available", "revision")
        connection().client.update_item(
            TableName=BalanceItem.Meta.table_name,
            Key={"pk": {"S": item.pk}, "sk": {"S": item.sk}},
            UpdateExpression="SET settled_day = :day, cutoff = :cutoff, asked = if_not_exists(asked, :asked) "
            "ADD " + ", ".join(f"{name} :{name}" for name in names),
            ExpressionAttributeValues={
                ":day": {"S": item.settled_day},
                ":cutoff": {"S": item.cutoff},
                ":asked": {"B": BalanceItem.asked.serialize({})},
                **{f":{name}": {"N": str(int(getattr(item, name) - getattr(before, name)))} for name in names},
            },
        )

    patch.setattr(settlements, "transact", transact)


def random_ids(patch: Patch) -> None:
    """An entry's key is new each time, so that a repeat doesn't meet itself."""
    key, turn = entries.entry_key, count()

    def entry_key(entry: Entry) -> tuple[str, str]:
        pk, sk = key(entry)
        name, at, *rest = sk.split("#")
        return pk, "#".join((name, f"{at[:-1]}.{next(turn):06}Z", *rest))

    patch.setattr(entries, "entry_key", entry_key)


def timeout_is_failure(patch: Patch) -> None:
    """No answer is taken for a refusal."""
    asked = asking.ask

    def ask(
        program: Program, withdrawal: Withdrawal, call: Callable[[Payout], Answer], account: Account | None = None
    ) -> Answer:
        def definite(payout: Payout) -> Answer:
            try:
                return call(payout)
            except NoAnswer:
                return Answer(Result.FAILED, "no answer")

        return asked(program, withdrawal, definite, account)

    patch.setattr(jobs, "ask", ask)


def new_reference_on_timeout(patch: Patch) -> None:
    """What got no answer is asked for again under another name."""
    written = asking.payout_of

    def payout_of(program: Program, withdrawal: Withdrawal, attempt: Attempt, account: Account | None) -> Payout:
        payout = written(program, withdrawal, attempt, account)
        return replace(payout, reference=f"{payout.reference}{attempt.looks}") if attempt.looks else payout

    patch.setattr(asking, "payout_of", payout_of)
    patch.setattr(batches, "payout_of", payout_of)


def event_based_deltas(patch: Patch) -> None:
    """Each refund takes its own share away, rounded by itself, instead of aiming at what should be left."""
    aimed = journal._aimed

    def by_share(case: Any, decision: Decision, wanted: Target, day: Any, at: Any) -> Decision:
        base, back = decision.base_minor, decision.base_minor - wanted.base_minor
        if base and back >= 0 and wanted.tiers:
            left = [old - old * back // base for old in decision.targets]
            tiers = tuple(replace(tier, target_minor=new) for tier, new in zip(wanted.tiers, left, strict=False))
            wanted = replace(wanted, tiers=tiers)
        return aimed(case, decision, wanted, day, at)

    patch.setattr(journal, "_aimed", by_share)


def no_repair_on_redelivery(patch: Patch) -> None:
    """A decision that is there counts as booked, whether its entries are or not."""
    patch.setattr(ledger, "post_missing", lambda entries: None)
    patch.setattr(ledger, "missing", lambda entries: [])


MUTANTS: Mapping[str, Callable[[Patch], None]] = {
    patch.__name__: patch
    for patch in (
        counter_add,
        random_ids,
        timeout_is_failure,
        new_reference_on_timeout,
        event_based_deltas,
        no_repair_on_redelivery,
    )
}
