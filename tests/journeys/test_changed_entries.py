"""An entry that somebody changes by hand is told, by the function as it is deployed."""

from itertools import count
from typing import Any

from infra.stage import Stage
from tests.journeys.client import Cloud, Shop, until
from tests.journeys.hands import Tables, logged


def test_an_entry_changed_by_hand_is_told_and_counted(cloud: Cloud, shop: Shop) -> None:
    stage, tables = Stage(cloud.stage.stage, cloud.stage.endpoint), Tables(cloud)
    seller, *_ = shop.chain()
    shop.order("A", 10000, code=seller["code"])
    shop.explained("A")
    account = f"{shop.program_id}#{seller['distributor_id']}#CNY#0"
    (entry,) = tables.items("entries", account)
    amounts = count(801)

    def told() -> list[dict[str, Any]]:
        # The local cloud may read what a function says only when it runs the next time.
        tables.put("entries", entry | {"amount": {"N": str(next(amounts))}})
        return logged(cloud, "watch_entries")

    seen = until(told, lambda lines: any(line.get("pk") == account for line in lines))
    line = next(line for line in seen if line.get("pk") == account)
    assert line == {"event": "entry_changed", "how": "MODIFY", "pk": account, "sk": entry["sk"]["S"]}
    assert {line["Stage"] for line in seen if line.get("EntriesChanged") == 1} == {stage.name}
    asked = {one.function for one in cloud.stage.judgements()}
    assert stage.function("decide_orders") in asked
    assert stage.function("watch_entries") not in asked
