"""Bank transfers: a person takes the file of a batch to the bank, and brings back its file of results."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, StringConstraints

from chalicelib.payouts.channels import reading
from chalicelib.payouts.channels.by_file import ByFile
from chalicelib.payouts.model import Account
from chalicelib.shared import http

_NUMBER: Final = re.compile(r"[A-Z0-9]{8,34}")
"""Chinese cards have 16 to 19 digits, IBANs up to 34 letters and digits."""


def _number(text: str) -> str:
    plain = re.sub(r"[ -]", "", text).upper()
    if not _NUMBER.fullmatch(plain):
        raise ValueError("has 8 to 34 letters and digits; spaces and hyphens don't count")
    return plain


class BankAccount(http.Body):
    """An account at a bank."""

    holder_name: reading.Name
    account_number: Annotated[str, StringConstraints(max_length=80), AfterValidator(_number)]
    bank_name: reading.Name


class Bank(ByFile):
    """Payouts to accounts at banks."""

    name = "bank"
    file_columns: tuple[str, ...] = ("holder_name", "account_number", "bank_name")

    def read_account(self, raw: Mapping[str, Any]) -> dict[str, str]:
        """`holder_name`, `account_number` without spaces and hyphens, `bank_name`."""
        return reading.read(raw, BankAccount)

    def masked(self, account: Account) -> str:
        """`**** 3445`."""
        return reading.last_four(account["account_number"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """The number: holders and banks are written in many ways."""
        return account["account_number"]
