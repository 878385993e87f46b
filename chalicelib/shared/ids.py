"""Names for things: ours are prefixed ULIDs, the caller's are theirs, and a cause can name its effect."""

import hashlib
import secrets
from typing import Final

from ulid import ULID

EXTERNAL_ID: Final = r"^(?!\.+$)[A-Za-z0-9._:-]{1,128}$"
"""What a caller may use as an id: 1 to 128 of these, not dots alone."""

READABLE: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Letters and digits that nobody mistakes for one another: no 0, 1, I, L, O."""


def new(prefix: str) -> str:
    """A fresh id, e.g. `dst_01J...`; ids made later sort later."""
    return f"{prefix}_{ULID()}"


def from_cause(prefix: str, *cause: str) -> str:
    """The id that a cause names: the same cause always names the same id, so a repeat meets itself."""
    return f"{prefix}_{ULID.from_bytes(digest(*cause)[:16])}"


def digest(*parts: str) -> bytes:
    """SHA-256 over the parts, each with its length, so that no two lists of parts read the same."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(framed.encode()).digest()


def shard(key: str, shards: int) -> int:
    """Which of `shards` partitions a key belongs to, the same in every process."""
    return int.from_bytes(digest(key)[:8], "big") % shards


def readable(length: int) -> str:
    """A random code that can't be guessed and can be read aloud."""
    return "".join(secrets.choice(READABLE) for _ in range(length))
