"""How a table's stream is worked off: finish what can be finished, put poison aside, raise if anything is left.

Right with and without what the deploy sets on the event source mapping: whatever is raised is delivered again, and
what was done before is met again by its key.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import DynamoDBEvent, DynamoDBRecord
from pynamodb.exceptions import PynamoDBException

from chalicelib.shared import log, quarantine
from chalicelib.shared.tables import code_of, reading_once
from chalicelib.shared.value import Value


class Subject(Value):
    """What a record is about: the level-triggered handlers need no more than its key."""

    program_id: str
    key: str


Record = Mapping[str, Any]

Records = Mapping[Subject, Record]
"""What is to be worked off: a record for each subject, empty if none has told of it."""

Aside = Callable[[str, str, str, str, Record], None]
"""How one that can't be handled is put aside: program, source, key, the reason, the whole record."""


class Unfinished(Exception):
    """Some subjects couldn't be finished now; the batch is delivered again."""


def work_off(
    event: DynamoDBEvent,
    source: str,
    subject_of: Callable[[DynamoDBRecord], Subject],
    handle: Callable[[Subject], None],
    foresee: Callable[[Records], None],
) -> None:
    """Handle each subject of a batch once. Raises Unfinished if the store failed for any of them."""
    records = {subject_of(record): record.to_dict() for record in event if record.event_name != "REMOVE"}
    finish(source, records, handle, foresee)


def finish(
    source: str,
    records: Records,
    handle: Callable[[Subject], None],
    foresee: Callable[[Records], None],
    aside: Aside = quarantine.keep,
) -> None:
    """Handle each of these subjects, judged by one reading of things. Raises Unfinished if the store failed for any.

    `foresee` is shown them first: it may read together what `handle` will read one by one. One that can't be handled
    is put aside, with its record.

    A handler is level-triggered: it reads what is true now, so many records of one subject are one piece of work.
    """
    with reading_once():
        _foresee(source, records, foresee)
        left = [subject for subject in records if not _finished(source, subject, records[subject], handle, aside)]
    log.info("stream", source=source, subjects=len(records), left=len(left))
    if left:
        raise Unfinished(f"{len(left)} of {len(records)} {source} are left, first {left[0].key}")


def _foresee(source: str, records: Records, foresee: Callable[[Records], None]) -> None:
    try:
        foresee(records)
    except Exception:
        # What can't be read of one must not stop the others: each is read by itself, and that one put aside.
        log.error("unforeseen", trace=True, source=source)


def _finished(source: str, subject: Subject, record: Record, handle: Callable[[Subject], None], aside: Aside) -> bool:
    """False: the store failed, so it is left, and those after it still get their turn."""
    try:
        try:
            handle(subject)
        except Exception as error:
            # Below the edge: a bug or bad data in one subject must not stop its shard.
            if isinstance(error, PynamoDBException) and code_of(error) != "ValidationException":
                raise
            aside(subject.program_id, source, subject.key, _reason(error), record)
    except PynamoDBException:
        log.error("left_for_later", trace=True, source=source, key=subject.key)
        return False
    return True


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:1_000]
