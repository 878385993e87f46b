"""The ways in which money leaves. How to add one: docs/how-to-add-a-channel.md."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, Protocol

from chalicelib.payouts.channels.alipay import Alipay
from chalicelib.payouts.channels.bank import Bank
from chalicelib.payouts.channels.other import Other
from chalicelib.payouts.channels.pretend import Pretend
from chalicelib.payouts.channels.stripe import Stripe
from chalicelib.payouts.channels.wechat import WeChat
from chalicelib.payouts.model import Account, Answer, Payout


class Channel(Protocol):
    """One way to pay. Tests in tests/payouts/test_channels.py hold each of `CHANNELS` to this."""

    name: str
    payable: bool
    """Whether it can pay yet; if not, its methods can be kept and withdrawals by them are refused."""
    file_columns: tuple[str, ...]
    """For payouts that go out as a file of many, and whose results come back as one: what of the account is in it."""
    window: timedelta
    """How long after `submit` it can be asked about a payout. Then a person has to find out."""

    def masked(self, account: Account) -> str:
        """What of an account may be shown to anyone."""

    def identity(self, account: Account, distributor_id: str) -> str:
        """What no two methods of a program share: the account, however else its fields differ."""

    def submit(self, payout: Payout) -> Answer:
        """Ask for the payment. The same again under its reference pays no second time.

        Raises `NoAnswer`, and `ContentChanged` for other content under the same reference.
        """

    def query(self, payout: Payout) -> Answer:
        """Ask what became of it. Raises `NoAnswer`."""


_ALL: Final[tuple[Channel, ...]] = (Bank(), WeChat(), Alipay(), Stripe(), Other(), Pretend())

CHANNELS: Final[Mapping[str, Channel]] = {channel.name: channel for channel in _ALL}
"""Every channel, by the name that plans and methods give it."""
