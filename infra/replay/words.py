"""Numbers and days as a report says them."""

from datetime import date


def money(minor: int) -> str:
    """Minor units with two places: 123456 is "1,234.56"."""
    whole, cents = divmod(abs(minor), 100)
    return f"{'-' * (minor < 0)}{whole:,}.{cents:02}"


def percent(rate_bp: int) -> str:
    """Basis points in percent, as short as can be: 800 is "8", 425 is "4.25"."""
    whole, rest = divmod(rate_bp, 100)
    return f"{whole}.{rest:02}".rstrip("0") if rest else str(whole)


def day(on: date) -> str:
    """1 May 2017."""
    return f"{on.day} {on:%B %Y}"
