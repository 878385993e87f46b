"""How rooms keep things: a pynamodb base with our names, time-outs and one client for all tables.

Every write is conditional. An item that changes carries a `revision` and is replaced whole, if nobody else was faster.
"""

import heapq
import json
import time
import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache, partial
from operator import itemgetter
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.attributes import Attribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.connection.table import TableConnection
from pynamodb.constants import BINARY
from pynamodb.exceptions import DoesNotExist, PutError, PynamoDBException, TransactWriteError
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import Index
from pynamodb.models import MetaModel, Model
from pynamodb.pagination import ResultIterator
from pynamodb.transactions import TransactWrite

from chalicelib.shared.errors import Code, Conflict
from chalicelib.shared.quick import QuickClient
from chalicelib.shared.settings import settings
from chalicelib.shared.value import Value

EVALUATED_MAX: Final = 1_000
"""How many items one page of a filtered list may look at before it hands the rest to the next page."""

CONFLICT_WAITS: Final = tuple(timedelta(milliseconds=wait) for wait in (10, 40, 160))
"""How long is waited, each time, for another transaction that is at one of the items. The SDK doesn't."""

Key = dict[str, dict[str, Any]]
"""Where a list goes on: DynamoDB's LastEvaluatedKey."""

_T = TypeVar("_T")


class _QuickConnection(Connection):
    """A connection whose client is quick."""

    @property
    def client(self) -> Any:
        """The client, made when it is first used."""
        made: Any = super().client
        if not isinstance(made, QuickClient):
            made = QuickClient(made)
            self._client = made
        return made


@cache
def connection() -> Connection:
    """The process's one connection: making a client costs some 40 ms, so all tables share it."""
    return _QuickConnection(
        region=settings().region, connect_timeout_seconds=1, read_timeout_seconds=2, max_retry_attempts=2
    )


def code_of(error: PynamoDBException) -> str | None:
    """What the store answered; None: nothing, in time. pynamodb's own `cause_response_code` fails on an answer that
    timed out."""
    return str(error.cause.response["Error"]["Code"]) if isinstance(error.cause, ClientError) else None


_once: ContextVar[dict[Any, Any] | None] = ContextVar("read_once", default=None)


@contextmanager
def reading_once() -> Iterator[None]:
    """Within it, what `find` and `find_many` have read is not read again: a batch is judged by one state of things.

    For work that doesn't write what it finds. Queries, such as those of facts and journals, are never remembered.
    """
    token = _once.set({})
    try:
        yield
    finally:
        _once.reset(token)


def read_once(what: Hashable, read: Callable[[], _T]) -> _T:
    """What `read` finds; within `reading_once`, what it found the first time."""
    known = _once.get()
    if known is None:
        return read()
    if what not in known:
        known[what] = read()
    found: _T = known[what]
    return found


class _Table(MetaModel):
    """Makes tables faster: pynamodb looks for a new class's attributes, and again for its indexes, in all of `dir`."""

    def __dir__(cls) -> set[str]:
        """The attributes and indexes alone."""
        ours = (kind for kind in cls.__mro__ if isinstance(kind, _Table))
        return {name for kind in ours for name, member in vars(kind).items() if isinstance(member, Attribute | Index)}


