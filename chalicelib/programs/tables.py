"""The `programs` table.

| pk          | sk                     | item                                                             |
|-------------|------------------------|------------------------------------------------------------------|
| program id  | `program`              | the program: clock, pauses, and which plan takes effect when     |
| program id  | `switch`               | whether the kill switch is on: small, for transactions to check  |
| program id  | `plan#{version:06}`    | a published plan, for ever                                       |
| program id  | `cause#{id}`           | which version an Idempotency-Key has published                   |
| `@programs` | time # program id      | the directory of programs, in the order they were made           |
"""

from pynamodb.attributes import BooleanAttribute, NumberAttribute, UnicodeAttribute

from chalicelib.shared.tables import JsonAttribute, Revised, Table

PROGRAM = "program"
PLANS = "plan#"
SWITCH = "switch"
DIRECTORY = "@programs"


def plan_key(version: int) -> str:
    """The `sk` of a plan; plans sort by version."""
    return f"{PLANS}{version:06}"


def cause_key(cause: str) -> str:
    """The `sk` of what an Idempotency-Key has published."""
    return f"cause#{cause}"


class ProgramItem(Revised):
    """A program. Read on every request, so all that a request may need is in it."""

    room = "programs"

    class Meta:
        """pynamodb's."""

    name = UnicodeAttribute()
    currency = UnicodeAttribute()
    timezone = UnicodeAttribute()
    country = UnicodeAttribute()
    mode = UnicodeAttribute()
    created_at = UnicodeAttribute()
    created_as = JsonAttribute()
    """The request that made it: a repeat is compared with this, not with what changed since."""
    clock_at = UnicodeAttribute(null=True)
    moving_to = UnicodeAttribute(null=True)
    held = JsonAttribute(default=dict)
    """`{track: {rank: day}}`: ranks above 1 that somebody has, with the last day for which that is known."""
    kill_switch = BooleanAttribute(default=False)
    plans = JsonAttribute(default=list)
    """`[[version, effective_at]]`, in the order of versions."""
    pauses = JsonAttribute(default=list)
    """`[[since, until or null]]`, oldest first."""


class SwitchItem(Revised):
    """The kill switch, if it was ever turned. A condition costs units by the size of its item, so it has its own."""

    room = "programs"

    class Meta:
        """pynamodb's."""

    on = BooleanAttribute(default=False)


class PlanItem(Table):
    """A published plan. Never changed."""

    room = "programs"

    class Meta:
        """pynamodb's."""

    version = NumberAttribute()
    effective_at = UnicodeAttribute()
    published_at = UnicodeAttribute()
    published_by = UnicodeAttribute()
    document = JsonAttribute()


class CauseItem(Table):
    """Which version an Idempotency-Key has published."""

    room = "programs"

    class Meta:
        """pynamodb's."""

    version = NumberAttribute()


class DirectoryItem(Table):
    """That a program exists, for the platform's list."""

    room = "programs"

    class Meta:
        """pynamodb's."""

    program_id = UnicodeAttribute()
