"""The worker killed at random points of a sweep: how late is the output off, by the instrument's own word?

python -m benchmarks.kill_while_sweeping [--kills 200] [--lanes 2] [--seed 1] [--smu keithley2450]

Lab, watchdog and worker are processes of their own. The worker runs an `iv_sweep` and is killed (SIGKILL) at a random moment after
the output went on for it; the watchdog has to notice and to switch off. The simulated SMU does not help: a lost connection leaves its
output on, as a real one's. Only kills that found the output on count.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.sweep_kills import OFF_S, kill_many


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("kills", 200), ("lanes", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--smu", default="keithley2450", help="the simulated model")
    given = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        kills = kill_many(Path(folder), given.kills, given.lanes, given.seed, ("--smu", given.smu))
    took_s, off_s = time.perf_counter() - started, sorted(kill.off_s for kill in kills if kill.was_on)
    answer_s = max(kill.answer_s for kill in kills)
    late, unsafe = sum(each > OFF_S for each in off_s), sum(not kill.left_safe for kill in kills)
    print(
        f"{given.smu}: {len(off_s)} kills while sweeping ({len(kills) - len(off_s)} more found the output off already) in {took_s:.0f} s; "
        f"output off, read back, {off_s[len(off_s) // 2]:.2f} s after SIGKILL in the median, {off_s[-1]:.2f} s at the latest "
        f"(bound {OFF_S} s): {late} late, no question to it took longer than {answer_s:.2f} s; "
        f"{unsafe} times a junction was not isolated or the chuck not separated afterwards"
    )
    return 1 if late or unsafe else 0


if __name__ == "__main__":
    sys.exit(main())
