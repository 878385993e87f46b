"""Something that falls due, and the time at which it does."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from chalicelib.shared import clock
from tests.levels.seller import Seller
from tests.support_clock import Worker
from tests.support_state import Kept, kept, rewound


class RealTime:
    """Real time as the platform sees it, moved by the test; between moves it goes on by a microsecond a look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._passed = count()
        self.to("2026-03-01T10:00:00+08:00")

    def to(self, at: str) -> None:
        """Let it be a time, with its offset."""
        then = datetime.fromisoformat(at).astimezone(UTC)
        self._monkeypatch.setattr(clock, "now", lambda: then + timedelta(microseconds=next(self._passed)))


class Due:
    """A test program on the way from 02:30 to 04:30 of 1 March, by one message that nobody has worked on yet.

    At that close `li` rises from 1 to 4, by an order of 28 February that was told late; `mei` has missed February and
    falls from 4 to 3. Both have an order of 00:20: `li`'s was judged with rank 1, so it is judged again; `mei`'s
    with rank 3. Of `li`'s a part came back, which nothing has decided yet.
    """

    def __init__(self, mei: Seller, worker: Worker) -> None:
        self.mei, self.worker = mei, worker
        self.li = Seller(mei.api, mei.shop, worker, name="li")
        mei.sells("M", 500_000, "2026-01-30T10:00:00+08:00")
        mei.clock("2026-02-28T10:00:00+08:00")
        mei.clock("2026-03-01T02:30:00+08:00")
        self.li.sells("P", 100_000, "2026-03-01T00:20:00+08:00")
        self.li.refund("P", "r", 10_000, "2026-03-01T00:25:00+08:00", decided=False)
        mei.sells("Q", 100_000, "2026-03-01T00:20:00+08:00")
        self.li.sells("L", 500_000, "2026-02-28T23:00:00+08:00")
        body = {"now": "2026-03-01T04:30:00+08:00"}
        assert mei.api.post("/v1/test/clock", body, mei.shop.operator).status == 202
        (self.message,) = worker.waiting()
        with rewound():
            self.work()
            self._assert_done()
            self.calm = self.kept()
            """What is kept in the end, when nothing happens on the way."""

    def work(self) -> None:
        """Give the message to a worker, and do what it sends."""
        self.worker.deliver(self.message)
        self.worker.run()

    def kept(self) -> Kept:
        """What is kept where a close may write, but for the notes of how the work was cut."""
        rows = kept("programs", "levels", "decisions", "entries", "ops")
        for row in rows.values():
            row.pop("parts", None)
        return {key: row for key, row in rows.items() if "#walk#" not in key[1]}

    def _assert_done(self) -> None:
        assert self.li.changes() == [("2026-03-01", 1, 4, "rocket")]
        assert self.mei.changes()[-1] == ("2026-03-01", 4, 3, "snail")
        assert (self.li.level_of("P"), self.mei.level_of("Q")) == ((4, 800, 7200), (3, 600, 6000))
        newest = self.mei.get("/v1/jobs")["data"][0]
        assert newest["counts"] == {"distributors": 2, "rises": 1, "falls": 1, "hands": 0}
