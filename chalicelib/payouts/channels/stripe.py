"""Stripe: methods can be kept; nothing is paid through it yet (docs/decisions/0057)."""

from chalicelib.payouts.channels.kept_only import KeptOnly
from chalicelib.payouts.model import Account
from chalicelib.payouts.rules import last_four


class Stripe(KeptOnly):
    """Transfers to a connected account."""

    name = "stripe"

    def masked(self, account: Account) -> str:
        """`**** a1B2`."""
        return last_four(account["account_id"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """The connected account."""
        return account["account_id"]
