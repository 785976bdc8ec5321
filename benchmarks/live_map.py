"""A trainer pulling a die's map over HTTP: npy beside JSON, and 304 when nothing is new.

python -m benchmarks.live_map
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.service import Board, mounted, put_conductance, running_run

REPEATS = 200
PATH = "/api/v1/dies/W1/0/0/maps/latest?state=P"


def median_ms(call: Callable[[], object], repeats: int = REPEATS) -> float:
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def main() -> None:
    board = Board()
    with tempfile.TemporaryDirectory() as folder, mounted(board, Path(folder)) as service, service.client() as client:
        put_conductance(service.store, running_run(service.store), (0, 0))
        etag = client.get(PATH).headers["etag"]
        npy = median_ms(lambda: client.get(PATH))
        known = median_ms(lambda: client.get(PATH, headers={"If-None-Match": etag}))
        nested = median_ms(lambda: client.get(PATH, headers={"Accept": "application/json"}), 20)
    board.close()
    print(f"one die's map: npy {npy:.2f} ms, not modified {known:.2f} ms, JSON {nested:.1f} ms ({nested / npy:.0f} x npy)")


if __name__ == "__main__":
    main()
