"""The `distributors` table.

| pk                         | sk            | item                                                            |
|----------------------------|---------------|-----------------------------------------------------------------|
| `{program}#{distributor}`  | `profile`     | a distributor; also in the indexes `by_program`, `by_sponsor`   |
| `{program}#user#{user}`    | `user`        | claim: this user is that distributor                            |
| `{program}#code#{CODE}`    | `code`        | claim: this code is that distributor's                          |
| `{program}#invitation`     | invitation id | an invitation, its secret as SHA-256                            |
| `{program}#tree`           | `tree`        | counts the moves in the sponsor tree, so that they go one by one |
"""

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.distributors.model import Distributor, Status
from chalicelib.shared import clock
from chalicelib.shared.tables import JsonAttribute, Revised, Table


def profile_key(program_id: str, distributor_id: str) -> str:
    """The `pk` of a distributor's profile, and the `sponsor_key` of those it sponsors."""
    return f"{program_id}#{distributor_id}"


class DistributorsTable(Table):
    """What all items of the table share."""

    room = "distributors"


class ByProgram(GlobalSecondaryIndex[Any]):
    """A program's distributors, in the order in which they came."""

    class Meta:
        """pynamodb's."""

        index_name = "by_program"
        projection = AllProjection()

    program = UnicodeAttribute(hash_key=True)
    distributor_id = UnicodeAttribute(range_key=True)


class BySponsor(GlobalSecondaryIndex[Any]):
    """Whom a distributor sponsors now. `sponsor_key` is `{program}#{sponsor}`, absent without a sponsor."""

    class Meta:
        """pynamodb's."""

        index_name = "by_sponsor"
        projection = AllProjection()

    sponsor_key = UnicodeAttribute(hash_key=True)
    distributor_id = UnicodeAttribute(range_key=True)


class ProfileItem(DistributorsTable, Revised):
    """A distributor. `statuses` and `sponsors` are lists of [since, value], oldest first."""

    class Meta:
        """pynamodb's."""

    program = UnicodeAttribute()
    distributor_id = UnicodeAttribute()
    sponsor_key = UnicodeAttribute(null=True)
    user_id = UnicodeAttribute()
    name = UnicodeAttribute()
    track = UnicodeAttribute()
    code = UnicodeAttribute()
    status = UnicodeAttribute()
    sponsor_id = UnicodeAttribute(null=True)
    joined_at = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    contact = JsonAttribute(default=dict)
    evidence = JsonAttribute(default=dict)
    shards = NumberAttribute(default=1)
    statuses = JsonAttribute(default=list)
    sponsors = JsonAttribute(default=list)
    application = UnicodeAttribute()
    """Digest of what was applied with: the same application again is no conflict."""
    done = JsonAttribute(default=dict)
    """Of each Idempotency-Key that changed this item (as digest): the digest of what it asked for."""

    by_program = ByProgram()
    by_sponsor = BySponsor()

    def sponsored_by(self, since: str, sponsor_id: str | None) -> None:
        """Note a sponsor in the history, as the one it has now, and for the index."""
        self.sponsors = [*self.sponsors, [since, sponsor_id]]
        self.sponsor_id = sponsor_id
        self.sponsor_key = sponsor_id and profile_key(self.program, sponsor_id)

    def becomes(self, since: str, status: Status) -> None:
        """Note a status in the history and as the one it has now; the first approval is when it joined."""
        self.statuses = [*self.statuses, [since, status.value]]
        self.status = status.value
        if status is Status.APPROVED and self.joined_at is None:
            self.joined_at = since

    def distributor(self) -> Distributor:
        """The item as the room's noun."""
        return Distributor(
            program_id=self.program,
            distributor_id=self.distributor_id,
            user_id=self.user_id,
            name=self.name,
            track=self.track,
            status=Status(self.status),
            code=self.code,
            sponsor_id=self.sponsor_id,
            joined_at=clock.read(self.joined_at) if self.joined_at else None,
            created_at=clock.read(self.created_at),
            contact=self.contact,
            evidence=self.evidence,
            shards=int(self.shards),
            statuses=tuple((clock.read(since), Status(status)) for since, status in self.statuses),
            sponsors=tuple((clock.read(since), sponsor_id) for since, sponsor_id in self.sponsors),
        )


class ClaimItem(DistributorsTable):
    """That a user id or a code is taken, and by whom."""

    class Meta:
        """pynamodb's."""

    distributor_id = UnicodeAttribute()


class InvitationItem(DistributorsTable, Revised):
    """An invitation. Used once: `used_at` is set in the transaction that makes the distributor."""

    class Meta:
        """pynamodb's."""

    secret_hash = UnicodeAttribute()
    track = UnicodeAttribute()
    sponsor_id = UnicodeAttribute(null=True)
    expires_at = UnicodeAttribute()
    used_at = UnicodeAttribute(null=True)
    used_by = UnicodeAttribute(null=True)


class TreeItem(DistributorsTable, Revised):
    """The sponsor tree's revision. Each move counts it up, so a move that walked an older tree is refused."""

    class Meta:
        """pynamodb's."""
