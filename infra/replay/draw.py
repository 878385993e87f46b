"""The only source of choice: nothing in the replay is random."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Draw:
    """Choices by a salted hash of a word and an id, as the mapping's section `draw` says."""

    salt: str

    def number(self, what: str, about: object) -> int:
        """Of 32 bits."""
        return int(sha256(f"{self.salt}:{what}:{about}".encode()).hexdigest()[:8], 16)

    def yes(self, what: str, about: object, share_bp: int) -> bool:
        """True for this share of all ids."""
        return self.number(what, about) % 10000 < share_bp

    def one(self, what: str, about: object, choices: Sequence[Item]) -> Item:
        """One of these."""
        return choices[self.number(what, about) % len(choices)]
