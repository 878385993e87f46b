"""Products' rules and coupons' owners: as of any instant for those who judge orders, from now on for operators."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from chalicelib.access import service as access
from chalicelib.access.model import Caller
from chalicelib.catalog import rules
from chalicelib.catalog.model import Coupon, Product, ProductRule, RuleMode
from chalicelib.catalog.tables import CouponItem, ListedItem, ProductItem
from chalicelib.distributors import service as distributors
from chalicelib.programs import service as programs
from chalicelib.programs.model import Program
from chalicelib.shared import clock, ids
from chalicelib.shared.errors import Code, FieldError, Invalid, NotFound, pointer
from chalicelib.shared.tables import Key, Put, Refused, changed_meanwhile, page, transact
from chalicelib.shared.value import Value

_COUPON: Final = re.compile(ids.EXTERNAL_ID)


class Terms(Value):
    """What an operator tells of a product; `effective_at` None: at once."""

    mode: RuleMode
    rate_bp: int
    fixed_minor: int
    eligible: bool
    tracks: tuple[str, ...] | None
    effective_at: datetime | None


def rules_at(program_id: str, skus: Iterable[str], at: datetime) -> dict[str, ProductRule]:
    """The rules in force at an instant, of those of these skus that have one."""
    products = _products(program_id, skus)
    found = ((sku, rules.in_force(product.versions, at)) for sku, product in products.items())
    return {sku: rule for sku, rule in found if rule is not None}


def foresee(program_id: str, skus: Iterable[str]) -> None:
    """Within `tables.reading_once`: read with few calls what `rules_at` will be asked order by order."""
    _products(program_id, skus)


def coupon_owner_at(program_id: str, code: str, at: datetime) -> str | None:
    """The distributor a coupon belonged to at an instant; None: nobody's, or no coupon."""
    if not _COUPON.fullmatch(code):
        return None
    item = _coupon(program_id, code)
    return rules.owner_at(item.history(), at) if item else None


def set_rule(caller: Caller, program: Program, sku: str, terms: Terms) -> tuple[ProductRule, bool]:
    """Tell a sku's rule from `effective_at` on; True: it had none. The same again changes nothing.

    Raises Invalid `unknown_track`, `effective_in_the_past`, Conflict `too_many_changes`, `changed_meanwhile`.
    """
    item = _product(program.program_id, sku) or ProductItem(program.program_id, _product_key(sku))
    before, now = item.product(), program.now()
    current = rules.in_force(before.versions, now)
    since = terms.effective_at or (current and _repeated(sku, terms, current)) or now
    rule = _rule(sku, terms, since)
    versions = rules.add(before.versions, rule, now)
    if versions != before.versions:
        _refuse_unknown_tracks(program, rule)
        item.keep(versions)
        detail: dict[str, object] = item.versions[-1]
        row = access.audit_row(caller, now, "product.set", sku, detail=detail)
        _write(Put(item, item.next_revision()), Put(row), *([] if before.versions else [_listed(program, sku)]))
    return rule, rules.shown(before.versions, now) is None


def product(program: Program, sku: str) -> tuple[ProductRule, Product]:
    """The rule that stands for a sku, and all its versions. Raises NotFound for one without a rule now and later."""
    item = _product(program.program_id, sku)
    rule = rules.shown(item.product().versions, program.now()) if item else None
    if item is None or rule is None:
        raise _no_product(sku)
    return rule, item.product()


def list_products(program: Program, limit: int, place: Key | None) -> tuple[list[ProductRule], Key | None]:
    """The rules of the products, those that came last first, and where the list goes on. A page may be short."""
    found = ListedItem.query(f"{program.program_id}#products", scan_index_forward=False, last_evaluated_key=place)
    listed, further = page(found, limit)
    skus = [item.sk.partition("#")[2] for item in listed]
    products = _products(program.program_id, skus)
    shown = (rules.shown(products[sku].versions, program.now()) for sku in skus)
    return [rule for rule in shown if rule is not None], further


def end_rule(caller: Caller, program: Program, sku: str) -> None:
    """Give a sku the level's rate from now on. Raises NotFound, Conflict `too_many_changes`, `changed_meanwhile`."""
    item, now = _product(program.program_id, sku), program.now()
    if item is None or rules.shown(item.product().versions, now) is None:
        raise _no_product(sku)
    item.keep(rules.end(item.product().versions, now))
    _write(Put(item, item.next_revision()), Put(access.audit_row(caller, now, "product.end", sku)))


