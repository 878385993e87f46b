"""`mapping.json` applied to the raw baskets: everything that the replay tells the platform, in the order of time."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

from infra.replay.draw import Draw
from infra.replay.payday import Aftermath, Payday, PayoutMethod
from infra.replay.raw import Basket, Line, Redemption, basket_counts, baskets_of, redemptions_of
from infra.replay.stops import Ask, Click, Fact, Json, Order, Rhythm, Standing, Stop, stops_of

MAPPING = Path(__file__).with_name("mapping.json")


@dataclass(frozen=True)
class Distributor:
    """A household that shares and earns."""

    user_id: str
    name: str
    track: str
    sponsor: str | None
    pending: bool


@dataclass(frozen=True)
class Journey:
    """All that is told, with the distributors by sponsor first and the orders by payment."""

    starts: str
    horizon: str  # the day from which on orders are left out
    ends: str
    distributors: tuple[Distributor, ...]
    bindings: tuple[tuple[str, str, str], ...]  # customer, distributor's user id, when
    coupons: dict[str, str]  # code, distributor's user id
    products: tuple[tuple[str, Json], ...]  # sku, rule
    plans: tuple[Json, ...]
    methods: tuple[PayoutMethod, ...]
    orders: tuple[Order, ...]
    stops: tuple[Stop, ...]
    bank_hours: int  # how long after the release the bank takes to answer, at least
    aftermath: Aftermath
    left_out: dict[str, int]

    def digest(self) -> str:
        """A fingerprint of all of it: the same mapping and data always give the same."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return sha256(text.encode()).hexdigest()


def load_mapping() -> Json:
    """`mapping.json`, which explains itself."""
    mapping: Json = json.loads(MAPPING.read_text(encoding="utf-8"))
    return mapping


def plan_journey(baskets: int, months: int | None = None, mapping: Json | None = None) -> Journey:
    """The journey of about this many baskets a year, from the raw data; over so many months, or as the mapping says."""
    return _Mapper(mapping or load_mapping(), baskets, months).journey()


