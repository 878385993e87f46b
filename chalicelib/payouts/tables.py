"""The `payouts` table."""

from chalicelib.shared.tables import Table


class PayoutsTable(Table):
    """What all items of the table share."""

    room = "payouts"
