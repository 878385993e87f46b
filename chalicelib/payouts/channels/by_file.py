"""What channels share whose payouts go out as a file: a person carries it, and brings back the file of results."""

from datetime import timedelta

from chalicelib.payouts.model import Answer, Payout, Result


class ByFile:
    """Payouts by file. What became of them, only a file of results says: asking tells nothing new."""

    payable = True
    window = timedelta(days=30)

    def submit(self, payout: Payout) -> Answer:
        """It is in its batch's file; that is all there is to do."""
        return Answer(Result.ACCEPTED, "in a batch file", self.window)

    def query(self, payout: Payout) -> Answer:
        """Nothing new: results come as a file."""
        return Answer(Result.ACCEPTED, "no result in a file yet", self.window)
