"""Money is a whole number of a currency's minor units (fen, cents), always beside its currency; never a float."""

from typing import Final

MINOR_MAX: Final = 10**18 - 1
"""The largest amount a field may hold."""

BP: Final = 10_000
"""Basis points in one: `rate_bp` 200 is 2 %."""

CURRENCIES: Final = frozenset(
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY "
    "COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR "
    "ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK "
    "MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF "
    "SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU "
    "UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG".split()
)
"""ISO 4217, active codes of circulating currencies."""

_WITHOUT_MINOR: Final = frozenset("BIF CLP DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
_IN_THOUSANDTHS: Final = frozenset("BHD IQD JOD KWD LYD OMR TND".split())


def decimals(currency: str) -> int:
    """How many decimals a currency's minor unit has (ISO 4217): 2 mostly, 0 for the yen, 3 for some dinars."""
    return 0 if currency in _WITHOUT_MINOR else 3 if currency in _IN_THOUSANDTHS else 2


def shown(amount_minor: int, currency: str) -> str:
    """An amount as people read it, with its currency: `1,234.50 CNY`."""
    places = decimals(currency)
    whole, part = divmod(abs(amount_minor), 10**places)
    fraction = f".{part:0{places}}" if places else ""
    return f"{'-' * (amount_minor < 0)}{whole:,}{fraction} {currency}"


def percent(rate_bp: int) -> str:
    """A rate as people read it: `8%`, `4.25%`."""
    whole, part = divmod(rate_bp, 100)
    return f"{whole}.{part:02}".rstrip("0").rstrip(".") + "%"
