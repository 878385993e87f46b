"""WeChat Pay: methods can be kept; nothing is paid through it yet (docs/decisions/0057)."""

from chalicelib.payouts.channels.kept_only import KeptOnly
from chalicelib.payouts.model import Account
from chalicelib.payouts.rules import last_four


class WeChat(KeptOnly):
    """Transfers to a WeChat user's change."""

    name = "wechat"

    def masked(self, account: Account) -> str:
        """`**** x9aB`."""
        return last_four(account["openid"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """The user."""
        return account["openid"]
