"""An item of no meaning, in the table `ops`."""

from typing import Any

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from chalicelib.shared.tables import Revised


class Thing(Revised):
    """An item that changes."""

    room = "ops"

    class Meta:
        """pynamodb's."""

    name = UnicodeAttribute()
    count = NumberAttribute(null=True)


def new(sk: str, **attributes: Any) -> Thing:
    """One that isn't there yet."""
    return Thing("p", sk, **({"name": sk} | attributes))


def plain(sk: str, **attributes: str) -> dict[str, Any]:
    """The same as it goes over the wire."""
    return {name: {"S": value} for name, value in ({"pk": "p", "sk": sk, "name": sk} | attributes).items()}


def items() -> list[str]:
    """What is there, by `sk`."""
    return [item.sk for item in Thing.query("p", consistent_read=True)]
