"""The program that a replay has made, and what it keeps of it."""

from dataclasses import dataclass, field

from infra.replay.stops import Ask, Json, Order


@dataclass(frozen=True)
class Stage:
    """A program: its keys by scope, its distributors by user id, what was answered to orders by id."""

    program_id: str
    keys: dict[str, str]
    distributors: dict[str, Json]
    answers: dict[str, Json] = field(default_factory=dict)
    withdrawals: dict[str, Ask] = field(default_factory=dict)
    """By the platform's id, who asked for it, and what was foreseen of it."""
    taken_back: list[Order] = field(default_factory=list)
    """The order that came back in the aftermath."""

    def id_of(self, user_id: str) -> str:
        """The platform's id for a distributor."""
        return str(self.distributors[user_id]["distributor_id"])

    def name_of(self, distributor_id: str) -> str | None:
        """How a distributor is called; None: it is nobody's id."""
        names = (each["name"] for each in self.distributors.values() if each["distributor_id"] == distributor_id)
        return next(names, None)
