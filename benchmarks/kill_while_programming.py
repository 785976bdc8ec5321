"""A host killed at random points while it programs: is every pulse accounted for, is none given twice, are the outputs off?

python -m benchmarks.kill_while_programming [--kills 200] [--lanes 2] [--seed 1]

A board in a process of its own stays alive and logs every pulse its junctions get. A host with the store and the driver of the
service programs random targets, some of them left to the board to write and verify. It is killed (SIGKILL): half of the times
from outside at a random moment of its life, half at a stage of a command (intent, sent, answered) or up to 10 ms later. The next
host settles what it left. Each kill costs the dead man's 1.5 s.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.support.kill_cycles import OFF_S, kill_many


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("kills", 200), ("lanes", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        kills, audits = kill_many(Path(folder), given.kills, given.lanes, given.seed)
    doing = ", ".join(f"{name} {n}" for name, n in Counter(kill.doing.name.lower() for kill in kills).most_common())
    took_s, commands, left = time.perf_counter() - started, sum(each.intents for each in audits), sum(kill.left for kill in kills)
    fates: Counter[str] = sum((each.fates for each in audits), Counter())
    wrong = [text for each in audits for text in each.wrong]
    wrong += [f"{kill.unresolved} intents unresolved after a restart" for kill in kills if kill.unresolved]
    wrong += [f"off only {kill.off_s:.2f} s after the kill" for kill in kills if kill.off_s > OFF_S]
    print(
        f"{len(kills)} kills in {took_s:.0f} s, while {doing}; {commands:,} commands, {left} left open by the killed, all settled: "
        f"{', '.join(f'{fates[fate]:,} pulses {fate}' for fate in ('executed', 'refused', 'unknown'))}; the junctions got "
        f"{sum(each.pulses for each in audits):,}; off after at most {max(kill.off_s for kill in kills):.2f} s (bound {OFF_S} s); "
        f"{len(wrong)} violations"
    )
    for text in wrong:
        print(f"  {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
