"""The worker killed with any byte of its traffic: how late are the needles off the wafer, and what was damaged?

python -m benchmarks.kill_in_contact [--kills 300] [--lanes 2] [--seed 1]

Lab, watchdog and worker are processes of their own, on the clock of real motion. The worker runs plans of every kind there is in turn,
through relays that count: it is killed (SIGKILL) with a byte drawn from those of two dies on the wire to the prober, the SMU or the
controller, half of the times a moment after it; the watchdog has to notice, switch off, and separate. The simulated prober does not help:
a lost connection leaves it in contact, as a real one. What was damaged is read from the lab's own ledger.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.contact_kills import SEPARATED_S, kill_many


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("kills", 300), ("lanes", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = kill_many(Path(folder), given.kills, given.lanes, given.seed)
    took_s, up = time.perf_counter() - started, [each for each in found.kills if each.was_up]
    late_s, live = sorted(each.late_s for each in up), sum(each.lifted_live for each in found.kills)
    late = sum(each > SEPARATED_S for each in late_s)
    print(
        f"{len(found.kills)} kills in {took_s:.0f} s, {len(up)} of them with the needles up against the wafer; damage entries: "
        f"{len(found.damage)}; separated {late_s[len(late_s) // 2]:.2f} s after SIGKILL in the median, {late_s[-1]:.2f} s at the latest, "
        f"plus the motion itself (bound {SEPARATED_S:g} s): {late} late; {live} times lifted with the output on; "
        f"{found.unbooked} touchdowns that no budget knows of; {len(found.false_alarms)} false alarms"
    )
    for entry in [*found.damage, *found.false_alarms, *(f"late: {each.death}" for each in up if each.late_s > SEPARATED_S)][:20]:
        print(entry)
    return 1 if late or live or found.damage or found.unbooked else 0


if __name__ == "__main__":
    sys.exit(main())
