"""`hil sim`: every flag reaches the simulated lab, and what it refuses reaches the user."""

from pathlib import Path

from hil.model.lab import load_lab
from tests.hil.cli.conftest import STARTS_WITHIN_S, Command, running
from tests.support.waiting import until


def test_a_crossbar_on_a_serial_device_with_a_speed_and_faults_passes_the_check(hil: Command, tmp_path: Path) -> None:
    lab, faults = tmp_path / "lab.toml", tmp_path / "faults.toml"
    faults.write_text("[crossbar.to_host]\nlose = { at = [2, 5] }\n[crossbar.to_device]\nflip = { at = [4] }\n")
    flags = ("--clock", "fast", "--crossbar-pty", "--baud", 460_800, "--faults", faults, "--write-lab", lab)
    with running(tmp_path / "log", "sim", *flags) as simulator:
        until(lambda: lab.exists() or simulator.process.poll() is not None, STARTS_WITHIN_S)
        assert lab.exists(), simulator.said()
        crossbar = load_lab(lab).crossbar
        assert crossbar.baud == 460_800 and Path(crossbar.address).is_char_device()
        result = hil("check", "--lab", lab)
        assert (result.code, [line.split()[0] for line in result.out.splitlines()]) == (0, ["ok", "ok", "ok"]), result
        assert simulator.stop() == 0, simulator.said()


def test_a_bad_faults_file_is_one_line_and_the_simulators_exit_code(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text("[smu.to_host]\nnoise = { probability = 0.1 }\n")
    with running(tmp_path / "log", "sim", "--faults", faults) as simulator:
        assert simulator.process.wait(STARTS_WITHIN_S) == 2
        assert simulator.said().startswith(f"hil sim: {faults}: unknown key smu.to_host.noise; here may be")
        assert simulator.said().count("\n") == 1
