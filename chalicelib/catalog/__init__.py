"""What is sold, as far as commission goes: products' rules in versions, and coupons with their owners."""