class Table(Model, metaclass=_Table):
    """An item of a room's table, by `pk` and `sk`. Rooms subclass it and set `room`."""

    room: ClassVar[str]
    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        """The table's name is known only when it is first used, and its client is the shared one."""
        if cls._connection is None:
            cls.Meta.table_name = settings().table(cls.room)
            super()._get_connection().connection._client = connection().client
        return super()._get_connection()

    @classmethod
    def find(cls, pk: str, sk: str, *, consistent: bool = False) -> Self | None:
        """The item, or None. Half a read unit, a whole one when consistent."""

        def read() -> Any:
            try:
                return cls.get(pk, sk, consistent_read=consistent)
            except DoesNotExist:
                return None

        item: Self | None = read_once((cls, pk, sk), read)
        return item

    @classmethod
    def find_many(cls, keys: Iterable[tuple[str, str]]) -> list[Self]:
        """Those of the items that are there, read consistently, up to 100 with one call."""
        known = {} if (remembered := _once.get()) is None else remembered
        wanted = dict.fromkeys(keys)
        unread = [key for key in wanted if (cls, *key) not in known]
        found = {(item.pk, item.sk): item for item in cls.batch_get(unread, consistent_read=True)} if unread else {}
        known.update({(cls, *key): found.get(key) for key in unread})
        return [item for key in wanted if (item := known[(cls, *key)]) is not None]

    def put_new(self) -> bool:
        """Put the item unless its key is taken. False: it was."""
        return _unless_refused(self._put_new)

    def put_if(self, condition: Condition) -> bool:
        """Put the item if the condition holds. False: it didn't."""
        return _unless_refused(partial(self.save, condition))

    def _put_new(self) -> None:
        """What a busy stage does most: the same request as pynamodb's `save`, without its way there."""
        put = {
            "TableName": self._get_connection().table_name,
            "Item": self.serialize(),
            "ConditionExpression": "attribute_not_exists (pk)",
            "ReturnConsumedCapacity": "TOTAL",
        }
        try:
            connection().client._make_api_call("PutItem", put)
        except (BotoCoreError, ClientError) as error:
            raise PutError(f"Failed to put item: {error}", error) from error


def _unless_refused(put: Callable[[], object]) -> bool:
    try:
        _despite_conflicts(put)
    except PutError as refused:
        if code_of(refused) == "ConditionalCheckFailedException":
            return False
        raise
    return True


class Keeping(Table):
    """An item that is replaced whole, and keeps the attributes that this code doesn't know: while a stage is deployed,
    newer code writes there, too."""

    _unknown: Mapping[str, Any] = MappingProxyType({})

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> Self:
        """The item, with what of it isn't known here."""
        item: Self = super().from_raw_data(data)
        known = _attribute_names(cls)
        item._unknown = {name: value for name, value in data.items() if name not in known}
        return item

    def serialize(self, null_check: bool = True) -> dict[str, dict[str, Any]]:
        """The item as it is put."""
        return {**self._unknown, **super().serialize(null_check)}

    def keep_unknown_of(self, stored: Self) -> None:
        """Made anew, it will replace `stored`."""
        self._unknown = stored._unknown


class Revised(Keeping):
    """An item that changes: each change replaces it, on condition that nobody changed it meanwhile."""

    revision = NumberAttribute(default=0)

    def next_revision(self) -> Condition:
        """Count the change, and give the condition under which it may be put."""
        before = int(self.revision)
        self.revision = before + 1
        return type(self).pk.does_not_exist() if before == 0 else type(self).revision == before

    def replace(self) -> None:
        """Put the changed item. Raises Conflict `changed_meanwhile`: the caller reads again and repeats."""
        if not self.put_if(self.next_revision()):
            raise changed_meanwhile()


@cache
def _attribute_names(model: type[Table]) -> frozenset[str]:
    return frozenset(attribute.attr_name for attribute in model.get_attributes().values())


def changed_meanwhile() -> Conflict:
    """Somebody else was faster; nothing was written."""
    return Conflict(Code.CHANGED_MEANWHILE, "Somebody changed this at the same time. Read it again and repeat.")


class JsonAttribute(Attribute[Any]):
    """A JSON value, compressed: order lines shrink to a third, so that most orders fit one write unit."""

    attr_type = BINARY

    def serialize(self, value: Any) -> bytes:
        """JSON without spaces, deflated."""
        return zlib.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), 9)

    def deserialize(self, value: bytes) -> Any:
        """The value back."""
        return json.loads(zlib.decompress(value))


class Put(Value):
    """One item of a transaction, and the condition under which it may be put (None: its key must be free)."""

    item: Table
    condition: Condition | None = None


class Check(Value):
    """A condition of a transaction on an item it doesn't write."""

    model: type[Table]
    pk: str
    sk: str
    condition: Condition


