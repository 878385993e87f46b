"""How a table's stream is worked off: finish what can be finished, put poison aside, raise if anything is left.

Right with and without what the deploy sets on the event source mapping: whatever is raised is delivered again, and
what was done before is met again by its key.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from chalice.app import DynamoDBEvent, DynamoDBRecord
from pynamodb.exceptions import PynamoDBException

from chalicelib.shared import log, quarantine
from chalicelib.shared.tables import code_of, reading_once


class Subject(NamedTuple):
    """What a record is about: the level-triggered handlers need no more than its key."""

    program_id: str
    key: str


Records = Mapping[Subject, Mapping[str, Any]]
"""What is to be worked off: a record for each subject, empty if none has told of it."""


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
) -> None:
    """Handle each of these subjects, judged by one reading of things. Raises Unfinished if the store failed for any.

    `foresee` is shown them first: it may read together what `handle` will read one by one. What is kept of one that
    can't be handled is its record.

    A handler is level-triggered: it reads what is true now, so many records of one subject are one piece of work.
    """
    with reading_once():
        foresee(records)
        left = [subject for subject, record in records.items() if not _finished(source, subject, record, handle)]
    log.info("stream", source=source, subjects=len(records), left=len(left))
    if left:
        raise Unfinished(f"{len(left)} of {len(records)} {source} are left, first {left[0].key}")


def _finished(source: str, subject: Subject, record: Mapping[str, Any], handle: Callable[[Subject], None]) -> bool:
    try:
        handle(subject)
    except PynamoDBException as error:
        if code_of(error) != "ValidationException":
            log.error("left_for_later", trace=True, source=source, key=subject.key)
            return False
        return _put_aside(source, subject, record, error)
    except Exception as error:
        # The one broad catch below the edge: a bug or bad data in one subject must not stop its shard.
        return _put_aside(source, subject, record, error)
    return True


def _put_aside(source: str, subject: Subject, record: Mapping[str, Any], error: Exception) -> bool:
    """Quarantine the record. False: the store failed, so it is left, and those after it still get their turn."""
    try:
        quarantine.keep(subject.program_id, source, subject.key, _reason(error), record)
    except PynamoDBException:
        log.error("left_for_later", trace=True, source=source, key=subject.key)
        return False
    return True


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:1_000]
