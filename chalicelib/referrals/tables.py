"""The `referrals` table.

| pk                         | sk                         | item                                                   |
|----------------------------|----------------------------|--------------------------------------------------------|
| `{program}#c#{customer}`   | `binding#{n}`              | the customer's nth binding; also in `by_distributor`   |
| `{program}#c#{customer}`   | `renewal#{paid_at}#{order}` | that a credited order let binding n live on           |
| `{program}#v#{visitor}`    | `click#{at}#{id}`          | a click                                                |
| `{program}#k#{id}`         | `key`                      | what an Idempotency-Key asked for, as a digest         |
"""

from typing import Any, Self

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.referrals.model import Binding
from chalicelib.shared import clock
from chalicelib.shared.tables import Table


def customer_key(program_id: str, customer_id: str) -> str:
    """The partition of all that is known of a customer."""
    return f"{program_id}#c#{customer_id}"


def binding_key(n: int) -> str:
    """The place of a customer's nth binding."""
    return f"binding#{n:06}"


def visitor_key(program_id: str, visitor_id: str) -> str:
    """The partition of a visitor's clicks."""
    return f"{program_id}#v#{visitor_id}"


def distributor_key(program_id: str, distributor_id: str) -> str:
    """The partition of the index in which a distributor's bindings are."""
    return f"{program_id}#{distributor_id}"


class ReferralsTable(Table):
    """What all items of the table share."""

    room = "referrals"


class ByDistributor(GlobalSecondaryIndex[Any]):
    """The bindings to a distributor, also those that ended, by their time."""

    class Meta:
        """pynamodb's."""

        index_name = "by_distributor"
        projection = AllProjection()

    distributor_key = UnicodeAttribute(hash_key=True)
    bound_at = UnicodeAttribute(range_key=True)


class BindingItem(ReferralsTable):
    """That a customer is a distributor's from `bound_at` on. Never changed: the next one ends it."""

    class Meta:
        """pynamodb's."""

    distributor_id = UnicodeAttribute()
    distributor_key = UnicodeAttribute()
    bound_at = UnicodeAttribute()
    source = UnicodeAttribute()
    cause = UnicodeAttribute()

    by_distributor = ByDistributor()

    @classmethod
    def of(cls, program_id: str, binding: Binding) -> Self:
        """A binding as it is kept."""
        return cls(
            customer_key(program_id, binding.customer_id),
            binding_key(binding.n),
            distributor_id=binding.distributor_id,
            distributor_key=distributor_key(program_id, binding.distributor_id),
            bound_at=clock.stored(binding.since),
            source=binding.source,
            cause=binding.cause,
        )

    def binding(self) -> Binding:
        """The binding back."""
        return Binding(
            customer_id=self.pk.rpartition("#c#")[2],
            n=int(self.sk.removeprefix("binding#")),
            distributor_id=self.distributor_id,
            since=clock.read(self.bound_at),
            source=self.source,
            cause=self.cause,
        )


class RenewalItem(ReferralsTable):
    """That a credited order was paid while the customer's `n`th binding lived."""

    class Meta:
        """pynamodb's."""

    n = NumberAttribute()


class ClickItem(ReferralsTable):
    """That a visitor followed a distributor's link."""

    class Meta:
        """pynamodb's."""

    distributor_id = UnicodeAttribute()
    code = UnicodeAttribute()
    url = UnicodeAttribute(null=True)
    channel = UnicodeAttribute(null=True)


class KeyItem(ReferralsTable):
    """What an Idempotency-Key asked for first: another request under it is refused."""

    class Meta:
        """pynamodb's."""

    asked = UnicodeAttribute()
