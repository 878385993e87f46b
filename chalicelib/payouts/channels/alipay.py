"""Alipay: methods can be kept; nothing is paid through it yet (docs/decisions/0057)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from chalicelib.payouts.channels import reading
from chalicelib.payouts.model import Account
from chalicelib.shared import http


class AlipayAccount(http.Body):
    """An Alipay user, by the phone number or the email address that it signs in with."""

    login_id: Annotated[str, StringConstraints(pattern=r"^(\+?[0-9-]{8,20}|[^@\s]{1,64}@[A-Za-z0-9.-]{3,100})$")]
    real_name: reading.Name


class Alipay(reading.KeptOnly):
    """Transfers to an Alipay user's balance."""

    name = "alipay"

    def read_account(self, raw: Mapping[str, Any]) -> dict[str, str]:
        """`login_id`, a phone number or an email address, and `real_name`."""
        return reading.read(raw, AlipayAccount)

    def masked(self, account: Account) -> str:
        """`**** 5678`, or `**** @example.com`."""
        _, at, domain = account["login_id"].partition("@")
        return f"**** @{domain}" if at else reading.last_four(account["login_id"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """Who signs in."""
        return account["login_id"].casefold()
