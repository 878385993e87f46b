"""The process that is the local cloud: ministack, which ends when the process that started it ends.

Started by `infra.local_cloud` with a pipe as its standard input, as the leader of a session of its own. The pipe
closes when the parent is gone, however it went. The functions that run then go with their session.

With AUTH it judges what the functions ask of AWS by their roles' policies, as AWS does. What it judged is written to
the file that JUDGEMENTS names, each once: function, action, resource and decision, with tabs between them.
"""

import hashlib
import os
import signal
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

GRACE_SECONDS = 5.0
WORKERS = 4
"""How many messages of a queue are worked on at once. Each takes a process, and all share one machine."""


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.killpg(os.getpid(), signal.SIGKILL)


def _written_down(evaluate: Callable[..., Any], file: Path) -> Callable[..., Any]:
    """The same judge, keeping a record. A principal's ARN ends in its session, which is its function's name."""
    seen: set[str] = set()

    def judge(context: Any, *policies: Any, **more: Any) -> Any:
        result = evaluate(context, *policies, **more)
        function = context.principal_arn.rpartition("/")[2]
        line = "\t".join((function, context.action, context.resource_arn, result.decision))
        if line not in seen:
            seen.add(line)
            with file.open("a") as record:
                record.write(line + "\n")
        return result

    return judge


class _UnpackedOnce(zipfile.ZipFile):
    """A package, which each instance of its function unpacks. Here the first one does, the others get links to it."""

    _one_at_a_time = threading.Lock()

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:
        """See `zipfile.ZipFile.extractall`."""
        content = repr([(member.filename, member.CRC) for member in self.infolist()])
        shared = Path(tempfile.gettempdir(), "unpacked", hashlib.sha256(content.encode()).hexdigest())
        with self._one_at_a_time:
            if not shared.exists():
                super().extractall(shared, members, pwd)
        for unpacked in shared.iterdir():
            Path(path, unpacked.name).symlink_to(unpacked)


def _parsed_once(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same parser, which parses a policy's text once instead of twice for each call of a function."""
    of_text = lru_cache(maxsize=100)(parse)
    return lambda document: of_text(document) if isinstance(document, str) else parse(document)


def _as_aws_names_it(extract: Callable[..., Any]) -> Callable[..., Any]:
    """The same reader of a request's action: for AWS, sending ten messages is sending, and has no name of its own."""

    def action(*request: Any) -> Any:
        found = extract(*request)
        return "sqs:SendMessage" if found == "sqs:SendMessageBatch" else found

    return action


if __name__ == "__main__":
    from ministack import app
    from ministack.core import iam_actions, iam_evaluator, lambda_runtime
    from ministack.services import dynamodb, lambda_svc

    # A query parses its condition anew for each item of the partition. The same text parses the same way.
    dynamodb._condition_syntax_error = lru_cache(maxsize=1_000)(dynamodb._condition_syntax_error)
    # A function counts as ready half a second after each change, to exercise waiters. A deploy makes four.
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0.05
    # Having looked in vain for something to do, it looks again only after 50 ms, whatever was sent meanwhile.
    lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS = 0.005
    at_once = lambda_svc._sqs_esm_concurrency
    lambda_svc._sqs_esm_concurrency = lambda *mapping: min(WORKERS, at_once(*mapping))
    # After each invocation it waits 50 ms for a first log line. A late line is read with the next one's.
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (0.002, 0.002, 0.250)
    lambda_runtime.zipfile = SimpleNamespace(ZipFile=_UnpackedOnce, BadZipFile=zipfile.BadZipFile)
    iam_evaluator.parse_policy_document = _parsed_once(iam_evaluator.parse_policy_document)
    iam_actions.extract_iam_action = _as_aws_names_it(iam_actions.extract_iam_action)
    # Our queues have no policy of their own. That it grants nothing would be written down as a refusal. The bucket's
    # only refuses what isn't encrypted on its way, which nothing here is.
    for service in ("sqs", "s3"):
        del iam_evaluator._RESOURCE_POLICY_LOOKUPS[service]
    iam_evaluator.evaluate = _written_down(iam_evaluator.evaluate, Path(os.environ["JUDGEMENTS"]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        app.main()
    finally:
        os.killpg(os.getpid(), signal.SIGKILL)
