"""The release this is; CHANGELOG.md says what is in it."""

from typing import Final

VERSION: Final = "0.1.0"
