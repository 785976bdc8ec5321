"""Whatever ends a run while the SMU's output is on, the first thing then said to the SMU switches it off, and the needles come last."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import DriverError
from hil.model.lab import LabConfig, load_lab
from hil.model.plans import Plan
from hil.runs.errors import StopRequested
from hil.runs.execute import execute
from hil.runs.stops import Stop
from hil.station.errors import NotMadeSafe, StationError
from hil.station.station import Station, open_station
from hil.store.protocol import Store
from tests.hil.runs.behind_relay import behind_relay, silence
from tests.hil.runs.helpers import context_of, plan_of
from tests.hil.runs.simulated_lab import SimulatedLab
from tests.support.relay import Relay, unchanged

HOME = (0, 0)
OFF = re.compile(rb"^(\*ESE \d+;\*ESE\?;)?:OUTP OFF")
"""Alone, or behind the number of a question that is about it."""
ENERGISED = {
    "contact": {"kind": "contact_check"},
    "scan": {"kind": "read", "path": "smu", "kernels": [0]},
    "by command": {"kind": "read", "path": "smu", "kernels": [0]},
    "sweep": {"kind": "iv_sweep", "junctions": [[0, row, 7] for row in range(9)], "volts": [0.0, 0.05, 0.1]},
}


class Wire:
    """Of the SMU: what is said, and, once it `struck`, what is said from then on. at: which message the output is on for is the one
    that strikes, counted from 0."""

    def __init__(self, lab: SimulatedLab, line: Relay, at: int = 0) -> None:
        self._lab, self._line, self._at = lab, line, at
        self.struck = False
        self.said_after: list[bytes] = []
        line.to_device = self._passed

    def is_due(self) -> bool:
        """Whether to strike now. The output is on."""
        if not self.struck and self._lab.world.output_on:
            self._at -= 1
            self.struck = self._at < 0
            return self.struck
        return False

    def _passed(self, data: bytes) -> bytes:
        if self.struck:
            self.said_after.append(data)
        return data


@contextmanager
def through_a_wire(lab: SimulatedLab, what: str, at: int = 0) -> Iterator[tuple[LabConfig, Wire, Relay]]:
    with behind_relay(lab, "smu") as (toml, line):
        config = load_lab(toml)
        smu = config.smu.model_copy(update={"trigger_lines": what != "by command", "timeout_s": 0.5})
        yield config.model_copy(update={"smu": smu}), Wire(lab, line, at), line


def run_to_its_end(station: Station, plan: Plan) -> BaseException | None:
    try:
        list(execute(plan, station, context_of(station.lab, plan), {}))
    except (StopRequested, DriverError, StationError) as error:
        return error
    return None


def plan_for(what: str) -> Any:
    return plan_of(dies=[HOME], **ENERGISED[what])


@pytest.mark.parametrize(("what", "at"), [("scan", 0), ("by command", 0), ("by command", 9), ("sweep", 0), ("sweep", 5)])
def test_a_stop_at_a_checkpoint(lab: SimulatedLab, store: Store, what: str, at: int) -> None:
    with through_a_wire(lab, what, at) as (config, wire, _):

        def checkpoint() -> None:
            if wire.is_due():
                raise StopRequested(Stop.SIGNAL)

        with open_station(config, store.pulse_ids(), checkpoint) as station:
            assert isinstance(run_to_its_end(station, plan_for(what)), StopRequested)
            assert lab.is_safe()
    assert OFF.match(wire.said_after[0]), wire.said_after[:3]


@pytest.mark.parametrize("what", ENERGISED)
def test_an_smu_that_does_not_answer_any_more(lab: SimulatedLab, store: Store, what: str) -> None:
    with through_a_wire(lab, what) as (config, wire, line):

        def lost(data: bytes) -> bytes:
            wire.is_due()
            return b"" if wire.struck else data

        line.to_host = lost
        with open_station(config, store.pulse_ids(), lambda: None) as station:
            error = run_to_its_end(station, plan_for(what))
            assert error is not None
            assert not lab.world.output_on, "although nobody could hear that it was off"
            assert "output off could not be verified" in str(error)
            assert OFF.match(wire.said_after[0]), wire.said_after[:3]
            line.to_host = unchanged


@pytest.mark.parametrize("section", ["crossbar", "prober"])
@pytest.mark.parametrize("what", ENERGISED)
def test_another_instrument_that_is_lost(lab: SimulatedLab, store: Store, tmp_path: Path, what: str, section: str) -> None:
    with through_a_wire(lab, what) as (config, wire, _), behind_relay(lab, section) as (toml, other):
        hasty = getattr(load_lab(toml), section).model_copy(update={"timeout_s": 0.5})
        config = config.model_copy(update={section: hasty})

        def lost(data: bytes) -> bytes:
            if wire.is_due():
                silence(other)
            return b"" if wire.struck else data

        other.to_device = lost
        with suppress(NotMadeSafe), open_station(config, store.pulse_ids(), lambda: None) as station:
            error = run_to_its_end(station, plan_for(what))
            if not wire.struck:
                assert error is None, "nothing was said to it while the output was on"
                return
            assert not lab.world.output_on
            assert error is not None
    assert OFF.match(wire.said_after[0]), wire.said_after[:3]
