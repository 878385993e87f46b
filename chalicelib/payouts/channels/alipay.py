"""Alipay: methods can be kept; nothing is paid through it yet (docs/decisions/0057)."""

from chalicelib.payouts.channels.kept_only import KeptOnly
from chalicelib.payouts.model import Account
from chalicelib.payouts.rules import last_four


class Alipay(KeptOnly):
    """Transfers to an Alipay user's balance."""

    name = "alipay"

    def masked(self, account: Account) -> str:
        """`**** 5678`, or `**** @example.com`."""
        _, at, domain = account["login_id"].partition("@")
        return f"**** @{domain}" if at else last_four(account["login_id"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """Who signs in."""
        return account["login_id"].casefold()
