"""The `withdrawals` table."""

from chalicelib.shared.tables import Table


class WithdrawalsTable(Table):
    """What all items of the table share."""

    room = "withdrawals"