class _Mapper:
    """Holds what the sections of the mapping share: the draw, the cast and the clock."""

    def __init__(self, mapping: Json, baskets: int, months: int | None) -> None:
        self.mapping = mapping
        self.draw = Draw(mapping["draw"]["salt"])
        self.rhythm = Rhythm(mapping["clock"], ZoneInfo(mapping["program"]["timezone"]), months)
        counts, full = basket_counts(), mapping["households"]["baskets"]
        self.households = self._taken("household", counts, max(baskets, full))
        chosen = {household: counts[household] for household in self.households}
        self.buyers = set(self._taken("handful", chosen, baskets) if baskets < full else chosen)
        every = mapping["distributors"]["every"]
        self.cast = [_user(household) for household in self.households[::every]]
        self.distributors = [self._distributor(number) for number in range(len(self.cast))]
        self.kinds = self._kinds(every)
        self.payday = Payday(mapping, self.draw, self.rhythm, self.cast)

    # The cast

    def _taken(self, what: str, counts: dict[int, int], wanted: int) -> list[int]:
        """Households in the order of this draw, until they have so many baskets."""
        taken: list[int] = []
        reached = 0
        for household in sorted(counts, key=lambda each: (self.draw.number(what, each), each)):
            if reached >= wanted:
                break
            taken.append(household)
            reached += counts[household]
        return taken

    def _distributor(self, number: int) -> Distributor:
        section = self.mapping["distributors"]
        family, member = divmod(number, len(section["family"]))
        role = section["family"][member]
        root = family * len(section["family"])
        sponsor = None if role["sponsor"] is None else self.cast[root + role["sponsor"]]
        return Distributor(
            user_id=self.cast[number],
            name=section["names"][number % len(section["names"])],
            track=role["track"],
            sponsor=sponsor,
            pending=role.get("pending", False),
        )

    def _kinds(self, every: int) -> dict[str, Json]:
        customers = [household for number, household in enumerate(self.households) if number % every]
        kinds = self.mapping["customers"]["kinds"]
        return {_user(household): kinds[n % len(kinds)] for n, household in enumerate(customers)}

    def _approved(self) -> list[str]:
        return [each.user_id for each in self.distributors if not each.pending]

    def _role(self, number: int) -> Json:
        family: list[Json] = self.mapping["distributors"]["family"]
        return family[number % len(family)]

    def _fans(self) -> list[str]:
        """Everybody approved, as often as the mapping gives it fans."""
        numbers = [number for number, each in enumerate(self.distributors) if not each.pending]
        return [self.cast[number] for number in numbers for _ in range(self._role(number)["fans"])]

    def _standings(self) -> Iterator[Standing]:
        for number, user_id in enumerate(self.cast):
            role = self._role(number)
            for route, day in (("suspend", role.get("suspended_on")), ("reinstate", role.get("reinstated_on"))):
                if day and (told_at := self._told_on(day)):
                    yield Standing(user_id, route, {"reason": role["suspended_for"]}, told_at)
        for grant in self.mapping["grants"]["given"]:
            told_at = self._told_on(grant["on"])
            if told_at:
                body = {"rank": grant["rank"], "reason": grant["reason"]}
                yield Standing(self.cast[grant["distributor"]], "level", body, told_at)

    # The journey

    def journey(self) -> Journey:
        """Maps the sections one by one."""
        baskets, left_out = self._baskets()
        redemptions = redemptions_of(self.households)
        coupons, homeless = _coupons_on_baskets(redemptions, baskets)
        chosen = [basket for basket in baskets if self._takes_part(basket)]
        orders = [self._order(basket, coupons.get(basket.basket_id, [])) for basket in chosen]
        return Journey(
            starts=self.rhythm.starts.isoformat(),
            horizon=self.rhythm.horizon.isoformat(),
            ends=self._ends().isoformat(),
            distributors=tuple(self.distributors),
            bindings=tuple(self._bindings()),
            coupons={f"C{each.coupon_upc}": self._coupon_owner(each.coupon_upc) for each in redemptions},
            products=tuple(self._products()),
            plans=tuple(
                {"plan": each["plan"], "effective_at": self._midnight(each["from"]).isoformat()}
                for each in self.mapping["plans"]
            ),
            methods=tuple(self.payday.methods(self._names())),
            orders=tuple(orders),
            stops=tuple(self._stops(chosen, orders)),
            bank_hours=self.mapping["payouts"]["answered_after_hours"],
            aftermath=self.payday.aftermath(),
            left_out={"baskets with too many lines": left_out, "coupons without a basket": homeless},
        )

    def _stops(self, chosen: list[Basket], orders: list[Order]) -> Iterator[Stop]:
        standings = list(self._standings())
        wanted = (ask for user_id in self._approved() for ask in self.payday.asks(user_id))
        asks = [ask for ask in wanted if not _is_suspended(standings, ask)]
        return stops_of(self.rhythm, standings, asks, list(self._clicks(chosen)), orders)

    def _names(self) -> dict[str, str]:
        return {each.user_id: each.name for each in self.distributors if not each.pending}

    def _takes_part(self, basket: Basket) -> bool:
        return basket.household_id in self.buyers and basket.at.date() < self.rhythm.horizon

    def _ends(self) -> datetime:
        """When the clock stands at last: a little after the close of the aftermath's day."""
        over = datetime.fromisoformat(self.payday.aftermath().at).date() + timedelta(days=1)
        plan = self.rhythm.in_force(self.mapping["plans"], self.rhythm.midnight(over) - timedelta(seconds=1))
        after_close = timedelta(minutes=self.mapping["clock"]["ends_after_close_minutes"])
        ends = self.rhythm.midnight(over) + timedelta(hours=plan["close_hours"]) + after_close
        return datetime.fromisoformat(self.rhythm.local(ends))

    def _baskets(self) -> tuple[list[Basket], int]:
        lines_max = self.mapping["orders"]["lines_max"]
        everything = baskets_of(self.households, self.mapping["orders"]["minor_per_cent"])
        fitting = [basket for basket in everything if len(basket.lines) <= lines_max]
        return fitting, len(everything) - len(fitting)

    def _bindings(self) -> Iterator[tuple[str, str, str]]:
        at = self.rhythm.starts + timedelta(minutes=self.mapping["customers"]["bound_after_minutes"])
        for customer, kind in self.kinds.items():
            if kind["bound"]:
                owner = self.draw.one("whose", customer.removeprefix("hh-"), self._fans())
                yield customer, owner, at.isoformat()

    def _coupon_owner(self, coupon_upc: int) -> str:
        return self.draw.one("coupon", coupon_upc, self._approved())

    def _products(self) -> Iterator[tuple[str, Json]]:
        for rule in self.mapping["products"]["rules"]:
            body = {key: rule[key] for key in ("mode", "rate_bp", "fixed_minor", "eligible", "tracks")}
            yield rule["sku"], {**body, "effective_at": self._midnight(rule["from"]).isoformat()}

    def _clicks(self, baskets: list[Basket]) -> Iterator[Click]:
        steady = [number for number in range(len(self.cast)) if not self._role(number).get("suspended_on")]
        links = [self.cast[number] for number in steady if not self.distributors[number].pending]
        for basket in baskets:
            kind = self.kinds.get(_user(basket.household_id))
            if not kind or not self.draw.yes("click", basket.basket_id, kind["click_bp"]):
                continue
            days = self.draw.number("click-age", basket.basket_id) % self.mapping["customers"]["click_age_days"]
            at = self.rhythm.instant(basket.at) - timedelta(hours=24 * days + 1)
            if at >= self.rhythm.starts:
                whose = self.draw.one("click-of", basket.basket_id, links)
                yield Click(f"v-{basket.household_id}", whose, self.rhythm.local(at), self._told_at(at) or "")

    # One order

    def _order(self, basket: Basket, coupons: list[str]) -> Order:
        paid_at = self.rhythm.instant(basket.at)
        told_at = self._told_at(paid_at) or ""
        kind = self.kinds.get(_user(basket.household_id), {"code_bp": 0, "click_bp": 0})
        code, code_of = self._referral_code(basket, kind["code_bp"])
        facts = list(self._facts(basket, paid_at))
        at_once = [fact for fact in facts if self._says_itself(basket, fact, told_at)]
        body: Json = {
            "order_id": f"b-{basket.basket_id}",
            "customer_id": _user(basket.household_id),
            "currency": self.mapping["program"]["currency"],
            "placed_at": paid_at.isoformat(),
            "paid_at": paid_at.isoformat(),
            "completed_at": at_once[0].body["completed_at"] if at_once else None,
            "lines": [_order_line(number, line) for number, line in enumerate(basket.lines, 1)],
            "referral_code": code,
            "coupon_codes": coupons,
            "visitor_id": f"v-{basket.household_id}" if kind["click_bp"] else None,
            "channel": f"store-{basket.store_id}",
        }
        told = tuple(fact for fact in facts if fact not in at_once)
        taken_back = _taken_back(basket, told)
        explained = self.draw.yes("explain", basket.basket_id, self.mapping["explanations"]["share_bp"])
        return Order(body, code_of, told_at, told, taken_back, explained or taken_back)

    def _referral_code(self, basket: Basket, share_bp: int) -> tuple[str | None, str | None]:
        customers = self.mapping["customers"]
        if not self.draw.yes("code", basket.basket_id, share_bp):
            return None, None
        if self.draw.yes("wrong-code", basket.basket_id, customers["wrong_code_bp"]):
            return customers["wrong_code"], None
        return None, self.draw.one("code-of", basket.basket_id, self.cast)

    def _facts(self, basket: Basket, paid_at: datetime) -> Iterator[Fact]:
        """What happens to an order until the last stop, each at the stop at which it is told."""
        early = self._told_at(paid_at) if self._is_early(basket) else None
        for route, at, body in self._happenings(basket, paid_at):
            told_at = self._told_at(at)
            if told_at:
                yield Fact(route, body, told_at, early=told_at == early and route != "complete")

    def _happenings(self, basket: Basket, paid_at: datetime) -> Iterator[tuple[str, datetime, Json]]:
        number, completions = basket.basket_id, self.mapping["completions"]
        if self.draw.yes("cancel", number, self.mapping["cancellations"]["share_bp"]):
            at = paid_at + timedelta(days=self.mapping["cancellations"]["after_days"])
            yield "cancel", at, {"cancelled_at": self.rhythm.local(at)}
            return
        if self.draw.yes("complete", number, completions["share_bp"]):
            at = paid_at + timedelta(days=1 + self.draw.number("complete-after", number) % completions["days_max"])
            yield "complete", at, {"completed_at": self.rhythm.local(at)}
        for at, body in self._refunds(basket, paid_at):
            yield "refunds", at, body

    def _says_itself(self, basket: Basket, fact: Fact, told_at: str) -> bool:
        """Half of the orders that are completed when they are told say so."""
        at_once_bp = self.mapping["completions"]["at_once_bp"]
        completed = fact.route == "complete" and fact.told_at == told_at
        return completed and self.draw.yes("told-at-once", basket.basket_id, at_once_bp)

    def _is_early(self, basket: Basket) -> bool:
        buyer = _user(basket.household_id)
        itself = buyer in self._approved()
        return itself and self.draw.yes("early", basket.basket_id, self.mapping["early"]["share_bp"])

    def _refunds(self, basket: Basket, paid_at: datetime) -> Iterator[tuple[datetime, Json]]:
        section, number = self.mapping["refunds"], basket.basket_id
        if not self.draw.yes("refund", number, section["share_bp"]) or not any(map(_paid, basket.lines)):
            return
        kind: str = self.draw.one("refund-kind", number, section["kinds"])
        first = paid_at + timedelta(days=1 + self.draw.number("refund-after", number) % section["days_max"])
        amount = section["over_minor"] if kind == "over" else self.draw.number("refund-part", number) % 10001
        for count, lines in enumerate(REFUNDS[kind](basket.lines, amount)):
            at = first + timedelta(days=count)
            yield at, {"refund_id": f"r-{count + 1}", "refunded_at": self.rhythm.local(at), "lines": lines}

    # Time

    def _midnight(self, day: str) -> datetime:
        return self.rhythm.midnight(date.fromisoformat(day))

    def _told_at(self, at: datetime) -> str | None:
        stop = self.rhythm.told_at(at)
        return stop.isoformat() if stop else None

    def _told_on(self, day: str) -> str | None:
        return self._told_at(self._midnight(day))


