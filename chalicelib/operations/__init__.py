"""How a stage is kept well: health, the test clock, quarantined records, and what the API says of itself."""
