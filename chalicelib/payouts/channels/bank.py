"""Bank transfers: a person takes the file of a batch to the bank, and brings back its file of results."""

from chalicelib.payouts.channels.by_file import ByFile
from chalicelib.payouts.model import Account
from chalicelib.payouts.rules import last_four


class Bank(ByFile):
    """Payouts to accounts at banks."""

    name = "bank"
    file_columns: tuple[str, ...] = ("holder_name", "account_number", "bank_name")

    def masked(self, account: Account) -> str:
        """`**** 3445`."""
        return last_four(account["account_number"])

    def identity(self, account: Account, distributor_id: str) -> str:
        """The number: holders and banks are written in many ways."""
        return account["account_number"]
