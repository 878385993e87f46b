"""Whose customer, whose order: clicks, bindings, and the evidence that credits an order to a distributor."""
