"""`python -m simulator` as its users run it: addresses, lab.toml, signals, refusals."""

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from firmware_protocol.codes import Status
from firmware_protocol.events import Role
from firmware_protocol.framing import Deframer, Frame
from firmware_protocol.messages import Hello, HelloResponse
from firmware_protocol.session import Endpoint

DEADLINE_S = 30.0


def start(*flags: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "simulator", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(file: Path, process: "subprocess.Popen[str]") -> dict[str, dict[str, object]]:
    deadline = time.monotonic() + DEADLINE_S
    while not file.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "no lab.toml"
        time.sleep(0.02)
    return tomllib.loads(file.read_text())


def port_of(address: object) -> int:
    found = re.search(r"127\.0\.0\.1:{1,2}(\d+)", str(address))
    assert found, address
    return int(found[1])


def ask(port: int, line: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as answers:
        client.sendall(line)
        return answers.readline()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    file = tmp_path_factory.mktemp("sim") / "new folder" / "lab.toml"
    process = start("--clock", "fast", "--port-base", "0", "--write-lab", str(file), "--dies", "4", "--wafer-seed", "7")
    yield process, file
    process.kill()
    process.communicate()


def test_the_lab_is_served_said_written_and_ended_by_sigterm(lab: tuple["subprocess.Popen[str]", Path]) -> None:
    process, file = lab
    written = wait_for(file, process)
    assert ask(port_of(written["smu"]["address"]), b"*IDN?\n") == b"KEITHLEY INSTRUMENTS,MODEL 2450,SIM7,1.7.12b\n"
    assert ask(port_of(written["prober"]["address"]), b"status:get_machine_id\n") == b"0,0,SIM7\n"
    with socket.create_connection(("127.0.0.1", port_of(written["crossbar"]["address"])), timeout=10):
        pass
    assert written["wafer"]["dies"] == [[-1, -1], [0, -1], [-1, 0], [0, 0]]
    process.send_signal(signal.SIGTERM)
    said, complained = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, complained) == (0, "")
    lines = said.splitlines()
    assert [line.split()[0] for line in lines] == ["prober", "smu", "crossbar", "ready"]
    for name, line in zip(("prober", "smu", "crossbar"), lines, strict=False):
        assert line.split()[1] == written[name]["address"]


def test_the_written_file_is_one_that_the_service_accepts_with_its_own_default_limits(lab: tuple["subprocess.Popen[str]", Path]) -> None:
    from hil.model.lab import Limits, load_lab

    process, file = lab
    if not file.exists():
        wait_for(file, process)
    read = load_lab(file)
    assert read.limits == Limits() and (0, 0) in read.wafer.dies and len(read.wafer.dies) == 4
    assert not list(file.parent.glob(".*")), "the temporary file stayed"


def test_control_c_ends_it_the_same(tmp_path: Path) -> None:
    process = start("--clock", "fast", "--write-lab", str(tmp_path / "lab.toml"))
    wait_for(tmp_path / "lab.toml", process)
    process.send_signal(signal.SIGINT)
    _, complained = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, complained) == (0, "")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--smu", "keithley2400"), "--smu keithley2400: no such simulated SMU; there is keithley2450, keithley2600"),
        (("--faults", "x.toml"), "x.toml: cannot be read: No such file or directory"),
        (("--baud", "-1"), "--baud -1: must be 0 for no limit, or 300 to 100000000"),
        (("--fab", "nowhere.toml"), "nowhere.toml: neither a preset (clean, paper-like, default, harsh) nor a file"),
        (("--dies", "40"), "--dies 40: the wafer has 1 to 36"),
        (("--port-base", "80"), "--port-base 80: must be 0, or 1024 to 65532"),
        (("--wafer-seed", "-1"), "--wafer-seed -1: must be 0 or more"),
    ],
)
def test_a_flag_that_cannot_be_honoured_is_one_line_and_exit_code_2(
    flags: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from simulator.cli import main

    assert main(flags) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and said in printed.err and printed.err.count("\n") == 1


def test_a_bad_faults_file_is_one_line_and_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from simulator.cli import main

    file = tmp_path / "faults.toml"
    file.write_text("[crossbar.to_host]\nlose = { probability = 2 }\n")
    assert main(["--faults", str(file)]) == 2
    said = f"hil sim: {file}: crossbar.to_host.lose.probability is 2; it must be a number from 0 to 1\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("flags", "baud"),
    [((), 921_600), (("--baud", "0"), 0), (("--clock", "fast"), 0), (("--clock", "fast", "--baud", "115200"), 115_200)],
)
def test_the_real_clock_gives_the_line_a_speed_and_the_fast_one_only_when_asked(flags: tuple[str, ...], baud: int) -> None:
    from simulator.options import options

    chosen = options(flags)
    assert (chosen.line("crossbar").baud, chosen.line("smu").baud) == (baud, 0)


