"""The process that is the local cloud: ministack, which ends when the process that started it ends.

Started by `infra.local_cloud` with a pipe as its standard input. The pipe closes when the parent is gone,
however it went; ministack's own children, the functions, notice their pipes closing in the same way.
"""

import os
import signal
import sys
import threading
import time

GRACE_SECONDS = 5.0


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    from ministack import app
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    # A function counts as ready half a second after each change, to exercise waiters. A deploy makes four.
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0.05
    # After each invocation it waits 50 ms for a first log line. A late line is read with the next one's.
    lambda_runtime.Worker._drain_stderr_bounded.__defaults__ = (0.002, 0.002, 0.250)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    app.main()
