"""Tributary's rooms. Every Lambda function imports this module first: it sets up the log, nothing else."""

from chalicelib.shared import log

log.set_up()
