"""The hallway: what every room may use and no room owns."""
