"""The nouns of distributors."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import field

from chalicelib.shared.value import Value


class Status(StrEnum):
    """Where a distributor stands. Only an approved one earns."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Action(StrEnum):
    """What an operator may do about a distributor's status."""

    APPROVE = "approve"
    REJECT = "reject"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    CLOSE = "close"


class Application(Value):
    """What one who wants to take part tells. `track` None: the invitation's, else `default`."""

    user_id: str
    name: str
    track: str | None = None
    sponsor_code: str | None = None
    invitation: str | None = None
    contact: Mapping[str, str] = field(default_factory=dict)
    evidence: Mapping[str, object] = field(default_factory=dict)


class Distributor(Value):
    """One who takes part. Status and sponsor are kept with their history, so that they can be told as of any time."""

    program_id: str
    distributor_id: str
    user_id: str
    name: str
    track: str
    status: Status
    code: str
    sponsor_id: str | None
    joined_at: datetime | None
    """The first approval; None: never approved."""
    created_at: datetime
    contact: Mapping[str, str]
    """Personal: phone, email, wechat. Never in logs or the audit log."""
    evidence: Mapping[str, object]
    shards: int
    """Over how many partitions its entries are spread."""
    statuses: tuple[tuple[datetime, Status], ...]
    """Each status and since when, oldest first."""
    sponsors: tuple[tuple[datetime, str | None], ...]
    """Each sponsor and since when, oldest first."""

    def status_at(self, at: datetime) -> Status | None:
        """The status as of an instant; of two changes at one instant the later one. None: it wasn't there yet."""
        return next((status for since, status in reversed(self.statuses) if since <= at), None)

    def spells(self) -> Iterator[tuple[datetime, Status, datetime | None]]:
        """Each status with since when and until when, oldest first; None: it lasts."""
        ends = [*(since for since, _ in self.statuses[1:]), None]
        for (since, status), until in zip(self.statuses, ends, strict=True):
            yield since, status, until

    def approved_at(self, at: datetime) -> bool:
        """Whether it could earn at an instant."""
        return self.status_at(at) is Status.APPROVED

    def sponsor_at(self, at: datetime) -> str | None:
        """The sponsor as of an instant; of two moves at one instant the later one."""
        return next((sponsor for since, sponsor in reversed(self.sponsors) if since <= at), None)


class Wanted(Value):
    """Which distributors a list shows; None: all. `text` is looked for in name, user id and code."""

    status: Status | None = None
    track: str | None = None
    text: str | None = None


class Invitation(Value):
    """Lets one person join a track at once. `text` is shown once, when it is made; kept is only its hash."""

    text: str | None
    track: str
    sponsor_id: str | None
    expires_at: datetime
    used_at: datetime | None
