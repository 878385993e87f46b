"""What stands in a batch file, and what may stand in a file of results."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chalicelib.payouts.model import Encoding, Payout, Result, ResultRow
from chalicelib.shared import money
from chalicelib.shared.errors import Code, FieldError, Invalid

RESULT_COLUMNS: Final = ("reference", "result")
RESULTS: Final = frozenset({Result.PAID, Result.FAILED, Result.RETURNED})
"""What a bank's file may say of a payout."""
ROWS_MAX: Final = 10_000
"""How many rows a file of results may have."""
_ERRORS_MAX: Final = 100
_REFERENCE: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_FORMULA: Final = tuple("=+-@＝＋－＠\t\r\n")
"""With these a spreadsheet takes a cell for a formula; https://owasp.org/www-community/attacks/CSV_Injection"""


def batch_file(account_columns: Sequence[str], payouts: Iterable[Payout]) -> bytes:
    """The file of these payouts, in UTF-8, by reference: whatever their order, always the same bytes."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(("reference", *account_columns, "amount", "currency"))
    for payout in sorted(payouts, key=lambda payout: payout.reference):
        account = (guarded(payout.account[column]) for column in account_columns)
        rows.writerow((payout.reference, *account, decimal(payout.amount_minor, payout.currency), payout.currency))
    return text.getvalue().encode()


def guarded(text: str) -> str:
    """Text that a spreadsheet shows and doesn't run."""
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def last_four(text: str) -> str:
    """A number of which only the end is shown."""
    return f"**** {text[-4:]}"


def decimal(amount_minor: int, currency: str) -> str:
    """An amount as banks read it: `1234.50`."""
    places = money.decimals(currency)
    whole, part = divmod(amount_minor, 10**places)
    return f"{whole}.{part:0{places}}" if places else str(whole)


def encoded(file: bytes, encoding: Encoding) -> bytes:
    """A batch file in another encoding. Both hold all of Unicode, so nothing is lost."""
    return file.decode().encode(encoding)


def read_results(file: bytes) -> list[ResultRow]:
    """The rows of a bank's file of results, in its order.

    Raises Invalid `invalid_results` with everything that is wrong, by row from 0: `/rows/3/result`.
    """
    lines = list(_lines(file))
    if not lines or tuple(cell.strip() for cell in lines[0]) != RESULT_COLUMNS:
        raise _refused([_wrong("/header", f"The first line is {','.join(RESULT_COLUMNS)}.")])
    rows = [line for line in lines[1:] if any(cell.strip() for cell in line)]
    if len(rows) > ROWS_MAX:
        raise _refused([_wrong("/rows", f"A file has at most {ROWS_MAX:,} rows.")])
    if wrong := list(_wrong_rows(rows)):
        raise _refused(wrong)
    return [ResultRow(reference.strip(), Result(result.strip())) for reference, result in rows]


def _lines(file: bytes) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(_text(file), newline=""), strict=True)
    except csv.Error as error:
        raise _refused([_wrong("", f"The file is no CSV: {error}.")]) from None


def _text(file: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return file.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _refused([_wrong("", "The file is neither in UTF-8 nor in GB18030.")])


def _wrong_rows(rows: Sequence[Sequence[str]]) -> Iterator[FieldError]:
    seen: dict[str, int] = {}
    for place, row in enumerate(rows):
        if len(row) != len(RESULT_COLUMNS):
            yield _wrong(f"/rows/{place}", f"A row has {len(RESULT_COLUMNS)} cells; this one has {len(row)}.")
            continue
        reference, result = (cell.strip() for cell in row)
        if not _REFERENCE.fullmatch(reference):
            yield _wrong(f"/rows/{place}/reference", "A reference has 1 to 32 letters and digits.")
        elif (first := seen.setdefault(reference, place)) != place:
            yield _wrong(f"/rows/{place}/reference", f"This reference stands in row {first} already.")
        if result not in RESULTS:
            yield _wrong(f"/rows/{place}/result", f"A result is one of {', '.join(sorted(RESULTS))}.")


def _wrong(pointer: str, message: str) -> FieldError:
    return FieldError(pointer, Code.INVALID_RESULTS, message)


def _refused(wrong: Sequence[FieldError]) -> Invalid:
    return Invalid(
        Code.INVALID_RESULTS, "The file can't be taken; see errors. Nothing was applied.", wrong[:_ERRORS_MAX]
    )
