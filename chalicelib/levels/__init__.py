"""Ranks: up the day after one sold enough, down one step after missed months. Volumes, standings, progress."""
