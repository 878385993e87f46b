"""Texts that people see, in Chinese and English: a file per language with the same keys, a test holds them together."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("zh", "en")


@cache
def texts(language: str) -> Mapping[str, str]:
    """A language's texts by key, read once."""
    found: dict[str, str] = json.loads(Path(__file__).with_name(f"{language}.json").read_text("utf-8"))
    return found


def say(language: str, key: str, **facts: object) -> str:
    """A text with its facts filled in. Raises KeyError for a key or a fact that is missing."""
    return texts(language)[key].format(**facts)
