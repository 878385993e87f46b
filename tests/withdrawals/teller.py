"""What tests of withdrawals do again and again: earn, ask, release, look, and hold the books against the provider's."""

import itertools
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from msgspec.structs import replace

from chalicelib.access.model import Caller, Scope
from chalicelib.accounts import proof as accounts_proof
from chalicelib.accounts import service as accounts
from chalicelib.accounts.model import Balance, Sums
from chalicelib.accounts.tables import SettlementItem, settlement_item, settlement_sk
from chalicelib.distributors import service as distributors
from chalicelib.distributors.model import Distributor
from chalicelib.ledger import service as ledger
from chalicelib.ledger.model import Account, Entry, Kind
from chalicelib.payouts.channels.pretend import Booked, book
from chalicelib.programs.model import Program
from chalicelib.shared.settings import bucket
from chalicelib.shared.tables import Put, transact
from chalicelib.withdrawals import jobs, proof, rules, service
from chalicelib.withdrawals.model import Split, Status, Withdrawal
from tests.support import Answer
from tests.support_clock import jump
from tests.support_market import START, Market

SLA = {"sla_hours": 24, "peak_sla_hours": 48}
CHANNELS = dict.fromkeys(["bank", "wechat", "other", "pretend"], SLA)
CARD = {"holder_name": "张三", "account_number": "6222020200113445", "bank_name": "中国银行"}
ACCOUNTS: dict[str, dict[str, str]] = {
    "bank": CARD,
    "wechat": {"openid": "o-123456"},
    "other": {"service": "PayPal", "account": "+66 81 234 5678", "holder_name": "张三"},
}
WANG = Caller("wang", Scope.OPERATOR, "shop-1")
TEN = START + timedelta(days=1)
"""The release after `START`: `START` is at ten, and a release is after what it releases."""

LONG = 1_000_000.0
"""Seconds that no test takes."""


