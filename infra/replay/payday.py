"""The mapping's `payouts` and `aftermath`: how distributors are paid, who asks for money when, and what comes after."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from infra.replay.draw import Draw
from infra.replay.stops import Ask, Json, Rhythm


@dataclass(frozen=True)
class PayoutMethod:
    """A way to pay a distributor."""

    user_id: str
    channel: str
    account: Json


@dataclass(frozen=True)
class Aftermath:
    """All that was available to a distributor is paid out; then, at `at`, an order that it sold long ago comes back.

    Long ago is before `sold_before`.
    """

    user_id: str
    at: str
    sold_before: str
    refund_id: str


class Payday:
    """Holds what the two sections share: the cast by number, the draw and the calendar."""

    def __init__(self, mapping: Json, draw: Draw, rhythm: Rhythm, cast: list[str]) -> None:
        self._mapping = mapping
        self._section: Json = mapping["payouts"]
        self._draw = draw
        self._rhythm = rhythm
        self._cast = cast
        self._last = rhythm.stops[-1].isoformat()
        self._goes = cast[mapping["aftermath"]["distributor"]]

    def methods(self, names: dict[str, str]) -> Iterator[PayoutMethod]:
        """Two for each of these users, who are given with the names in which they have their bank accounts."""
        section, behaviours = self._section, self._section["behaviours"]
        for user_id, name in names.items():
            digits: int = section["digits_drawn"]
            drawn = str(10**digits + self._draw.number("account", user_id))[-digits:]
            number = f"{section['account_prefix']}{drawn}"
            account = {"holder_name": name, "account_number": number, "bank_name": section["bank_name"]}
            yield PayoutMethod(user_id, "bank", account)
            behaviour = behaviours[self._cast.index(user_id) % len(behaviours)]
            yield PayoutMethod(user_id, "pretend", {"behaviour": behaviour})

    def asks(self, user_id: str) -> Iterator[Ask]:
        """What a distributor wants at the stops but the first, whether it may or not."""
        for stop in self._rhythm.stops[1:]:
            at, who = stop.isoformat(), f"{user_id}:{stop.date()}"
            everything = at == self._last and user_id == self._goes
            if everything or self._draw.yes("withdraw", who, self._section["asks_bp"]):
                yield self._ask(user_id, who, stop, everything)

    def _ask(self, user_id: str, who: str, stop: datetime, everything: bool) -> Ask:
        section, draw = self._section, self._draw
        return Ask(
            user_id=user_id,
            day=stop.date().isoformat(),
            part_bp=10000 if everything else draw.one("withdraw-part", who, section["parts_bp"]),
            channel="pretend" if everything else draw.one("withdraw-by", who, section["channels"]),
            min_minor=self._terms(stop)["min_minor"],
            rejected=not everything and draw.yes("withdraw-reject", who, section["rejected_bp"]),
            bank_says=draw.one("bank-result", who, section["results"]),
            told_at=stop.isoformat(),
        )

    def aftermath(self) -> Aftermath:
        """The first noon, or whatever hour, after what is asked for at the last stop is released."""
        section, last = self._mapping["aftermath"], self._rhythm.stops[-1]
        released = self._rhythm.release_after(last, self._terms(last)["release"])
        hour = time.fromisoformat(section["at"])
        at = self._rhythm.instant(datetime.combine(released.date(), hour))
        if at <= released:
            at = self._rhythm.instant(datetime.combine(released.date() + timedelta(days=1), hour))
        sold_before = self._rhythm.midnight(self._rhythm.horizon) - timedelta(days=section["days_before"])
        return Aftermath(self._goes, at.isoformat(), self._rhythm.local(sold_before), section["refund_id"])

    def _terms(self, at: datetime) -> Json:
        """What the plan in force says of withdrawals."""
        terms: Json = self._rhythm.in_force(self._mapping["plans"], at)["withdrawal"]
        return terms
