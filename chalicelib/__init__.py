"""Tributary's rooms. Every Lambda function imports this first: it sets up the log and the garbage collection."""

import gc

from chalicelib.shared import log

COLLECT_AFTER = 100_000
"""How many more objects than before make Python look for circles among them. A process makes some 60,000 that stay:
with Python's own 700, looking at them time and again was a twentieth of a cold start. Later hardly any circles come.
"""

gc.set_threshold(COLLECT_AFTER)
log.set_up()
