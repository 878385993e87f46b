"""A provider that says what a test tells it to, and notes what it was asked and what was written down by then."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from chalicelib.payouts.channels import CHANNELS
from chalicelib.payouts.channels.pretend import Pretend
from chalicelib.payouts.model import Answer, NoAnswer, Payout, Result
from chalicelib.withdrawals import rules, service

Say = Result | Answer | None
"""None: no answer."""


class Provider(Pretend):
    """Says the answers one after the other, the last one for ever. Stands in for `pretend`."""

    def __init__(self, *says: Say, window: timedelta = Pretend.window) -> None:
        self.says, self.window = list(says), window
        self.calls: list[tuple[str, str, int]] = []
        """What it was asked: submit or query, the reference, the amount."""

    def submit(self, payout: Payout) -> Answer:
        return self._say("submit", payout)

    def query(self, payout: Payout) -> Answer:
        return self._say("query", payout)

    @property
    def asked(self) -> list[str]:
        return [what for what, _, _ in self.calls]

    def _say(self, what: str, payout: Payout) -> Answer:
        self._see_what_is_written(payout)
        self.calls.append((what, payout.reference, payout.amount_minor))
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if said is None:
            raise NoAnswer(payout.reference)
        return said if isinstance(said, Answer) else Answer(said, f"said {said}")

    def _see_what_is_written(self, payout: Payout) -> None:
        """Invariant 25: before any call the attempt is kept, with what is asked for."""
        kept = service.get(payout.program_id, rules.withdrawal_of(payout.reference)).attempt
        assert (kept.reference, kept.amount_minor) == (payout.reference, payout.amount_minor)


@contextmanager
def saying(*says: Say, window: timedelta = Pretend.window) -> Iterator[Provider]:
    """Within it, the channel `pretend` says this."""
    provider = Provider(*says, window=window)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(dict_of_channels(), "pretend", provider)
        yield provider


def dict_of_channels() -> dict[str, object]:
    assert isinstance(CHANNELS, dict)
    return CHANNELS


def references(calls: Iterable[tuple[str, str, int]]) -> set[str]:
    return {reference for _, reference, _ in calls}
