"""A reading through the SMU by command counts only if the controller still held the path when it was over."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from drivers.errors import LinkLost
from firmware_protocol.codes import SafeReason
from hil.station.errors import PathOpened
from hil.station.instruments import Instruments, open_crossbar, open_prober, open_smu
from hil.station.reading import Conductance, through_the_smu
from hil.station.smu_path import SmuRead
from tests.support.simulated_lab import CountedPulseIds, SimulatedLab, simulated_lab

READ_VOLTS = 0.1
JUNCTIONS = 20


class Disturbed:
    """An SMU that is left alone but for one measurement, during which something happens elsewhere."""

    def __init__(self, smu: Any, place: int, happens: Callable[[], None]) -> None:
        self._smu, self._left, self._happens = smu, place, happens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._smu, name)

    def measure(self, level_volts: float) -> Any:
        self._left -= 1
        if self._left == 0:
            self._happens()
        return self._smu.measure(level_volts)


@pytest.fixture
def lab() -> Iterator[SimulatedLab]:
    with simulated_lab() as made:
        made.world.touch((0, 0))
        yield made


def read_disturbed(lab: SimulatedLab, place: int, happens: Callable[[], None]) -> Conductance:
    with (
        closing(open_smu(lab.lab)) as smu,
        closing(open_crossbar(lab.lab, CountedPulseIds())) as crossbar,
        closing(open_prober(lab.lab)) as prober,
    ):
        instruments = Instruments(Disturbed(smu, place, happens), crossbar, prober)
        return through_the_smu(instruments, lab.without_trigger_lines, 0, SmuRead(READ_VOLTS), lambda: None)


@pytest.mark.parametrize("place", [1, 7, JUNCTIONS])
def test_a_controller_that_isolates_itself_during_a_reading_leaves_no_open_circuit_behind(lab: SimulatedLab, place: int) -> None:
    def dead_man() -> None:
        lab.crossbar.tick(time.monotonic_ns() + 10_000_000_000)
        assert lab.crossbar.safe_reason is SafeReason.DEAD_MAN

    with pytest.raises(PathOpened, match=r"selected None \(DEAD_MAN\)"):
        read_disturbed(lab, place, dead_man)


@pytest.mark.parametrize("place", [1, JUNCTIONS])
def test_a_controller_that_restarts_during_a_reading_leaves_no_open_circuit_behind(lab: SimulatedLab, place: int) -> None:
    with pytest.raises((PathOpened, LinkLost)):
        read_disturbed(lab, place, lambda: lab.crossbar.reboot(8, time.monotonic_ns()))


def test_undisturbed_every_junction_is_read(lab: SimulatedLab) -> None:
    kernel = read_disturbed(lab, 0, lambda: None)
    assert kernel.siemens.size == JUNCTIONS
    assert np.isfinite(kernel.siemens).sum() == JUNCTIONS - kernel.flagged
