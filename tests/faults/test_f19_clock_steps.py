"""Fault 19: the clock of the wall is set an hour back or forth while pulses are given. Timers follow the monotonic clock alone."""

import ast
import time
from pathlib import Path

import numpy as np
import pytest

import drivers
import firmware_protocol
import simulator
from tests.support.device_end import ENDS
from tests.support.served_end import opened, served_end

ONE = np.zeros((4, 5), np.bool_)
ONE[1, 2] = True
HOUR_S = 3600.0


@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S])
@pytest.mark.parametrize("name", ENDS)
def test_f19_an_hour_either_way_in_the_middle_loses_no_session_and_doubles_no_pulse(
    name: str, step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = time.time
    with served_end(name) as served, opened(served.address, timeout_s=1.0) as crossbar:
        for n in range(30):
            if n == 10:
                monkeypatch.setattr(time, "time", lambda: true() + step_s)
            elif n == 20:
                monkeypatch.setattr(time, "time", true)
            assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
        crossbar.select_junction(0, 1, 2)
        assert served.connected == 7
        counts = crossbar.counts()
        assert (counts.errors, counts.retransmitted) == (0, 0)
        assert served.given() == [7] * 30


WALL_CLOCKS = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}


@pytest.mark.parametrize("package", [firmware_protocol, drivers, simulator], ids=lambda package: package.__name__)
def test_f19_nothing_on_the_link_reads_the_clock_of_the_wall(package: object) -> None:
    (folder,) = package.__path__  # type: ignore[attr-defined]
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in WALL_CLOCKS
    ]
    assert found == []
