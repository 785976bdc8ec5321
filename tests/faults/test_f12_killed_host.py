"""Fault 12: the host is killed between intent, sending, answer and keeping the outcome."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware_protocol.codes import Opcode
from hil.runs.settling import settle_left
from hil.store import open_store
from tests.support.device_end import ENDS
from tests.support.relay import relay
from tests.support.served_end import BAUD, Served, opened, served_end
from tests.support.tampering import struck
from tests.support.waiting import until

ALL = np.ones((4, 5), np.bool_)
HOST = """
import sys
from contextlib import closing
from pathlib import Path
import numpy as np
from drivers.crossbar import open_crossbar
from firmware_protocol.limits import Limits
from hil.runs.settling import settle_left
from hil.store import open_store
data, address, point, dead_man_ms = sys.argv[1:]
store = open_store(Path(data))
ids = store.pulse_ids()

class Stopping:
    '''The store's ids; halts for the killer at one point.'''
    def __getattr__(self, name):
        return getattr(ids, name)
    def reserve(self, *arguments):
        first = ids.reserve(*arguments)
        halt("reserved")
        return first
    def settle(self, *arguments):
        halt("answered")
        ids.settle(*arguments)

def halt(here):
    if point == here and pulsed:
        print("here", flush=True)
        import time
        time.sleep(60)

pulsed = []
with closing(open_crossbar(address, 921600, Stopping(), 20.0)) as crossbar:
    settle_left(ids, crossbar)
    crossbar.tighten_limits(Limits(dead_man_ms=int(dead_man_ms)))
    crossbar.pulse(0, np.eye(4, 5, dtype=bool), 0.1, 1e-7)
    pulsed.append(1)
    crossbar.pulse(0, np.ones((4, 5), bool), 0.1, 1e-4)
    ids.flush()
    halt("flushed")
"""
FIRST = 4
"""Pulses of the command before the one in which the host is killed."""


@pytest.fixture(params=ENDS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with served_end(request.param) as made:
        yield made


def killed(data: Path, address: str, point: str) -> None:
    """A host process that is killed -9 at `point`: "reserved", "answered", "flushed"; "sent" when the caller says so."""
    # The board's own dead man at one point, a shorter one at the others, which only saves time.
    command = [sys.executable, "-c", HOST, str(data), address, point, "1500" if point == "reserved" else "400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        if point in ("reserved", "answered", "flushed"):
            assert host.stdout.readline() == "here\n"
        else:
            until(lambda: Path(data, "sent").exists(), 20)
        host.send_signal(signal.SIGKILL)
        assert host.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("point", "outcomes", "pulses"),
    [
        ("reserved", {"refused": 20}, FIRST),
        ("lost on the way", {"refused": 20}, FIRST),
        ("executed", {"executed": 20}, FIRST + 20),
        ("answered", {"executed": 20}, FIRST + 20),
        ("flushed", {}, FIRST + 20),
    ],
)
def test_f12_killed_at_each_point_every_intent_is_resolved_as_the_die_has_it_and_outputs_are_off_in_time(
    served: Served, tmp_path: Path, point: str, outcomes: dict[str, int], pulses: int
) -> None:
    with relay(served.address) as line:

        def vanish(_: bytes) -> bytes:
            (tmp_path / "sent").touch()
            return b""

        if point == "lost on the way":
            line.to_device = struck(Opcode.PROGRAM, vanish, number=2)
        elif point == "executed":
            line.to_host = struck(Opcode.PROGRAM, vanish, number=2)
        killed(tmp_path, line.address, point)
    gone_s = time.monotonic()
    until(lambda: served.isolated and _state(served) == "SAFE", 2.5)
    assert time.monotonic() - gone_s < 2.3
    store = open_store(tmp_path)
    ids = store.pulse_ids()
    assert [each.count for each in ids.unsettled()] == ([20] if outcomes else [])
    with opened(served.address, ids) as crossbar:  # type: ignore[arg-type]
        settle_left(ids, crossbar)
        assert ids.unsettled() == []
        assert len(served.given()) == pulses, "nothing was repeated"
        assert crossbar.pulse(0, ALL, 0.1, 1e-7).all()
    assert len(served.given()) == pulses + 20
    store.close()


def _state(served: Served) -> str:
    from drivers.crossbar import read_status

    return read_status(served.address, BAUD).state
