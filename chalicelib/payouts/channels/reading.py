"""What channels share: how accounts are read and shown, and what one that can't pay yet answers."""

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, StringConstraints

from chalicelib.payouts.model import Answer, NotPayable, Payout
from chalicelib.shared import http
from chalicelib.shared.errors import Invalid

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that nobody sees: with them a name looks like another, or a row like two."""


def _visible(text: str) -> str:
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        raise ValueError("may have no control or invisible characters")
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True), AfterValidator(_visible)]
"""A name of a person or a bank, in any script."""


def read(raw: Mapping[str, Any], model: type[http.Body]) -> dict[str, str]:
    """An account as its channel's `model` has it. Raises Invalid with pointers below `/account`."""
    try:
        account = http.validated(dict(raw), model)
    except Invalid as wrong:
        within = [replace(error, pointer=f"/account{error.pointer}") for error in wrong.errors]
        raise Invalid(wrong.code, wrong.detail, within) from None
    return account.model_dump(exclude_none=True)


def last_four(text: str) -> str:
    """A number of which only the end is shown."""
    return f"**** {text[-4:]}"


class KeptOnly:
    """A channel whose methods can be kept, and through which nothing can be paid yet."""

    payable = False
    file_columns: tuple[str, ...] = ()
    window = timedelta()

    def submit(self, payout: Payout) -> Answer:
        """Raises `NotPayable`."""
        raise NotPayable(payout.reference)

    def query(self, payout: Payout) -> Answer:
        """Raises `NotPayable`."""
        raise NotPayable(payout.reference)
