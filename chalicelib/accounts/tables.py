"""The `accounts` table."""

from chalicelib.shared.tables import Table


class AccountsTable(Table):
    """What all items of the table share."""

    room = "accounts"
