"""WeChat Pay: methods can be kept; nothing is paid through it yet (docs/decisions/0057)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from chalicelib.payouts.channels import reading
from chalicelib.payouts.model import Account
from chalicelib.shared import http


class WeChatAccount(http.Body):
    """A user of one of the merchant's WeChat apps. From 2,000 CNY on WeChat wants the name, too."""

    openid: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{6,64}$")]
    real_name: reading.Name | None = None


class WeChat(reading.KeptOnly):
    """Transfers to a WeChat user's change."""

    name = "wechat"

    def read_account(self, raw: Mapping[str, Any]) -> dict[str, str]:
        """`openid`, and `real_name` if given."""
        return reading.read(raw, WeChatAccount)

    def masked(self, account: Account) -> str:
        """`**** x9aB`."""
        return reading.last_four(account["openid"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """The user."""
        return account["openid"]
