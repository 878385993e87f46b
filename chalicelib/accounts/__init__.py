"""A distributor's account: its balance, the settlement of a day, the statement, adjustments."""
