"""The room's pure decisions: how much (target), when (hold), and what to write next (journal)."""
