"""The items of a release, as the store had them: of a whole path from an order to its payout and what came back."""

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chalicelib.shared.tables import connection
from tests.faults.world import World
from tests.support_state import images

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Release:
    """A shop of a release: who is in it, what its keys are (of tests alone), what it has, and every item."""

    who: dict[str, dict[str, Any]]
    keys: dict[str, str]
    answers: dict[str, list[int]]
    """Pending, available, held and paid, by distributor."""
    items: list[list[Any]]
    """Room and item, binary values as base 64."""

    @classmethod
    def of(cls, world: World) -> "Release":
        """What the store holds now."""
        items = [[room, json.loads(json.dumps(image, default=_text))] for (room, _, _), image in sorted(images())]
        answers = {name: list(world.answer(name)) for name in world.market.who}
        return cls(world.market.who, asdict(world.shop), answers, items)

    @classmethod
    def read(cls, version: str) -> "Release":
        """That of a version."""
        return cls(**json.loads((FOLDER / f"{version}.json").read_text()))

    def text(self) -> str:
        """An item a line, so that a change can be read."""
        rows = ",\n".join(json.dumps(item, ensure_ascii=False) for item in self.items)
        head = {"who": self.who, "keys": self.keys, "answers": self.answers}
        return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "items": [\n{rows}\n]}}\n'

    def put(self, more: dict[str, Any]) -> None:
        """Put every item where it was; `more`: attributes that all of them get."""
        for room, image in self.items:
            item = {name: {kind: _plain(kind, value)} for name, typed in image.items() for kind, value in typed.items()}
            connection().client.put_item(TableName=f"tributary-test-{room}", Item=item | more)


def _text(binary: bytes) -> str:
    return base64.b64encode(binary).decode()


def _plain(kind: str, value: Any) -> Any:
    return base64.b64decode(value) if kind == "B" else value
