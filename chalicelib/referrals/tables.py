"""The `referrals` table.

| pk                         | sk                         | item                                                   |
|----------------------------|----------------------------|--------------------------------------------------------|
| `{program}#c#{customer}`   | `binding#{n}`              | the customer's nth binding; also in `by_distributor`   |
| `{program}#c#{customer}`   | `renewal#{paid_at}#{order}` | that a credited order let binding n live on           |
| `{program}#v#{visitor}`    | `click#{at}#{id}`          | a click                                                |
| `{program}#k#{id}`         | `key`                      | what an Idempotency-Key asked for, as a digest         |
"""

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from chalicelib.shared.tables import Table


class ReferralsTable(Table):
    """What all items of the table share."""

    room = "referrals"


class ByDistributor(GlobalSecondaryIndex[Any]):
    """The bindings to a distributor, also those that ended, by their time. `distributor_key`: `{program}#{distributor}`."""

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
