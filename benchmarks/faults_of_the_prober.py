"""Every plan there is with every scripted fault of the prober: what does the ledger of all that breaks hold?

python -m benchmarks.faults_of_the_prober [--part 1/1]

A lab, a worker and a store of their own for each pair. A run may finish, pause or fail; what counts is that nothing is damaged and that
the station is safe when the run has come to rest. --part 2/5: the second of five parts of all pairs.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from itertools import product
from pathlib import Path

from hil.store import open_store
from tests.faults.test_f25_the_probers_own_faults import EVERY_FAULT, measured_with
from tests.hil.runs.helpers import plan_of
from tests.support.every_plan import PLANS, fields_of


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", default="1/1")
    part, parts = (int(number) for number in parser.parse_args().part.split("/"))
    logging.disable(logging.ERROR)
    started, ends, wrong = time.perf_counter(), Counter[str](), list[str]()
    pairs = list(product(PLANS, EVERY_FAULT))[part - 1 :: parts]
    for name, fault in pairs:
        try:
            ends[_measured(name, fault)] += 1
        except AssertionError as error:
            wrong.append(f"{name}, {fault}: {error}")
    told = ", ".join(f"{number} {state}" for state, number in sorted(ends.items()))
    print(
        f"{len(PLANS)} plans x {len(EVERY_FAULT)} faults of the prober, {len(pairs)} pairs in {time.perf_counter() - started:.0f} s: "
        f"{len(wrong)} with damage, or not left safe; runs {told}"
    )
    print(*wrong, sep="\n", end="")
    return 1 if wrong else 0


def _measured(name: str, fault: str) -> str:
    with tempfile.TemporaryDirectory() as folder, closing(open_store(Path(folder) / "data")) as store:
        return measured_with(Path(folder), store, EVERY_FAULT[fault], plan_of(**fields_of(store, name))).state


if __name__ == "__main__":
    sys.exit(main())