def set_coupon(caller: Caller, program: Program, code: str, distributor_id: str) -> tuple[Coupon, bool]:
    """Make a coupon a distributor's from now on; True: it was nobody's. The same again changes nothing.

    Raises Invalid `unknown_distributor`, Conflict `too_many_changes`, `changed_meanwhile`.
    """
    if distributors.find(program.program_id, distributor_id) is None:
        wrong = FieldError(pointer("distributor_id"), Code.UNKNOWN_DISTRIBUTOR, "There is no such distributor.")
        raise Invalid(Code.UNKNOWN_DISTRIBUTOR, wrong.message, [wrong])
    item = _coupon(program.program_id, code) or CouponItem(program.program_id, _coupon_key(code))
    owner = rules.owner_at(item.history(), program.now())
    if owner != distributor_id:
        _give_coupon(caller, program, item, distributor_id)
    return Coupon(code.upper(), distributor_id), owner is None


def coupon(program: Program, code: str) -> Coupon:
    """A coupon and whose it is now. Raises NotFound."""
    owner = coupon_owner_at(program.program_id, code, program.now())
    if owner is None:
        raise _no_coupon(code)
    return Coupon(code.upper(), owner)


def end_coupon(caller: Caller, program: Program, code: str) -> None:
    """Make a coupon nobody's from now on. Raises NotFound, Conflict `too_many_changes`, `changed_meanwhile`."""
    item = _coupon(program.program_id, code)
    if item is None or rules.owner_at(item.history(), program.now()) is None:
        raise _no_coupon(code)
    _give_coupon(caller, program, item, None)


def _give_coupon(caller: Caller, program: Program, item: CouponItem, owner: str | None) -> None:
    if len(item.owners) >= rules.CHANGES_MAX:
        raise rules.too_many_changes()
    now = program.now()
    item.owners = [*item.owners, [clock.stored(now), owner]]
    action = "coupon.end" if owner is None else "coupon.set"
    row = access.audit_row(caller, now, action, item.code, detail={"distributor_id": owner})
    _write(Put(item, item.next_revision()), Put(row))


def _write(*puts: Put) -> None:
    try:
        transact(*puts)
    except Refused:
        raise changed_meanwhile() from None


def _product(program_id: str, sku: str) -> ProductItem | None:
    return ProductItem.find(program_id, _product_key(sku), consistent=True)


def _products(program_id: str, skus: Iterable[str]) -> dict[str, Product]:
    items = ProductItem.find_many((program_id, _product_key(sku)) for sku in skus)
    return {item.sku: item.product() for item in items}


def _listed(program: Program, sku: str) -> Put:
    return Put(ListedItem(f"{program.program_id}#products", f"{ids.new('prd')}#{sku}"))


def _product_key(sku: str) -> str:
    return f"product#{sku}"


def _no_product(sku: str) -> NotFound:
    return NotFound(Code.NOT_FOUND, f"The sku {sku} has no rule.")


def _coupon(program_id: str, code: str) -> CouponItem | None:
    return CouponItem.find(program_id, _coupon_key(code), consistent=True)


def _coupon_key(code: str) -> str:
    return f"coupon#{code.upper()}"


def _no_coupon(code: str) -> NotFound:
    return NotFound(Code.NOT_FOUND, f"There is no coupon {code.upper()}.")


def _repeated(sku: str, terms: Terms, current: ProductRule) -> datetime | None:
    """Since when what is told to hold at once holds already."""
    return current.effective_at if _rule(sku, terms, current.effective_at) == current else None


def _rule(sku: str, terms: Terms, effective_at: datetime) -> ProductRule:
    return ProductRule(
        sku=sku,
        mode=terms.mode,
        rate_bp=terms.rate_bp,
        fixed_minor=terms.fixed_minor,
        eligible=terms.eligible,
        tracks=terms.tracks,
        effective_at=effective_at,
    )


def _refuse_unknown_tracks(program: Program, rule: ProductRule) -> None:
    if rule.tracks is None or program.plan_version_at(program.now()) is None:
        return  # before its first plan a program has no tracks to be held to
    known = programs.plan_at(program, program.now()).plan.tracks
    wrong = [
        FieldError(pointer("tracks", i), Code.UNKNOWN_TRACK, f"The plan in force has no track {track}.")
        for i, track in enumerate(rule.tracks)
        if track not in known
    ]
    if wrong:
        raise Invalid(Code.UNKNOWN_TRACK, wrong[0].message, wrong)
