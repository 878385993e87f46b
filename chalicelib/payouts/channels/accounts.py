"""The account of each channel, as a caller tells it. Only a request that adds a method reads one, and loads this."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from msgspec.structs import replace
from pydantic import AfterValidator, StringConstraints

from chalicelib.shared import http
from chalicelib.shared.errors import Invalid

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that nobody sees: with them a name looks like another, or a row like two."""
_NUMBER: Final = re.compile(r"[A-Z0-9]{8,34}")
"""Chinese cards have 16 to 19 digits, IBANs up to 34 letters and digits."""


def _visible(text: str) -> str:
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        raise ValueError("may have no control or invisible characters")
    return text


def _number(text: str) -> str:
    plain = re.sub(r"[ -]", "", text).upper()
    if not _NUMBER.fullmatch(plain):
        raise ValueError("has 8 to 34 letters and digits; spaces and hyphens don't count")
    return plain


Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), AfterValidator(_visible)]
"""A name of a person or a bank, in any script."""


class BankAccount(http.Body):
    """An account at a bank. Its number is kept without spaces and hyphens."""

    holder_name: Name
    account_number: Annotated[str, StringConstraints(max_length=80), AfterValidator(_number)]
    bank_name: Name


class WeChatAccount(http.Body):
    """A user of one of the merchant's WeChat apps. From 2,000 CNY on WeChat wants the name, too."""

    openid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{6,64}$")]
    real_name: Name | None = None


class AlipayAccount(http.Body):
    """An Alipay user, by the phone number or the email address that it signs in with."""

    login_id: Annotated[str, StringConstraints(pattern=r"^(\+?[0-9-]{8,20}|[^@\s]{1,64}@[A-Za-z0-9.-]{3,100})$")]
    real_name: Name


class StripeAccount(http.Body):
    """An account that is connected to the merchant's."""

    account_id: Annotated[str, StringConstraints(pattern=r"^acct_[A-Za-z0-9]{8,64}$")]


class OtherAccount(http.Body):
    """An account at a service that has no channel of its own, as the service writes it: PayPal, Wise, PromptPay."""

    service: Name
    account: Name
    holder_name: Name


class PretendAccount(http.Body):
    """What the provider that pretends is to do with payouts to this account."""

    behaviour: Literal["accept", "delay", "lose_request", "lose_answer", "fail", "return"]


ACCOUNTS: Final[Mapping[str, type[http.Body]]] = {
    "bank": BankAccount,
    "wechat": WeChatAccount,
    "alipay": AlipayAccount,
    "stripe": StripeAccount,
    "other": OtherAccount,
    "pretend": PretendAccount,
}
"""What an account is, by the channel's name."""


def read(channel: str, raw: Mapping[str, Any]) -> dict[str, str]:
    """The account that a caller tells, in one way of writing. Raises Invalid with pointers below `/account`."""
    try:
        account = http.validated(dict(raw), ACCOUNTS[channel])
    except Invalid as wrong:
        within = [replace(error, pointer=f"/account{error.pointer}") for error in wrong.errors]
        raise Invalid(wrong.code, wrong.detail, within) from None
    return account.model_dump(exclude_none=True)
