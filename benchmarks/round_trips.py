"""Framed round trips a second through the driver, its thread included, against the firmware in C; aim: 20,000.

python -m benchmarks.round_trips
"""

import resource
import statistics
import time
from contextlib import closing

from drivers.board_talk import open_link, say_hello
from firmware_protocol.messages import Echo
from tests.support.c_end import c_device_process

BAUD = 921_600
SESSION = 4711
COUNT = 20_000
REPEATS = 5
SINGLE = 2_000


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    for line in ("socket", "pty"):
        with c_device_process(pty=line == "pty", fast=True) as board, closing(open_link(board.address, BAUD, 0, 5.0)) as link:
            say_hello(link, lambda: SESSION, 3.0)
            echoes = [Echo(bytes(16))] * COUNT
            rates: list[float] = []
            used_s = cpu_s()
            for _ in range(REPEATS):
                begun_s = time.perf_counter()
                link.ask_all(echoes)
                rates.append(COUNT / (time.perf_counter() - begun_s))
            host_us = (cpu_s() - used_s) / (COUNT * REPEATS) * 1e6
            times_us: list[float] = []
            for _ in range(SINGLE):
                begun_s = time.perf_counter()
                link.ask(echoes[0])
                times_us.append((time.perf_counter() - begun_s) * 1e6)
            times_us.sort()
            print(
                f"{line}: {statistics.median(rates):,.0f} round trips/s in the window of 8 ({host_us:.0f} us of the host each); one at a "
                f"time {times_us[SINGLE // 2]:.0f} us, 99 in 100 within {times_us[SINGLE * 99 // 100]:.0f} us"
            )


if __name__ == "__main__":
    main()