class Refused(Exception):
    """A transaction wrote nothing. `which` are the positions whose condition failed."""

    def __init__(self, which: Sequence[int]) -> None:
        super().__init__(f"refused at {list(which)}")
        self.which = tuple(which)


def transact(*parts: Put | Check) -> None:
    """Write all of them or none. Two write units a kilobyte. Raises `Refused`."""
    try:
        _despite_conflicts(partial(_transact, parts))
    except TransactWriteError as error:
        checks = [i for i, part in enumerate(parts) if isinstance(part, Check)]
        puts = [i for i, part in enumerate(parts) if isinstance(part, Put)]
        # pynamodb sends the checks before the puts, whatever the order of the calls.
        reasons = zip(checks + puts, _reasons(error), strict=False)
        failed = sorted(i for i, why in reasons if why == "ConditionalCheckFailed")
        if not failed:
            raise
        raise Refused(failed) from error


def _transact(parts: Sequence[Put | Check]) -> None:
    with TransactWrite(connection=connection()) as write:
        for part in parts:
            if isinstance(part, Check):
                write.condition_check(part.model, part.pk, part.sk, part.condition)
            else:
                free = part.condition if part.condition is not None else type(part.item).pk.does_not_exist()
                write.save(part.item, free)


def _despite_conflicts(write: Callable[[], object]) -> None:
    """Write. While another transaction is at an item of it nothing is written, nor refused: so it is tried again."""
    for wait in CONFLICT_WAITS:
        try:
            write()
            return
        except (PutError, TransactWriteError) as error:
            if not _is_conflict(error):
                raise
        time.sleep(wait.total_seconds())
    write()


def _is_conflict(error: PutError | TransactWriteError) -> bool:
    if isinstance(error, PutError):
        return code_of(error) == "TransactionConflictException"
    reasons = _reasons(error)
    return "TransactionConflict" in reasons and "ConditionalCheckFailed" not in reasons


def _reasons(error: TransactWriteError) -> list[str | None]:
    """Why a transaction was called off, for each of its parts; None: not because of it."""
    return [None if why is None else why.code for why in error.cancellation_reasons]


def page(
    items: ResultIterator[_T], limit: int, keep: Callable[[_T], bool] | None = None
) -> tuple[list[_T], Key | None]:
    """Up to `limit` items that `keep` likes, and where to go on (None: that was all).

    Looks at no more than `EVALUATED_MAX` items; a page may be short and still have a next one.
    """
    found: list[_T] = []
    place: Key | None = None
    for evaluated, item in enumerate(items, start=1):
        liked = keep is None or keep(item)
        if liked and len(found) == limit:
            return found, place
        if liked:
            found.append(item)
        place = items.last_evaluated_key
        if evaluated == EVALUATED_MAX:
            return found, place
    return found, None


def merged_page(
    sources: Mapping[str, Iterable[_T]],
    order: Callable[[_T], str],
    key_of: Callable[[_T], Key],
    limit: int,
    keep: Callable[[_T], bool] | None = None,
) -> tuple[list[_T], dict[str, Key] | None]:
    """Like `page`, over several queries, each newest first, merged by `order`, newest first.

    Where to go on is told for each source whose items were used up; the others start again where they started.
    """
    streams = [_tagged(name, items, order) for name, items in sources.items()]
    found: list[_T] = []
    places: dict[str, Key] = {}
    for evaluated, (_, name, item) in enumerate(heapq.merge(*streams, key=itemgetter(0), reverse=True), start=1):
        liked = keep is None or keep(item)
        if liked and len(found) == limit:
            return found, places
        if liked:
            found.append(item)
        places[name] = key_of(item)
        if evaluated == EVALUATED_MAX:
            return found, places
    return found, None


def _tagged(name: str, items: Iterable[_T], order: Callable[[_T], str]) -> Iterator[tuple[str, str, _T]]:
    for item in items:
        yield order(item), name, item
