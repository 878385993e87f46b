"""What a million of each cost, in dollars at list prices of us-east-1, on demand, by the write units measured.

Prices: https://aws.amazon.com/dynamodb/pricing/on-demand/ and https://aws.amazon.com/api-gateway/pricing/
"""

from collections.abc import Mapping
from typing import Final

WRITE_UNIT: Final = 0.625
"""A million write units."""
REQUEST: Final = 3.50
"""A million requests of a REST API."""
BATCH: Final = 100
"""Orders a request may tell."""

_ROWS: Final = (
    ("one tier, sent singly", "order, one tier", 1.0),
    ("one tier, in batches of 100", "order, one tier", 1 / BATCH),
    ("three tiers, sent singly", "order, three tiers", 1.0),
    ("three tiers, in batches of 100", "order, three tiers", 1 / BATCH),
    ("completion, three tiers", "completion, three tiers", 1.0),
    ("refund, three tiers", "refund, three tiers", 1.0),
    ("a distributor's day settled", "a distributor's day settled", 0.0),
    ("a withdrawal, from request to paid", "withdrawal, request to paid", 1.0),
)
"""What is priced, as which operation it was measured, and the requests it takes."""


def prices(units: Mapping[str, float]) -> str:
    """A table of dollars per million, given each operation's mean write units."""
    lines = [f"{'Dollars per million':<36}{'units':>8}{'writes':>9}{'requests':>10}{'together':>10}"]
    for what, operation, requests in _ROWS:
        writes, asked = units[operation] * WRITE_UNIT, requests * REQUEST
        lines.append(f"  {what:<34}{units[operation]:>8.2f}{writes:>9.2f}{asked:>10.3f}{writes + asked:>10.2f}")
    return "\n".join(lines)
