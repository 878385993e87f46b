"""Withdrawals: asked for, approved, released, and followed until the money has arrived or come back."""
