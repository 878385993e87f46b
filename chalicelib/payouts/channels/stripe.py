"""Stripe: methods can be kept; nothing is paid through it yet (docs/decisions/0057)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from chalicelib.payouts.channels import reading
from chalicelib.payouts.model import Account
from chalicelib.shared import http


class StripeAccount(http.Body):
    """An account that is connected to the merchant's."""

    account_id: Annotated[str, StringConstraints(pattern=r"^acct_[A-Za-z0-9]{8,64}$")]


class Stripe(reading.KeptOnly):
    """Transfers to a connected account."""

    name = "stripe"

    def read_account(self, raw: Mapping[str, Any]) -> dict[str, str]:
        """`account_id`."""
        return reading.read(raw, StripeAccount)

    def masked(self, account: Account) -> str:
        """`**** a1B2`."""
        return reading.last_four(account["account_id"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """The connected account."""
        return account["account_id"]
