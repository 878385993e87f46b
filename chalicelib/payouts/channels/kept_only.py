"""What channels share whose methods can be kept, and through which nothing can be paid yet."""

from datetime import timedelta

from chalicelib.payouts.model import Answer, NotPayable, Payout


class KeptOnly:
    """A channel that can't pay yet."""

    payable = False
    file_columns: tuple[str, ...] = ()
    window = timedelta()

    def submit(self, payout: Payout) -> Answer:
        """Raises `NotPayable`."""
        raise NotPayable(payout.reference)

    def query(self, payout: Payout) -> Answer:
        """Raises `NotPayable`."""
        raise NotPayable(payout.reference)
