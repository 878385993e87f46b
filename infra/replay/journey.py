"""`mapping.json` applied to the raw baskets: everything that the replay tells the platform, in the order of time."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from infra.replay.raw import Basket, Line, Redemption, basket_counts, baskets_of, redemptions_of

Json = dict[str, Any]
Item = TypeVar("Item")
MAPPING = Path(__file__).with_name("mapping.json")


@dataclass(frozen=True)
class Distributor:
    """A household that shares and earns."""

    user_id: str
    name: str
    track: str
    sponsor: str | None
    pending: bool
    suspended_at: str | None


@dataclass(frozen=True)
class Fact:
    """A completion, cancellation or refund: the route's last word and its body."""

    route: str
    body: Json
    early: bool = False


@dataclass(frozen=True)
class Order:
    """An order's body; `code_of` is the distributor whose code goes into it, for codes are the platform's making."""

    body: Json
    code_of: str | None
    facts: tuple[Fact, ...]
    taken_back: bool  # in the end nothing of it is left
    explained: bool  # its explanation is read at the end

    @property
    def order_id(self) -> str:
        """The platform's and the data's name for it, `b-<basket_id>`."""
        return str(self.body["order_id"])


@dataclass(frozen=True)
class Journey:
    """All that is told, with the distributors by sponsor first and the orders by payment."""

    starts: str
    ends: str
    distributors: tuple[Distributor, ...]
    bindings: tuple[tuple[str, str, str], ...]  # customer, distributor's user id, when
    coupons: dict[str, str]  # code, distributor's user id
    products: tuple[tuple[str, Json], ...]  # sku, rule
    plans: tuple[Json, ...]
    clicks: tuple[tuple[str, str, str], ...]  # visitor, distributor's user id, when
    orders: tuple[Order, ...]
    left_out: dict[str, int]

    def digest(self) -> str:
        """A fingerprint of all of it: the same mapping and data always give the same."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return sha256(text.encode()).hexdigest()


def load_mapping() -> Json:
    """`mapping.json`, which explains itself."""
    mapping: Json = json.loads(MAPPING.read_text(encoding="utf-8"))
    return mapping


def plan_journey(baskets: int, mapping: Json | None = None) -> Journey:
    """The journey of about this many baskets, from the raw data."""
    return _Mapper(mapping or load_mapping(), baskets).journey()


class _Mapper:
    """Holds what the sections of the mapping share: the draw, the cast and the clock."""

    def __init__(self, mapping: Json, baskets: int) -> None:
        self.mapping = mapping
        self.zone = ZoneInfo(mapping["program"]["timezone"])
        self.starts = self._midnight(mapping["clock"]["starts"])
        counts, full = basket_counts(), mapping["households"]["baskets"]
        self.households = self._taken("household", counts, max(baskets, full))
        chosen = {household: counts[household] for household in self.households}
        self.buyers = set(self._taken("handful", chosen, baskets) if baskets < full else chosen)
        every = mapping["distributors"]["every"]
        self.cast = [_user(household) for household in self.households[::every]]
        self.distributors = [self._distributor(number) for number in range(len(self.cast))]
        self.kinds = self._kinds(every)

    # The draw

    def _draw(self, what: str, about: object) -> int:
        text = f"{self.mapping['draw']['salt']}:{what}:{about}"
        return int(sha256(text.encode()).hexdigest()[:8], 16)

    def _yes(self, what: str, about: object, share_bp: int) -> bool:
        return self._draw(what, about) % 10000 < share_bp

    def _one(self, what: str, about: object, choices: Sequence[Item]) -> Item:
        return choices[self._draw(what, about) % len(choices)]

    # The cast

    def _taken(self, what: str, counts: dict[int, int], wanted: int) -> list[int]:
        """Households in the order of this draw, until they have so many baskets."""
        taken: list[int] = []
        reached = 0
        for household in sorted(counts, key=lambda each: (self._draw(what, each), each)):
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
        suspended = role.get("suspended_on")
        return Distributor(
            user_id=self.cast[number],
            name=section["names"][number % len(section["names"])],
            track=role["track"],
            sponsor=sponsor,
            pending=role.get("pending", False),
            suspended_at=self._midnight(suspended).isoformat() if suspended else None,
        )

    def _kinds(self, every: int) -> dict[str, Json]:
        customers = [household for number, household in enumerate(self.households) if number % every]
        kinds = self.mapping["customers"]["kinds"]
        return {_user(household): kinds[n % len(kinds)] for n, household in enumerate(customers)}

    def _approved(self) -> list[str]:
        return [each.user_id for each in self.distributors if not each.pending]

    # The journey

    def journey(self) -> Journey:
        """Maps the sections one by one."""
        baskets, left_out = self._baskets()
        redemptions = redemptions_of(self.households)
        coupons, homeless = _coupons_on_baskets(redemptions, baskets)
        chosen = [basket for basket in baskets if basket.household_id in self.buyers]
        return Journey(
            starts=self.starts.isoformat(),
            ends=self._midnight(self.mapping["clock"]["ends"]).isoformat(),
            distributors=tuple(self.distributors),
            bindings=tuple(self._bindings()),
            coupons={f"C{each.coupon_upc}": self._coupon_owner(each.coupon_upc) for each in redemptions},
            products=tuple(self._products()),
            plans=tuple(
                {"plan": each["plan"], "effective_at": self._midnight(each["from"]).isoformat()}
                for each in self.mapping["plans"]
            ),
            clicks=tuple(self._clicks(chosen)),
            orders=tuple(self._order(basket, coupons.get(basket.basket_id, [])) for basket in chosen),
            left_out={"baskets with too many lines": left_out, "coupons without a basket": homeless},
        )

    def _baskets(self) -> tuple[list[Basket], int]:
        lines_max = self.mapping["orders"]["lines_max"]
        everything = baskets_of(self.households)
        fitting = [basket for basket in everything if len(basket.lines) <= lines_max]
        return fitting, len(everything) - len(fitting)

    def _bindings(self) -> Iterator[tuple[str, str, str]]:
        at = self.starts + timedelta(minutes=self.mapping["customers"]["bound_after_minutes"])
        for customer, kind in self.kinds.items():
            if kind["bound"]:
                owner = self._one("whose", customer.removeprefix("hh-"), self._approved())
                yield customer, owner, at.isoformat()

    def _coupon_owner(self, coupon_upc: int) -> str:
        return self._one("coupon", coupon_upc, self._approved())

    def _products(self) -> Iterator[tuple[str, Json]]:
        for rule in self.mapping["products"]["rules"]:
            body = {key: rule[key] for key in ("mode", "rate_bp", "fixed_minor", "eligible", "tracks")}
            yield rule["sku"], {**body, "effective_at": self._midnight(rule["from"]).isoformat()}

    def _clicks(self, baskets: list[Basket]) -> Iterator[tuple[str, str, str]]:
        links = [each.user_id for each in self.distributors if not each.pending and not each.suspended_at]
        for basket in baskets:
            kind = self.kinds.get(_user(basket.household_id))
            if not kind or not self._yes("click", basket.basket_id, kind["click_bp"]):
                continue
            days = self._draw("click-age", basket.basket_id) % self.mapping["customers"]["click_age_days"]
            at = self._instant(basket.at) - timedelta(hours=24 * days + 1)
            if at >= self.starts:
                whose = self._one("click-of", basket.basket_id, links)
                yield f"v-{basket.household_id}", whose, _local(at, self.zone)

    # One order

    def _order(self, basket: Basket, coupons: list[str]) -> Order:
        paid_at = self._instant(basket.at)
        kind = self.kinds.get(_user(basket.household_id), {"code_bp": 0, "click_bp": 0})
        code, code_of = self._referral_code(basket, kind["code_bp"])
        facts = tuple(self._facts(basket, paid_at))
        body: Json = {
            "order_id": f"b-{basket.basket_id}",
            "customer_id": _user(basket.household_id),
            "currency": self.mapping["program"]["currency"],
            "placed_at": paid_at.isoformat(),
            "paid_at": paid_at.isoformat(),
            "completed_at": self._completed_at(basket, paid_at) if self._at_once(basket) else None,
            "lines": [_order_line(number, line) for number, line in enumerate(basket.lines, 1)],
            "referral_code": code,
            "coupon_codes": coupons,
            "visitor_id": f"v-{basket.household_id}" if kind["click_bp"] else None,
            "channel": f"store-{basket.store_id}",
        }
        taken_back = _taken_back(basket, facts)
        explained = self._yes("explain", basket.basket_id, self.mapping["explanations"]["share_bp"])
        return Order(body, code_of, facts, taken_back, explained or taken_back)

    def _referral_code(self, basket: Basket, share_bp: int) -> tuple[str | None, str | None]:
        customers = self.mapping["customers"]
        if not self._yes("code", basket.basket_id, share_bp):
            return None, None
        if self._yes("wrong-code", basket.basket_id, customers["wrong_code_bp"]):
            return customers["wrong_code"], None
        return None, self._one("code-of", basket.basket_id, self.cast)

    def _facts(self, basket: Basket, paid_at: datetime) -> Iterator[Fact]:
        early = self._is_early(basket)
        if self._cancelled(basket):
            at = paid_at + timedelta(days=self.mapping["cancellations"]["after_days"])
            yield Fact("cancel", {"cancelled_at": _local(at, self.zone)}, early)
            return
        completed_at = self._completed_at(basket, paid_at)
        if completed_at and not self._at_once(basket):
            yield Fact("complete", {"completed_at": completed_at})
        for body in self._refunds(basket, paid_at):
            yield Fact("refunds", body, early)

    def _cancelled(self, basket: Basket) -> bool:
        return self._yes("cancel", basket.basket_id, self.mapping["cancellations"]["share_bp"])

    def _at_once(self, basket: Basket) -> bool:
        return self._yes("told-at-once", basket.basket_id, self.mapping["completions"]["at_once_bp"])

    def _completed_at(self, basket: Basket, paid_at: datetime) -> str | None:
        section, number = self.mapping["completions"], basket.basket_id
        if self._cancelled(basket) or not self._yes("complete", number, section["share_bp"]):
            return None
        days = 1 + self._draw("complete-after", number) % section["days_max"]
        return _local(paid_at + timedelta(days=days), self.zone)

    def _is_early(self, basket: Basket) -> bool:
        buyer = _user(basket.household_id)
        itself = buyer in self._approved()
        return itself and self._yes("early", basket.basket_id, self.mapping["early"]["share_bp"])

    def _refunds(self, basket: Basket, paid_at: datetime) -> Iterator[Json]:
        section, number = self.mapping["refunds"], basket.basket_id
        if not self._yes("refund", number, section["share_bp"]) or not any(map(_paid, basket.lines)):
            return
        kind: str = self._one("refund-kind", number, section["kinds"])
        first = paid_at + timedelta(days=1 + self._draw("refund-after", number) % section["days_max"])
        part_bp = self._draw("refund-part", number) % 10001
        for count, lines in enumerate(REFUNDS[kind](basket.lines, part_bp)):
            at = _local(first + timedelta(days=count), self.zone)
            yield {"refund_id": f"r-{count + 1}", "refunded_at": at, "lines": lines}

    # Time

    def _midnight(self, day: str) -> datetime:
        return datetime.combine(date.fromisoformat(day), time(), self.zone)

    def _instant(self, at: datetime) -> datetime:
        """The stamp with its offset fixed, so that days added to it have 24 hours."""
        zoned = at.replace(tzinfo=self.zone)
        offset = zoned.utcoffset()
        return datetime.fromisoformat(f"{at.isoformat()}{_offset(offset or timedelta())}")


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


def _several(lines: tuple[Line, ...], part_bp: int) -> list[list[Json]]:
    return [_part(lines, 2000)] * 3


def _full(lines: tuple[Line, ...], part_bp: int) -> list[list[Json]]:
    return [_part(lines, 10000)]


def _over(lines: tuple[Line, ...], part_bp: int) -> list[list[Json]]:
    index = _dearest(lines)
    return [[_refund_line(index + 1, lines[index].quantity, _paid(lines[index]) + 100)]]


REFUNDS: dict[str, Callable[[tuple[Line, ...], int], list[list[Json]]]] = {
    "partial": _partial,
    "several": _several,
    "full": _full,
    "over": _over,
}


def _taken_back(basket: Basket, facts: tuple[Fact, ...]) -> bool:
    back: dict[str, int] = defaultdict(int)
    for fact in facts:
        if fact.route == "cancel":
            return True
        for line in fact.body.get("lines", []):
            back[line["line_id"]] += line["amount_minor"]
    left = sum(max(0, _paid(line) - back[str(number)]) for number, line in enumerate(basket.lines, 1))
    return bool(back) and left == 0


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat()


def _offset(offset: timedelta) -> str:
    sign = "-" if offset < timedelta() else "+"
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}"
