"""Idempotency-Keys of changes that have no id to name: the changed item keeps, of each key, what it asked for.

Kept are digests: of the key with its actor, and of what was asked.
"""

from collections.abc import Mapping

from chalicelib.shared.errors import Code, Conflict
from chalicelib.shared.ids import digest


def newly_asked(done: Mapping[str, str], actor: str, idempotency_key: str | None, *asked: str) -> dict[str, str] | None:
    """What to keep of a key that asks for the first time, nothing without a key. None: it asked for the same before.

    Raises Conflict `exists_with_different_content`.
    """
    if idempotency_key is None:
        return {}
    key, content = digest(actor, idempotency_key).hex(), digest(*asked).hex()
    if key not in done:
        return {key: content}
    if done[key] != content:
        raise Conflict(Code.EXISTS_WITH_DIFFERENT_CONTENT, "This Idempotency-Key has asked for something else before.")
    return None
