"""Programs, their clock and pauses, and their plans in versions."""
