"""Products' commission rules, and coupons."""

from typing import Annotated

from msgspec.structs import asdict
from pydantic import Field

from chalicelib.access.door import Call, Reply, Routes
from chalicelib.catalog import service
from chalicelib.catalog.model import Coupon, NoRule, ProductRule, RuleMode, Version
from chalicelib.programs import service as programs
from chalicelib.shared import http, pages

routes = Routes(__name__)


class ProductBody(http.Body):
    """A product's rule; `tracks` null: every track may sell it; `effective_at` left out: at once."""

    mode: RuleMode
    rate_bp: http.Bp = 0
    fixed_minor: http.Minor = 0
    eligible: bool = True
    tracks: Annotated[list[http.Text], Field(min_length=1, max_length=50)] | None = None
    effective_at: http.Time | None = None


class ProductAnswer(http.Answer):
    """A product's rule: the one in force, else the next to take effect."""

    sku: str
    mode: RuleMode
    rate_bp: int
    fixed_minor: int
    eligible: bool
    tracks: list[str] | None
    effective_at: http.Shown


class VersionAnswer(http.Answer):
    """One version of a sku, as it was told. `rule` null: from then on it had none."""

    effective_at: http.Shown
    rule: ProductAnswer | None


class ProductHistoryAnswer(ProductAnswer):
    """A product's rule, and all its versions in the order in which they were told."""

    versions: list[VersionAnswer]


class CouponBody(http.Body):
    """Whose the coupon is from now on."""

    distributor_id: http.ExternalId


class CouponAnswer(http.Answer):
    """A coupon, upper case, and whose it is."""

    code: str
    distributor_id: str


@routes.put("/v1/products/{sku}", "O", body=ProductBody, answer=ProductAnswer, status=201)
def set_product(call: Call, sku: str, body: ProductBody) -> Reply:
    """Tell what a product earns from `effective_at` on."""
    terms = service.Terms(
        mode=body.mode,
        rate_bp=body.rate_bp,
        fixed_minor=body.fixed_minor,
        eligible=body.eligible,
        tracks=None if body.tracks is None else tuple(body.tracks),
        effective_at=body.effective_at,
    )
    rule, new = service.set_rule(call.caller, programs.get(call.program_id), sku, terms)
    return Reply(201 if new else 200, _product(rule))


@routes.get("/v1/products/{sku}", "O S A", answer=ProductHistoryAnswer)
def show_product(call: Call, sku: str) -> ProductHistoryAnswer:
    """A product's rule and its versions."""
    rule, product = service.product(programs.get(call.program_id), sku)
    versions = [_version(version) for version in product.versions]
    return ProductHistoryAnswer(**asdict(_product(rule)), versions=versions)


@routes.get("/v1/products", "O S A", query=http.ListQuery, answer=http.Listed[ProductAnswer])
def list_products(call: Call, query: http.ListQuery) -> http.Listed[ProductAnswer]:
    """The products with rules, newest first."""
    bound = ("products", call.program_id)
    program = programs.get(call.program_id)
    found, place = service.list_products(program, query.limit, pages.place(query.cursor, *bound))
    return http.Listed(data=[_product(rule) for rule in found], next_cursor=pages.cursor(place, *bound))


@routes.delete("/v1/products/{sku}", "O", status=204)
def end_product(call: Call, sku: str) -> None:
    """Give a product the level's rate from now on."""
    service.end_rule(call.caller, programs.get(call.program_id), sku)


@routes.put("/v1/coupons/{code}", "O", body=CouponBody, answer=CouponAnswer, status=201)
def set_coupon(call: Call, code: str, body: CouponBody) -> Reply:
    """Make a coupon a distributor's from now on."""
    coupon, new = service.set_coupon(call.caller, programs.get(call.program_id), code, body.distributor_id)
    return Reply(201 if new else 200, _coupon(coupon))


@routes.get("/v1/coupons/{code}", "O S A", answer=CouponAnswer)
def show_coupon(call: Call, code: str) -> CouponAnswer:
    """Whose a coupon is now."""
    return _coupon(service.coupon(programs.get(call.program_id), code))


@routes.delete("/v1/coupons/{code}", "O", status=204)
def end_coupon(call: Call, code: str) -> None:
    """Make a coupon nobody's from now on."""
    service.end_coupon(call.caller, programs.get(call.program_id), code)


def _product(rule: ProductRule) -> ProductAnswer:
    return ProductAnswer(
        sku=rule.sku,
        mode=rule.mode,
        rate_bp=rule.rate_bp,
        fixed_minor=rule.fixed_minor,
        eligible=rule.eligible,
        tracks=None if rule.tracks is None else list(rule.tracks),
        effective_at=rule.effective_at,
    )


def _version(version: Version) -> VersionAnswer:
    rule = None if isinstance(version, NoRule) else _product(version)
    return VersionAnswer(effective_at=version.effective_at, rule=rule)


def _coupon(coupon: Coupon) -> CouponAnswer:
    return CouponAnswer(code=coupon.code, distributor_id=coupon.distributor_id)
