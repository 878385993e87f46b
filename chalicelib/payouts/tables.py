"""The `payouts` table.

| pk                        | sk                  | item                                                             |
|---------------------------|---------------------|------------------------------------------------------------------|
| `{program}#{distributor}` | `m#{method id}`     | a payout method; its account encrypted, bound to these three ids |
| `{program}#methods`       | method id           | whose a method is, for those who know only its id                |
| `{program}#fingerprint`   | HMAC in hex         | which method has an account, so that no two have the same        |
| `{program}#key`           | `fingerprint`       | the program's key of those HMACs, encrypted                      |
| `{program}#key`           | `notices#{channel}` | the secret that a channel's notices are signed with, encrypted   |
| `{program}#batches`       | batch id            | a batch; its file is in the bucket                               |
| `{program}#pretend`       | reference           | the pretend provider's book                                      |
"""

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.payouts.model import Batch, Method
from chalicelib.shared import clock
from chalicelib.shared.tables import Revised, Table

METHOD = "m#"


def methods_key(program_id: str, distributor_id: str) -> str:
    """The partition of a distributor's methods."""
    return f"{program_id}#{distributor_id}"


def owners_key(program_id: str) -> str:
    """The partition in which methods' distributors are found."""
    return f"{program_id}#methods"


def claims_key(program_id: str) -> str:
    """The partition of the accounts that are taken."""
    return f"{program_id}#fingerprint"


def secrets_key(program_id: str) -> str:
    """The partition of a program's secrets."""
    return f"{program_id}#key"


def batches_key(program_id: str) -> str:
    """The partition of a program's batches."""
    return f"{program_id}#batches"


def pretend_key(program_id: str) -> str:
    """The partition of the pretend provider's book."""
    return f"{program_id}#pretend"


class PayoutsTable(Table):
    """What all items of the table share."""

    room = "payouts"


class MethodItem(PayoutsTable, Revised):
    """A payout method. Deleted, it stays: withdrawals that were asked for by it still need its account."""

    class Meta:
        """pynamodb's."""

    channel = UnicodeAttribute()
    masked = UnicodeAttribute()
    account = BinaryAttribute(legacy_encoding=False)
    fingerprint = UnicodeAttribute()
    created_at = UnicodeAttribute()
    deleted_at = UnicodeAttribute(null=True)

    def method(self) -> Method:
        """The item as the room's noun."""
        program_id, _, distributor_id = self.pk.rpartition("#")
        return Method(
            method_id=self.sk.removeprefix(METHOD),
            program_id=program_id,
            distributor_id=distributor_id,
            channel=self.channel,
            masked=self.masked,
            created_at=clock.read(self.created_at),
            deleted=self.deleted_at is not None,
        )


class OwnerItem(PayoutsTable):
    """Whose a method is."""

    class Meta:
        """pynamodb's."""

    distributor_id = UnicodeAttribute()


class ClaimItem(PayoutsTable, Revised):
    """An account, by its fingerprint, and the method that has it. Without one it is free again."""

    class Meta:
        """pynamodb's."""

    distributor_id = UnicodeAttribute(null=True)
    method_id = UnicodeAttribute(null=True)


class SecretItem(PayoutsTable):
    """A secret of a program, encrypted."""

    class Meta:
        """pynamodb's."""

    sealed = BinaryAttribute(legacy_encoding=False)


class BatchItem(PayoutsTable):
    """A batch, whose file has been written."""

    class Meta:
        """pynamodb's."""

    channel = UnicodeAttribute()
    created_at = UnicodeAttribute()
    count_ = NumberAttribute(attr_name="count")
    amount_minor = NumberAttribute()
    sha256 = UnicodeAttribute()

    def batch(self) -> Batch:
        """The item as the room's noun."""
        return Batch(
            batch_id=self.sk,
            program_id=self.pk.rpartition("#")[0],
            channel=self.channel,
            created_at=clock.read(self.created_at),
            count=int(self.count_),
            amount_minor=int(self.amount_minor),
            sha256=self.sha256,
        )


class BookItem(PayoutsTable, Revised):
    """A line of the pretend provider's book. Without `booked_at` the request was lost: it knows nothing."""

    class Meta:
        """pynamodb's."""

    content = UnicodeAttribute()
    amount_minor = NumberAttribute()
    currency = UnicodeAttribute()
    behaviour = UnicodeAttribute()
    booked_at = UnicodeAttribute(null=True)