def _is_suspended(standings: list[Standing], ask: Ask) -> bool:
    """Whether whoever asks is suspended when it would."""
    at = datetime.fromisoformat(ask.told_at)
    mine = [each for each in standings if each.user_id == ask.user_id and datetime.fromisoformat(each.told_at) <= at]
    counts = Counter(each.route for each in mine)
    return counts["suspend"] > counts["reinstate"]


def _user(household_id: int) -> str:
    return f"hh-{household_id}"


def _paid(line: Line) -> int:
    return max(0, line.sales_minor - line.coupon_minor)


def _order_line(number: int, line: Line) -> Json:
    return {
        "line_id": str(number),
        "sku": str(line.product_id),
        "quantity": line.quantity,
        "paid_minor": _paid(line),
        "list_minor": line.list_minor,
        "category": line.department,
    }


def _coupons_on_baskets(redemptions: list[Redemption], baskets: list[Basket]) -> tuple[dict[int, list[str]], int]:
    """Coupon codes by basket, and how many redemptions found none."""
    first: dict[tuple[int, date], int] = {}
    for basket in baskets:
        if any(line.coupon_minor > 0 for line in basket.lines):
            first.setdefault((basket.household_id, basket.at.date()), basket.basket_id)
    found: dict[int, list[str]] = defaultdict(list)
    for each in redemptions:
        home = first.get((each.household_id, each.day))
        if home is not None:
            found[home].append(f"c{each.coupon_upc}")
    return found, len(redemptions) - sum(map(len, found.values()))


