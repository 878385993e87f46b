"""What a noun is made of: a value that never changes, and equals another with the same content."""

from typing import dataclass_transform

from msgspec import Struct, field


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Value(Struct, frozen=True):
    """A frozen value. Its fields are its annotations; a changed copy: `msgspec.structs.replace`.

    Made by msgspec, not by `dataclasses`: that one compiles seven functions for each class whenever a process starts,
    which for our nouns took longer than all else of ours (decision 74). Making one is faster, too.
    """
