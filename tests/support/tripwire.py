"""The worker dies with a byte: between it and the lab's three instruments every byte is counted, and the one that was chosen is its last.

Rule 1: what it had sent before passes, what it would have sent after never comes, as when a process is killed in the middle of a line.
Rule 2: whoever else talks to the lab, the watchdog above all, does not come by here.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hil.model.lab import load_lab
from tests.hil.runs.behind_relay import port_of
from tests.support.killed_host import kill
from tests.support.relay import relay

WIRES = ("prober", "smu", "crossbar")
_Way = Callable[[bytes], bytes]


class Tripwire:
    """passed: bytes of each wire, both ways, since it was last set. reached: the chosen one has passed, at `reached_at_s`, monotonic."""

    def __init__(self) -> None:
        self.passed: Counter[str] = Counter()
        self.reached = threading.Event()
        self.reached_at_s = 0.0
        self._lock = threading.Lock()
        self._wire, self._byte, self._pid = "", 0, 0
        self._cut = False

    def set(self, wire: str, byte: int) -> None:
        """Before the worker starts. byte: from 1."""
        with self._lock:
            self.passed.clear()
            self.reached.clear()
            self._wire, self._byte, self._pid, self._cut = wire, byte, 0, False

    def kills(self, pid: int) -> None:
        """Whom; nobody until it is told: then `reached` is all that happens."""
        with self._lock:
            self._pid = pid

    def way(self, wire: str, *, to_device: bool) -> _Way:
        def passing(data: bytes) -> bytes:
            with self._lock:
                return self._passing(wire, data, to_device)

        return passing

    def _passing(self, wire: str, data: bytes, to_device: bool) -> bytes:
        if self._cut and wire == self._wire:
            return b"" if to_device else data
        before = self.passed[wire]
        self.passed[wire] += len(data)
        if wire != self._wire or self.reached.is_set() or self.passed[wire] < self._byte:
            return data
        if self._pid:
            kill(self._pid)
            self._cut = True
        self.reached_at_s = time.monotonic()
        self.reached.set()
        return data[: self._byte - before] if self._cut else data


@contextmanager
def across_the_wires(toml: Path) -> Iterator[tuple[Path, Tripwire]]:
    """lab.toml for the worker, with every instrument behind the tripwire."""
    tripwire, text, lab = Tripwire(), toml.read_text(), load_lab(toml)
    with ExitStack() as stack:
        for wire in WIRES:
            port = port_of(getattr(lab, wire).address)
            line = stack.enter_context(relay(f"socket://127.0.0.1:{port}"))
            line.to_device, line.to_host = tripwire.way(wire, to_device=True), tripwire.way(wire, to_device=False)
            text = text.replace(port, port_of(line.address))
        relayed = toml.with_name("relayed.toml")
        relayed.write_text(text)
        yield relayed, tripwire
