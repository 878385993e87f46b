"""A hundred clients at once, each of which sends again what got no answer, as the API says."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Any

import urllib3

from infra.replay.progress import Step
from tests.journeys.client import Http
from tests.load.plan import Request
from tests.support import Answer

CLIENTS = 100
PATIENCE_SECONDS = 600.0
"""How long a client goes on trying."""
WAIT_SECONDS = 0.5
WAIT_SECONDS_MAX = 5.0
AGAIN = {429, 500, 502, 503, 504}


class Patient(Http):
    """One client, that asks and waits: what got no answer is sent again until it gets one."""

    def send(self, method: str, path: str, body: Any, key: str | None, **headers: str) -> Answer:
        """See `Http.send`. Raises what the last of the attempts did."""
        for wait in (1, 2, 4, 8, 16):
            with suppress(urllib3.exceptions.HTTPError):
                answer = super().send(method, path, body, key, **headers)
                if answer.status not in AGAIN:
                    return answer
            time.sleep(wait)
        return super().send(method, path, body, key, **headers)


class Crowd:
    """Tells requests; counts what happened, and keeps what shouldn't have."""

    def __init__(self, api: Http, key: str, answered: Callable[[int], None]) -> None:
        self._api, self._key, self._answered = api, key, answered
        self._lock = Lock()
        self.sent = 0
        self.answers: Counter[int] = Counter()
        self.again: Counter[str] = Counter()
        """Why something was sent again, and how often."""
        self.wrong: list[str] = []
        self._new: defaultdict[tuple[str, str], int] = defaultdict(int)

    def tell(self, requests: list[Request], step: Step) -> None:
        """Tell all of them; copies of one by as many clients at once."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            copies = (request for request in requests for _ in range(request.copies))
            for told in [clients.submit(self._tell, request, step) for request in copies]:
                told.result()

    def made_twice(self) -> list[str]:
        """What was answered as new more than once."""
        return [f"{path} {name} was new {times} times" for (path, name), times in self._new.items() if times > 1]

    def _tell(self, request: Request, step: Step) -> None:
        answer = self._until_answered(request)
        with self._lock:
            self.sent += 1
            count = self.sent
            if answer is None:
                self.wrong.append(f"{request.path}: no answer within {PATIENCE_SECONDS:.0f} s")
            else:
                self._note(request, answer)
        step.done()
        self._answered(count)

    def _note(self, request: Request, answer: Answer) -> None:
        self.answers[answer.status] += 1
        if answer.status == 201:
            self._new[request.path, request.body.get("order_id") or request.body["refund_id"]] += 1
        if answer.status not in (200, 201):
            self.wrong.append(f"{request.path} answered {answer.status}: {answer.text[:300]}")

    def _until_answered(self, request: Request) -> Answer | None:
        deadline, wait = time.monotonic() + PATIENCE_SECONDS, WAIT_SECONDS
        while time.monotonic() < deadline:
            why, answer = self._send(request)
            if answer is not None:
                return answer
            with self._lock:
                self.again[why] += 1
            time.sleep(wait * random.uniform(0.5, 1))
            wait = min(2 * wait, WAIT_SECONDS_MAX)
        return None

    def _send(self, request: Request) -> tuple[str, Answer | None]:
        """The answer; or why it has to be sent again."""
        try:
            answer = self._api.post(request.path, request.body, self._key)
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__, None
        if answer.status in AGAIN:
            self._bug(request, answer)
            return str(answer.status), None
        return "", answer

    def _bug(self, request: Request, answer: Answer) -> None:
        """Who was killed answers 502, a store that is too slow 503; 500 says that the app is at fault."""
        if answer.status == 500:
            with self._lock:
                self.wrong.append(f"{request.path} answered {answer.status}: {answer.text[:300]}")
