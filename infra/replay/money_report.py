"""Where the money of a replay went, in words and aligned columns."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from infra.replay.books import Books
from infra.replay.journey import Journey
from infra.replay.stage import Stage
from infra.replay.stops import Json
from infra.replay.words import money

ACCOUNTS = {
    "expense": "what the program gave, less what it took back",
    "pending": "earned; its hold isn't over",
    "available": "can be asked for; below zero: paid out, then taken back",
    "held": "asked for, and on its way",
    "paid_out": "has arrived",
    "tax_payable": "kept back for the tax office",
    "fee": "kept back by the program",
}
ACTORS = {"plan": "the plan", "job": "the schedule"}
"""Who they are that are no people."""


def whereabouts(books: Books, currency: str) -> Iterator[str]:
    """What all lines of all statements come to, account by account: together nothing."""
    totals = books.totals()
    lines = sum(map(len, books.lines.values()))
    yield f"Where the money is{currency:>17}"
    for account, meaning in ACCOUNTS.items():
        yield f"  {account.replace('_', ' '):<16}{money(totals[account]):>17}  {meaning}"
    yield f"  {'together':<16}{money(totals.total()):>17}  over {lines:,} lines of {len(books.lines)} statements"
    found = books.reconciled
    agrees = {name: amount for name, amount in found["totals_minor"].items() if amount} == {
        name: amount for name, amount in totals.items() if amount
    }
    looked_at = ", ".join(f"{count:,} {what}" for what, count in found["counts"].items())
    yield f"ledger = orders: {'yes' if found['ok'] and agrees else 'no'}  ({looked_at})"
    for difference in found["differences"]:
        yield f"  {difference['kind']} {difference['id']}"
        yield f"    wanted {money(difference['wanted_minor'])}, found {money(difference['found_minor'])}"


def withdrawals(books: Books) -> Iterator[str]:
    """How many withdrawals came to what, by channel."""
    told = books.withdrawals.values()
    channels = sorted({each["channel"] for each in told})
    counts = Counter((each["status"], each["channel"]) for each in told)
    yield f"{'Withdrawals':<18}{''.join(f'{channel:>10}' for channel in channels)}       all"
    for status in dict.fromkeys(status for (status, _), _ in counts.most_common()):
        of_status = [counts[status, channel] for channel in channels]
        yield f"  {status:<16}{''.join(f'{count:>10}' for count in of_status)}{sum(of_status):>10}"


def one_life(books: Books, stage: Stage, currency: str, zone: ZoneInfo) -> Iterator[str]:
    """A withdrawal from the request to the end, with a lost answer on the way if there was one."""
    told = max(books.withdrawals.values(), key=_telling, default=None)
    if told is None:
        yield "Nobody asked for money."
        return
    whose = stage.name_of(told["distributor_id"])
    through = f"{told['channel']} ({told['masked']})"
    yield f"One withdrawal's life: {whose}, {money(told['amount_minor'])} {currency} through {through}"
    said = {"unknown": "the answer got lost: nobody knows, so the channel is asked"}
    for step in told["history"]:
        why = step["reason"] or said.get(step["status"], "")
        actor = stage.name_of(step["actor"]) or ACTORS.get(step["actor"], step["actor"])
        yield f"  {_when(step['at'], zone)}  {step['status']:<13}{actor:<14}{why}".rstrip()
    parts = (("fee", told["fee_minor"]), ("tax", told["tax_minor"]), ("paid", told["net_minor"]))
    yield f"  {', '.join(f'{name} {money(amount)}' for name, amount in parts)}; reference {_references(told)}"


def after_payout(books: Books, journey: Journey, stage: Stage, zone: ZoneInfo) -> Iterator[str]:
    """Of whom everything was paid out, and what came back then."""
    last = [each for each in books.withdrawals.values() if _is_last(each, journey, stage)]
    if not stage.taken_back or not last:
        yield "Nothing came back after it was paid out."
        return
    (order,), (told,), user_id = stage.taken_back, last, journey.aftermath.user_id
    name = stage.distributors[user_id]["name"]
    back = [line for line in books.lines[user_id] if line["order_id"] == order.order_id and line["kind"] == "clawback"]
    taken = sum(line["amount_minor"] for line in back)
    left = books.balances[user_id]["available_minor"]
    yield f"A refund after the payout: {name}"
    yield f"  {_when(told['requested_at'], zone)}  asks for {money(told['amount_minor'])}: all there is"
    yield f"  {_when(told['paid_at'], zone)}  is paid"
    paid = datetime.fromisoformat(order.body["paid_at"])
    yield f"  {_when(journey.aftermath.at, zone)}  order {order.order_id} of {paid:%-d %B} comes back: {money(-taken)}"
    debt = f"{money(left)}: no withdrawal until later earnings fill it" if left < 0 else money(left)
    yield f"  {_when(journey.ends, zone)}  available {debt}"


def _is_last(told: Json, journey: Journey, stage: Stage) -> bool:
    ask = stage.withdrawals[told["withdrawal_id"]]
    return ask.user_id == journey.aftermath.user_id and ask.told_at == journey.stops[-1].at


def _telling(told: Json) -> tuple[bool, bool, int]:
    """Best is one that ended well, with an answer that was lost on the way, reviewed by an operator."""
    statuses = [step["status"] for step in told["history"]]
    return told["status"] == "paid" and "unknown" in statuses, told["status"] == "paid", _reviewed(told)


def _reviewed(told: Json) -> int:
    return sum(step["actor"] not in ACTORS for step in told["history"])


def _references(told: Json) -> str:
    return ", ".join(attempt["reference"] for attempt in told["attempts"])


def _when(at: str, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(at).astimezone(zone):%e %b %H:%M}"
