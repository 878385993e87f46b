"""What goes out in files: which withdrawals are in which batch, for good, and writing it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from chalicelib.payouts import service as payouts
from chalicelib.payouts.model import Account
from chalicelib.programs.model import Program
from chalicelib.shared.value import Value
from chalicelib.withdrawals import rules, service, tables
from chalicelib.withdrawals.asking import payout_of, take
from chalicelib.withdrawals.model import Status, Withdrawal
from chalicelib.withdrawals.tables import BatchItem


class Claimed(Value):
    """A withdrawal that waits for its file; its account, if it was read just now."""

    withdrawal: Withdrawal
    account: Account | None

    def __repr__(self) -> str:
        """Without the account: what is shown of it may end in a log."""
        return f"Claimed({self.withdrawal!r})"


def send(program: Program, claimed: Iterable[Claimed]) -> None:
    """Write the files in which these go, by channel and by the release that they were due with."""
    releases: defaultdict[tuple[str, datetime], dict[str, Claimed]] = defaultdict(dict)
    for one in claimed:
        if one.withdrawal.due is not None:
            release = one.withdrawal.channel, one.withdrawal.due.at
            releases[release][one.withdrawal.attempt.reference] = one
    for (channel, released_at), waiting in releases.items():
        for batch_id, references in _batches(program.program_id, channel, released_at, waiting):
            ours = {name: waiting[name] for name in references if name in waiting}
            _send_file(program, channel, batch_id, references, ours)


def _batches(
    program_id: str, channel: str, released_at: datetime, references: Iterable[str]
) -> Iterator[tuple[str, Sequence[str]]]:
    """The batches in which these go: each with its id and all that is in it.

    What is in a batch is fixed before its file is written. A batch is looked for before a next one is made, in the
    order of their numbers, so whoever dies or is overtaken puts nothing in two.
    """
    left, number = set(references), 0
    while left:
        number += 1
        batch_id = payouts.batch_id(program_id, channel, released_at, number)
        fixed = _fixed(program_id, batch_id, sorted(left)[: rules.BATCH_MAX])
        if left & set(fixed):
            yield batch_id, fixed
        left -= set(fixed)


def _fixed(program_id: str, batch_id: str, references: Sequence[str]) -> Sequence[str]:
    """What is in a batch: what was put in it before, else these."""
    pk = tables.batches_pk(program_id)
    found = BatchItem.find(pk, batch_id, consistent=True)
    if found is None and not BatchItem(pk, batch_id, references=references).put_new():
        found = BatchItem.find(pk, batch_id, consistent=True)
    fixed: Sequence[str] = references if found is None else found.references
    return fixed


def _send_file(
    program: Program, channel: str, batch_id: str, references: Sequence[str], claimed: Mapping[str, Claimed]
) -> None:
    """Write the file, the same whenever it is written; then note that what was claimed for it is in it."""
    found = service.get_many(program.program_id, map(rules.withdrawal_of, references))
    wanted, accounts = set(references), {name: one.account for name, one in claimed.items()}
    asked = {
        attempt.reference: payout_of(program, withdrawal, attempt, accounts.get(attempt.reference))
        for withdrawal in found
        for attempt in withdrawal.attempts
        if attempt.reference in wanted
    }
    payouts.write_batch(program, channel, batch_id, [asked[reference] for reference in references], program.now())
    for reference in sorted(claimed):
        item = service.existing(program.program_id, rules.withdrawal_of(reference))
        withdrawal = item.withdrawal()
        if withdrawal.status is Status.SUBMITTING and withdrawal.attempt.reference == reference:
            put_in = rules.with_attempt(withdrawal, replace(withdrawal.attempt, batch_id=batch_id))
            submit = payouts.channel_of(withdrawal.channel).submit
            take(program, item, put_in, "submit", submit(asked[reference]))
