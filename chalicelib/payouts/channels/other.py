"""Whatever else pays: a person takes the file of a batch to each account's service, and brings back what came of it."""

from chalicelib.payouts.channels.by_file import ByFile
from chalicelib.payouts.model import Account


class Other(ByFile):
    """Payouts by hand, from a batch's file."""

    name = "other"
    file_columns: tuple[str, ...] = ("holder_name", "account", "service")

    def masked(self, account: Account) -> str:
        """`**** @example.com`, or the end of what isn't an address: `**** 678`."""
        _, at, domain = account["account"].partition("@")
        return f"**** @{domain}" if at else _end_of(account["account"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """The account, whatever its service is called: services are written in many ways."""
        return "".join(account["account"].split()).casefold()


def _end_of(account: str) -> str:
    """At most four characters, and never half of a short account."""
    shown = min(4, len(account) // 3)
    return f"**** {account[-shown:]}" if shown else "****"
