"""The only writer of money: entries that move an amount from one account to another, and are never changed."""
