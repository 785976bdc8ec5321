"""Which readings of a scan can only be those of the junctions they are taken for: by what each side counted, and by the sentinel."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.board_values import ScanReading
from drivers.errors import EmergencyStopped
from drivers.smu.values import SmuTrace
from firmware_protocol.messages import Scan
from hil.station.errors import ScanRefused
from hil.station.scanning import SENTINEL_EVERY, Counts, require_alike, step_order
from simulator.instruments.scanning import _steps

WHOLE = Counts(ScanReading("DONE", 631, 631, 631, 0), readings=631, missed=0)


def trace(amps: list[float], limited: list[bool] | None = None) -> SmuTrace:
    level = np.full(len(amps), 0.1)
    return SmuTrace("volts", level, level, np.array(amps), np.array(limited or [False] * len(amps)), np.zeros(len(amps)))


@pytest.mark.parametrize("count", [1, 124, 125, 126, 250, 625, 20_000])
def test_the_steps_are_those_the_board_takes(count: int) -> None:
    request = Scan(3, count, 3, SENTINEL_EVERY, 0, 100)
    assert [3 if step < 0 else 3 + int(step) for step in step_order(count)] == list(_steps(request))
    assert sorted(step for step in step_order(count) if step >= 0) == list(range(count))


def test_a_scan_on_which_all_agree_is_trusted_whole() -> None:
    assert WHOLE.trusted() == 631


@pytest.mark.parametrize("ended", ["TIMED_OUT", "ABORTED", "DEAD_MAN"])
@pytest.mark.parametrize(("edges_out", "readings"), [(201, 200), (200, 200), (201, 201)])
def test_of_a_scan_that_ended_early_what_all_counted_is_trusted(ended: str, edges_out: int, readings: int) -> None:
    assert Counts(ScanReading(ended, 631, edges_out, 200, 0), readings, 0).trusted() == 200


def test_an_emergency_stop_is_told_as_one() -> None:
    with pytest.raises(EmergencyStopped):
        Counts(ScanReading("STOPPED", 631, 201, 200, 0), 200, 0).trusted()


@given(
    ended=st.sampled_from(["DONE", "TIMED_OUT", "ABORTED", "DEAD_MAN", "FAILED"]),
    counted=st.tuples(*[st.integers(0, 12)] * 3),
    overruns=st.integers(0, 1),
    missed=st.integers(0, 1),
)
def test_what_is_trusted_was_counted_by_everybody(ended: str, counted: tuple[int, int, int], overruns: int, missed: int) -> None:
    edges_out, edges_in, readings = counted
    counts = Counts(ScanReading(ended, 10, edges_out, edges_in, overruns), readings, missed)
    try:
        trusted = counts.trusted()
    except ScanRefused as refused:
        for number in (f"{edges_out} edges to the SMU", f"{edges_in} edges back", f"{readings} readings", f"{missed} edges missed"):
            assert number in str(refused)
        return
    assert trusted == edges_in <= min(edges_out, readings)
    assert readings <= edges_out <= edges_in + 1 and not overruns and not missed
    assert ended != "DONE" or edges_out == edges_in == readings == 10


@pytest.mark.parametrize(
    "change",
    [
        {"readings": 630},
        {"readings": 632},
        {"missed": 1},
        {"board": ScanReading("DONE", 631, 631, 630, 0)},
        {"board": ScanReading("DONE", 631, 631, 631, 1)},
        {"board": ScanReading("TIMED_OUT", 631, 300, 200, 0)},
        {"board": ScanReading("TIMED_OUT", 631, 630, 630, 0)},
    ],
)
def test_counts_that_do_not_agree_are_refused_with_all_of_them(change: dict[str, object]) -> None:
    with pytest.raises(ScanRefused, match=r"nothing is kept\. Check the trigger lines"):
        replace(WHOLE, **change).trusted()  # type: ignore[arg-type]


# --- the sentinel
def test_a_sentinel_that_reads_alike_within_noise_passes() -> None:
    require_alike(trace([1.8e-5, 1.85e-5, 1.79e-5]), (0, 0, 0), "")


def test_an_open_sentinel_reads_next_to_nothing_each_time() -> None:
    require_alike(trace([1e-13, -1.5e-6, 1.5e-6]), (0, 0, 0), "")


def test_a_shorted_sentinel_limits_each_time() -> None:
    require_alike(trace([1e-4, 1e-4], [True, True]), (0, 0, 0), "")


@pytest.mark.parametrize(
    "sentinels",
    [
        trace([1.8e-5, 3.3e-5, 1.8e-5]),
        trace([1.8e-5, 2.05e-5, 1.8e-5]),
        trace([1.8e-5, 1e-4], [False, True]),
        trace([1.8e-5, float("nan"), 1.8e-5]),
        trace([1.8e-5, -1.8e-5]),
    ],
    ids=["another state", "another junction", "limited once", "unreadable once", "another sign"],
)
def test_a_sentinel_that_reads_like_another_junction_once_is_refused(sentinels: SmuTrace) -> None:
    with pytest.raises(ScanRefused, match=r"junction \(4, 0, 0\), measured \d times between the others, differs"):
        require_alike(sentinels, (4, 0, 0), "631 steps")
