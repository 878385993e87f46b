"""Orders, and what happens to them, as facts: told once, kept for ever, judged by others."""
