"""`make load`: a hundred clients at the deployed local cloud, one who sells half, duplicates, killed workers.

Ends with 1 if anything is lost, or there twice: a reconciliation and an oracle of plain numbers look at everything.
"""

import argparse
import random
import sys
from contextlib import ExitStack

from infra.local_cloud import deployed
from infra.replay.progress import Teller
from tests.load.plan import Plan
from tests.load.run import LOGS, Load

SHOWN = 20
"""How many differences are printed."""


def main() -> int:
    """Load it, and say what came of it; the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--orders", type=int, default=600)
    parser.add_argument("--kills", type=int, default=20, help="while orders come in")
    told = parser.parse_args()
    print(f'make load ARGS="--seed {told.seed} --orders {told.orders} --kills {told.kills}"', flush=True)
    with Teller() as teller, ExitStack() as running:
        with teller.step("A local cloud, the app deployed", 1) as step:
            stage = running.enter_context(deployed(judged=False))
            step.done()
        load = Load(Plan(told.seed, told.orders, told.kills), stage, teller)
        wrong = load.run()
    print()
    for name, count in load.figures().items():
        print(f"  {name:<36}{count:>9,}")
    print(f"  {'differences':<36}{len(wrong):>9,}")
    for line in wrong[:SHOWN]:
        print(f"  {line}")
    if wrong:
        print(f"The same again: --seed {told.seed}. What the functions logged as errors is in {LOGS}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
