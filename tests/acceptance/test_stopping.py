"""Stopped in the middle of a wafer: output off and everything deselected within 2 s, then separated; nothing measured is lost."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.crossbar import read_status
from hil.client import LabClient
from tests.acceptance.processes import Service, SimulatedLab, wait_until

SMU_READ = {"kind": "read", "wafer": "W1", "dies": [[0, 0]], "path": "smu"}
"""Keeps the SMU's output on for seconds: the worst moment to stop."""
WAFER = {"kind": "characterise", "wafer": "W1", "dies": "all"}


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[SimulatedLab]:
    with SimulatedLab(tmp_path / "sim") as lab:
        yield lab


def controller_is_isolated(sim: SimulatedLab) -> bool:
    status = read_status(sim.config()["crossbar"]["address"])
    return status.state in {"SAFE", "ESTOPPED"} and status.route == "NONE"


def start_until_output_is_on(sim: SimulatedLab, client: LabClient) -> str:
    run = client.start(SMU_READ)
    wait_until(lambda: sim.smu_output_is_on() and run.refresh().done >= 1, 60, "SMU output on in the middle of a die")
    return run.id


def frozen_with_output_on(sim: SimulatedLab, service: Service) -> bool:
    """Stops every process of ours in its tracks; lets them go on if that was between two kernels."""
    service.freeze(signal.SIGSTOP)
    if sim.smu_output_is_on() and not controller_is_isolated(sim):
        return True
    service.freeze(signal.SIGCONT)
    return False


def test_sigterm_switches_off_and_deselects_within_two_seconds_then_separates(sim: SimulatedLab, tmp_path: Path) -> None:
    with Service(sim.toml, tmp_path / "data") as service:
        run = start_until_output_is_on(sim, service.client())
        started = time.monotonic()
        service.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: not sim.smu_output_is_on() and controller_is_isolated(sim), 2.0, "SMU off and controller isolated")
        assert time.monotonic() - started < 2.0
        wait_until(lambda: not sim.chuck_is_up(), 5.0, "prober separated")
        assert service.popen.wait(15) == 0, service.output()
    with Service(sim.toml, tmp_path / "data", "again") as again:
        assert again.client().run(run).state == "interrupted"


def test_ctrl_c_is_the_same_as_sigterm(sim: SimulatedLab, tmp_path: Path) -> None:
    with Service(sim.toml, tmp_path / "data") as service:
        start_until_output_is_on(sim, service.client())
        service.popen.send_signal(signal.SIGINT)
        wait_until(lambda: not sim.smu_output_is_on() and controller_is_isolated(sim), 2.0, "SMU off and controller isolated")
        wait_until(lambda: not sim.chuck_is_up(), 5.0, "prober separated")
        service.popen.wait(15)
        assert "Traceback" not in service.output()


def test_after_sigkill_of_everything_the_dead_man_isolates_and_the_next_start_makes_safe(sim: SimulatedLab, tmp_path: Path) -> None:
    with Service(sim.toml, tmp_path / "data") as service:
        # Not on a fresh board: thousands of commands must not have bought a silent host any time.
        service.client().start({**WAFER, "dies": [[1, 0]]}).wait()
        run = start_until_output_is_on(sim, service.client())
        wait_until(lambda: frozen_with_output_on(sim, service), 30, "frozen while the output is on")
        service.kill_all()
    killed = time.monotonic()
    wait_until(lambda: controller_is_isolated(sim), 2.0, "dead man")
    assert time.monotonic() - killed < 2.0
    # A scan that goes on by itself may come to its end before that.
    assert read_status(sim.config()["crossbar"]["address"]).safe_reason in {"DEAD_MAN", "SCAN_ENDED"}
    # As real ones: a lost connection changes neither the SMU's output nor the chuck's height.
    assert sim.smu_output_is_on()
    assert sim.chuck_is_up()
    with Service(sim.toml, tmp_path / "data", "again") as again:
        wait_until(lambda: not sim.smu_output_is_on() and not sim.chuck_is_up(), 10.0, "SMU off and separated by the next start")
        wait_until(lambda: again.client().run(run).state == "interrupted", 10.0, "the run is shown as interrupted")


def test_announced_maps_survive_a_kill_and_the_run_resumes_where_it_stopped(sim: SimulatedLab, tmp_path: Path) -> None:
    with Service(sim.toml, tmp_path / "data") as service:
        client = service.client()
        run = client.start({**WAFER, "dies": [[0, 0], [1, 0], [2, 0]]})
        wait_until(lambda: len(client.wafers()) > 0 and client.defects("W1").dies, 60, "the first die's map")
        announced = client.defects("W1")
        service.kill_all()
    with Service(sim.toml, tmp_path / "data", "again") as again:
        client = again.client()
        kept = client.defects("W1")
        assert set(announced.dies) <= set(kept.dies)
        first = kept.dies.index(announced.dies[0])
        assert (kept.codes[first] == announced.codes[0]).all()
        wait_until(lambda: client.run(run.id).state == "interrupted", 10.0, "interrupted")
        done_before = client.run(run.id).done
        assert done_before >= 32
        client.resume(run.id)
        wait_until(lambda: client.run(run.id).state in {"finished", "failed"}, 60, "the resumed run")
        ended = client.run(run.id)
        assert ended.state == "finished", ended.error
        assert len(client.defects("W1").dies) == 3


def test_an_emergency_stop_reaches_the_instruments_and_holds_until_reset(sim: SimulatedLab, tmp_path: Path) -> None:
    with Service(sim.toml, tmp_path / "data") as service:
        client = service.client()
        run = start_until_output_is_on(sim, client)
        client.estop()
        assert not sim.smu_output_is_on()
        assert read_status(sim.config()["crossbar"]["address"]).state == "ESTOPPED"
        wait_until(lambda: not sim.chuck_is_up(), 5.0, "prober separated")
        wait_until(lambda: client.run(run).state in {"aborted", "failed"}, 10.0, "the run ended")
        queued = client.start({"kind": "contact_check", "wafer": "W1", "dies": [[0, 0]]})
        assert client.run(queued.id).state == "queued"
        client.reset()
        client.release()
        wait_until(lambda: client.run(queued.id).state == "finished", 30.0, "the queue goes on after the reset")
