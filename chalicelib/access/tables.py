"""The `access` table.

| pk                  | sk              | item                                                     |
|---------------------|-----------------|----------------------------------------------------------|
| `key`               | key id          | a key, its secret as SHA-256                             |
| `key`               | `@first`        | that a first platform key was made                       |
| `session`           | session id      | a session, its secret as SHA-256; TTL `expires_at`       |
| `program`           | program id      | that a program exists, for keys to refer to              |
| `audit#{program}`   | time # id       | one audit row; the platform's own under `audit#@platform` |
"""

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.shared.tables import JsonAttribute, Table


class AccessTable(Table):
    """What all items of the table share."""

    room = "access"


class KeyItem(AccessTable):
    """An API key."""

    class Meta:
        """pynamodb's."""

    secret_hash = UnicodeAttribute()
    actor = UnicodeAttribute()
    scope = UnicodeAttribute()
    program_id = UnicodeAttribute(null=True)
    created_at = UnicodeAttribute()
    revoked = BooleanAttribute(default=False)


class SessionItem(AccessTable):
    """A distributor's session."""

    class Meta:
        """pynamodb's."""

    secret_hash = UnicodeAttribute()
    program_id = UnicodeAttribute()
    distributor_id = UnicodeAttribute()
    expires_at = NumberAttribute()


class MarkItem(AccessTable):
    """That something exists: a program, the first platform key."""

    class Meta:
        """pynamodb's."""


class AuditItem(AccessTable):
    """One row of the audit log."""

    class Meta:
        """pynamodb's."""

    at = UnicodeAttribute()
    actor = UnicodeAttribute()
    action = UnicodeAttribute()
    subject = UnicodeAttribute()
    reason = UnicodeAttribute(null=True)
    detail = JsonAttribute(default=dict)