class Teller:
    """A market's withdrawals. `seller` has money, and a method of each behaviour that was asked for."""

    def __init__(self, market: Market) -> None:
        self.market, self.api, self.shop = market, market.api, market.shop
        self._keys = itertools.count()
        self.methods: dict[tuple[str, str], str] = {}

    @property
    def program(self) -> Program:
        return self.market.program

    def distributor(self, name: str = "seller") -> Distributor:
        return distributors.get(self.shop.program_id, self.market.id(name))

    # Money

    def give(self, amount_minor: int, name: str = "seller") -> None:
        """Put money on an account as the settlement of yesterday does; earning it is tested elsewhere."""
        program, distributor = self.program, self.distributor(name)
        account, now = accounts.open_account(program, distributor), program.now()
        day = program.local_day(now) - timedelta(days=1)
        gift = replace(
            entry_of(distributor, f"gift-{next(self._keys)}", amount_minor),
            at=now - timedelta(hours=1),
            available_at=program.midnight(day),
        )
        balance = account.balance
        available = balance.available_minor + amount_minor
        account.item.becomes(replace(balance, available_minor=available, settled_day=day, cutoff=now))
        pk = account.item.pk
        before = SettlementItem.find(pk, settlement_sk(day))
        booked = (before.days() if before else {}).get(day, Sums()) + Sums(added_minor=amount_minor)
        settlement_item(pk, day, {day: booked}).save()
        transact(Put(account.item, account.item.next_revision()), *ledger.entry_puts([gift]))

    def balance(self, name: str = "seller") -> Balance:
        return accounts.balance(self.program, self.distributor(name))

    def stands(self, name: str = "seller") -> tuple[int, int, int, int]:
        """Available, held, paid out, fee."""
        balance = self.balance(name)
        return balance.available_minor, balance.held_minor, balance.paid_out_minor, balance.fee_minor

    # Methods

    def method(self, behaviour: str = "accept", name: str = "seller") -> str:
        """The method of a behaviour of the pretend provider, or of the channel of this name."""
        if (name, behaviour) not in self.methods:
            channel = behaviour if behaviour in ACCOUNTS else "pretend"
            account = ACCOUNTS.get(channel, {"behaviour": behaviour})
            if channel == "bank":
                account = CARD | {"account_number": f"62220202001{len(self.methods):05}"}
            body = {"distributor_id": self.market.id(name), "channel": channel, "account": account}
            answer = self.api.post("/v1/payout-methods", body, key=self.shop.operator)
            assert answer.status in (200, 201), answer.text
            self.methods[name, behaviour] = answer.json["method_id"]
        return self.methods[name, behaviour]

    # Asking, over HTTP

    def ask(
        self,
        amount_minor: int = 10_000,
        behaviour: str = "accept",
        name: str = "seller",
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
        expect: int | None = 201,
        **says: Any,
    ) -> Answer:
        """Ask for a withdrawal, as the distributor itself unless `key` is an operator's."""
        body = {"distributor_id": self.market.id(name), "amount_minor": amount_minor, **says}
        body.setdefault("method_id", self.method(behaviour, name))
        asked_by = key or self.market.session(name)
        sent = idempotency_key or f"k-{next(self._keys)}"
        answer = self.api.post("/v1/withdrawals", body, key=asked_by, idempotency_key=sent)
        assert expect is None or answer.status == expect, answer.text
        return answer

    def asked(self, amount_minor: int = 10_000, behaviour: str = "accept", name: str = "seller", **more: Any) -> str:
        """The id of a new withdrawal."""
        return str(self.ask(amount_minor, behaviour, name, **more).json["withdrawal_id"])

    def do(
        self, action: str, withdrawal_id: str, key: str | None = None, expect: int | None = 200, **says: Any
    ) -> Answer:
        """Approve, reject, cancel, retry, resolve."""
        path = f"/v1/withdrawals/{withdrawal_id}/{action}"
        answer = self.api.post(path, says, key=key or self.shop.operator)
        assert expect is None or answer.status == expect, answer.text
        return answer

    def shown(self, withdrawal_id: str, key: str | None = None) -> Any:
        return self.market.get(f"/v1/withdrawals/{withdrawal_id}", key)

    def get(self, withdrawal_id: str) -> Withdrawal:
        return service.get(self.shop.program_id, withdrawal_id)

    def status(self, withdrawal_id: str) -> Status:
        return self.get(withdrawal_id).status

    def told(self, batch_id: str, *rows: tuple[str, str], expect: int | None = 200) -> Answer:
        """Send a file of results: (reference, result)."""
        file = "reference,result\n" + "".join(f"{reference},{result}\n" for reference, result in rows)
        path = f"/v1/payouts/batches/{batch_id}/results"
        answer = self.api.send("POST", path, file.encode(), self.shop.operator, content_type="text/csv")
        assert expect is None or answer.status == expect, answer.text
        return answer

    # What the worker does

    def work(self) -> None:
        """Everything that is due where the clock stands."""
        assert jobs.work_off(self.program, self.program.now(), time.monotonic() + LONG)

    def go_to(self, to: datetime) -> None:
        """Move the clock, stopping wherever something falls due and doing it."""
        for _ in range(2_000):
            due = jobs.next_due(self.program)
            if due is None or due > to:
                break
            jump(self.shop.program_id, max(due, self.program.now()))
            self.work()
        jump(self.shop.program_id, to)

    def release(self) -> None:
        """On to the next release, and the minutes after it."""
        at = rules.release_at("daily", self.program.now(), self.program.timezone)
        self.go_to(at + timedelta(minutes=30))

    def batches(self) -> list[Any]:
        """The files of batches, oldest first."""
        rows: list[Any] = self.market.walk("/v1/payouts/batches", limit=100)
        return rows[::-1]

    def files(self) -> dict[str, bytes]:
        """What lies in the bucket, by name."""
        keys = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket()].keys
        return {name: keys[name].value for name in keys}

    def forget_files(self) -> None:
        """Empty the bucket: a batch's id is its release's, so a story told again would meet its file."""
        held = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[bucket()].keys
        for name in list(held):
            held.pop(name)

    # What must always hold

    def all(self) -> Iterator[Withdrawal]:
        place = None
        while True:
            found, place = service.list_withdrawals(self.program, service.Wanted(), 100, place)
            yield from found
            if place is None:
                return

    def check(self, name: str = "seller") -> None:
        """The invariants that hold always, by the entries and by the provider's own book. Numbers: docs of money."""
        proven = accounts_proof.of_account(self.program, self.distributor(name))
        assert list(proven.differences) == []
        assert list(proof.of_account(self.program, self.distributor(name), proven.balance)) == []
        own = [each for each in self.all() if each.distributor_id == self.market.id(name)]
        assert proven.balance.held_minor == sum(w.amount_minor for w in own if not w.status.terminal)  # 17
        item = accounts.open_account(self.program, self.distributor(name)).item
        assert item.revision == len({(entry.about, entry.n) for entry in proven.entries})  # 18
        asked = [each.amount_minor for each in proven.entries if each.about.startswith("gift-")]
        assert proven.balance.available_minor + proven.balance.held_minor + proven.balance.paid_minor == sum(
            asked
        )  # 16
        booked = {line.reference: line for line in book(self.shop.program_id)}
        for withdrawal in own:
            _check_one(withdrawal, booked)

    def check_book(self) -> None:
        """Whatever the provider knows was written down before."""
        known = {attempt.reference for each in self.all() for attempt in each.attempts}
        assert {line.reference for line in book(self.shop.program_id)} <= known  # 25


def _check_one(withdrawal: Withdrawal, booked: dict[str, Booked]) -> None:
    ways = [step.status for step in withdrawal.history]
    assert ways[0] is Status.REQUESTED
    for before, after in itertools.pairwise(ways):
        assert after in rules.TRANSITIONS[before].values(), (before, after)  # 28
    split = withdrawal.split or Split(0, 0, 0)
    if withdrawal.split is not None:
        assert split.net_minor + split.tax_minor + split.fee_minor == withdrawal.amount_minor  # 30
        assert min(split.net_minor, split.tax_minor, split.fee_minor) >= 0
    for attempt in withdrawal.attempts[:-1]:
        assert attempt.status is Status.FAILED  # 26
    lines = [booked[attempt.reference] for attempt in withdrawal.attempts if attempt.reference in booked]
    assert {line.amount_minor for line in lines} <= {split.net_minor}  # 27
    paid = sum(line.amount_minor for line in lines if line.behaviour != "fail")
    assert paid <= split.net_minor  # 23
    if withdrawal.status in (Status.FAILED, Status.CANCELLED, Status.EXPIRED, Status.REJECTED):
        assert paid == 0  # 24
    if withdrawal.status is Status.PAID and lines:
        assert paid == split.net_minor


def entry_of(distributor: Distributor, about: str, amount_minor: int) -> Entry:
    """An adjustment's entry."""
    return Entry(
        distributor.program_id,
        distributor.distributor_id,
        0,
        "CNY",
        Kind.ADJUST,
        Account.EXPENSE,
        Account.AVAILABLE,
        amount_minor,
        about,
        1,
        0,
        "adjustment",
        START,
        START,
        False,
        None,
    )
