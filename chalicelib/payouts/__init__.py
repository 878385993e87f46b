"""How money leaves: payout methods, and the channels that it goes through."""