def _refund_line(number: int, quantity: int, amount_minor: int) -> Json:
    return {"line_id": str(number), "quantity": quantity, "amount_minor": amount_minor}


def _part(lines: tuple[Line, ...], part_bp: int) -> list[Json]:
    return [
        _refund_line(number, line.quantity * part_bp // 10000, _paid(line) * part_bp // 10000)
        for number, line in enumerate(lines, 1)
    ]


def _dearest(lines: tuple[Line, ...]) -> int:
    return max(range(len(lines)), key=lambda index: (_paid(lines[index]), -index))


def _partial(lines: tuple[Line, ...], part_bp: int) -> list[list[Json]]:
    return [[_part(lines, part_bp)[_dearest(lines)]]]


def _several(lines: tuple[Line, ...], _: int) -> list[list[Json]]:
    return [_part(lines, 2000)] * 3


def _full(lines: tuple[Line, ...], _: int) -> list[list[Json]]:
    return [_part(lines, 10000)]


def _over(lines: tuple[Line, ...], more: int) -> list[list[Json]]:
    index = _dearest(lines)
    return [[_refund_line(index + 1, lines[index].quantity, _paid(lines[index]) + more)]]


REFUNDS: dict[str, Callable[[tuple[Line, ...], int], list[list[Json]]]] = {
    "partial": _partial,
    "several": _several,
    "full": _full,
    "over": _over,
}
"""Each takes what the mapping draws or says for it: a part in basis points, or an amount."""


def _taken_back(basket: Basket, facts: tuple[Fact, ...]) -> bool:
    back: dict[str, int] = defaultdict(int)
    for fact in facts:
        if fact.route == "cancel":
            return True
        for line in fact.body.get("lines", []):
            back[line["line_id"]] += line["amount_minor"]
    left = sum(max(0, _paid(line) - back[str(number)]) for number, line in enumerate(basket.lines, 1))
    return bool(back) and left == 0