def hello(device: str, process: "subprocess.Popen[str]") -> float:
    """Seconds until the controller has said who it is: 22 bytes out, about 100 back."""
    deframer, deadline = Deframer(), time.monotonic() + DEADLINE_S
    with serial.Serial(device, 115_200, timeout=0.01, exclusive=False) as port:
        started = time.monotonic()
        port.write(Endpoint(Role.HOST, session=77).request(Hello(), 0)[1])
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            for found in deframer.feed(port.read(1000)):
                assert isinstance(found, Frame) and found.status == Status.OK
                assert HelloResponse.decode(found.payload).window >= 1
                return time.monotonic() - started
    raise AssertionError("no answer")


def test_the_crossbar_as_a_serial_device_has_its_path_and_speed_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    process = start("--clock", "fast", "--crossbar-pty", "--baud", "9600", "--write-lab", str(file))
    crossbar = wait_for(file, process)["crossbar"]
    device = Path(str(crossbar["address"]))
    assert crossbar["baud"] == 9_600 and device.is_char_device()
    assert hello(str(device), process) >= 100 * 10 / 9_600
    process.send_signal(signal.SIGTERM)
    said, complained = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, complained) == (0, "")
    assert f"crossbar  {device}\n" in said
    assert not device.exists()


def test_a_faults_file_reaches_every_instruments_line(tmp_path: Path) -> None:
    faults, file = tmp_path / "faults.toml", tmp_path / "lab.toml"
    faults.write_text(
        "[smu.to_device]\nlose = { at = [1] }\n[prober.to_host]\ndisconnect = { at = [2] }\n"
        "[crossbar.to_device]\nreboot = { at = [2] }\n[crossbar.to_host]\nnoise = { at = [2] }\n"
    )
    process = start("--clock", "fast", "--faults", str(faults), "--write-lab", str(file))
    written = wait_for(file, process)
    try:
        with socket.create_connection(("127.0.0.1", port_of(written["smu"]["address"])), timeout=10) as smu:
            smu.sendall(b"*IDN?\n*OPC?\n")
            assert smu.recv(100) == b"1\n"
        with socket.create_connection(("127.0.0.1", port_of(written["prober"]["address"])), timeout=10) as prober:
            prober.sendall(b"status:get_machine_id\n" * 2)
            with prober.makefile("rb") as answers:
                assert len(answers.readlines()) == 1
        with socket.create_connection(("127.0.0.1", port_of(written["crossbar"]["address"])), timeout=10) as crossbar:
            boot_ids = [hello_over(crossbar) for _ in range(2)]
        assert boot_ids[0] != boot_ids[1], "it restarted in between"
    finally:
        process.kill()
        process.communicate()


def hello_over(crossbar: socket.socket) -> int:
    """The boot id in the first whole answer; asked again as often as a request is lost."""
    deframer = Deframer()
    wire = Endpoint(Role.HOST, session=78).request(Hello(), 0)[1]
    crossbar.settimeout(0.3)
    for _ in range(5):
        crossbar.sendall(wire)
        with contextlib.suppress(TimeoutError):
            while True:
                for found in deframer.feed(crossbar.recv(1000)):
                    if isinstance(found, Frame):
                        return found.boot_id
    raise AssertionError("no answer")


def test_taken_ports_are_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from simulator.cli import main

    # run() leaves handlers for the signals behind, which belong to a process of its own
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        base = min(taken.getsockname()[1], 65_533)
        if base != taken.getsockname()[1]:
            pytest.skip("the system gave a port too high for three in a row")
        assert main(["--port-base", str(base), "--clock", "fast"]) == 1
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and f"127.0.0.1:{base} cannot be used" in printed


def test_a_lab_file_that_cannot_be_written_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from simulator.cli import main

    blocked = tmp_path / "file"
    blocked.write_text("")
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    try:
        assert main(["--clock", "fast", "--write-lab", str(blocked / "lab.toml")]) == 1
    finally:
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGINT, before[1])
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1 and str(blocked / "lab.toml") in printed
