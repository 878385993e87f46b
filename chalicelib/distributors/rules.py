"""What is decided about who takes part, from what is given."""

from collections.abc import Mapping
from typing import Final

from chalicelib.distributors.model import Action, Distributor, Status, Wanted
from chalicelib.programs.model import EntryMode

CHANGES_MAX: Final = 200
"""How many changes of status, and how many of sponsor, one distributor may have."""

_LIVING: Final = frozenset({Status.PENDING, Status.APPROVED, Status.SUSPENDED})

_STEPS: Final[Mapping[Action, tuple[frozenset[Status], Status]]] = {
    Action.APPROVE: (frozenset({Status.PENDING}), Status.APPROVED),
    Action.REJECT: (frozenset({Status.PENDING}), Status.REJECTED),
    Action.SUSPEND: (frozenset({Status.APPROVED}), Status.SUSPENDED),
    Action.REINSTATE: (frozenset({Status.SUSPENDED}), Status.APPROVED),
    Action.CLOSE: (_LIVING, Status.CLOSED),
}


def first_status(mode: EntryMode, invited: bool) -> Status:
    """The status one enters a track with. An invitation opens each; who enters by purchase waits to be let in."""
    return Status.APPROVED if invited or mode is EntryMode.OPEN else Status.PENDING


def after(status: Status, action: Action) -> Status | None:
    """The status that an action leads to. None: it can't be done from this status."""
    origins, target = _STEPS[action]
    return target if status in origins else None


def wanted(distributor: Distributor, which: Wanted) -> bool:
    """Whether a list shows this distributor."""
    if which.status not in (None, distributor.status) or which.track not in (None, distributor.track):
        return False
    if which.text is None:
        return True
    sought = which.text.casefold()
    return any(sought in text.casefold() for text in (distributor.name, distributor.user_id, distributor.code))
