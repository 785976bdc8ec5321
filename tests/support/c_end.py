"""The firmware in C as a device end of the test's process, and as a process of its own; compiled once, kept by content.

Rule: a machine without any C compiler skips what needs one and says so; a compiler that warns fails.
"""

import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from firmware_protocol import c_header, dictionary
from firmware_protocol.codes import NO_DEVICE, Route
from firmware_protocol.geometry import Geometry
from firmware_protocol.limits import Limits

FOLDER = Path(c_header.__file__).with_name("c")
SHIM = Path(__file__).parents[1] / "firmware_protocol" / "c" / "codec_shim.c"
PORTABLE = sorted(FOLDER.glob("hil_*.c"))
"""The firmware itself: what a real board compiles."""
SIMULATED = (*PORTABLE, FOLDER / "board_sim.c", FOLDER / "line_buffer.c")
STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
STEPS_AT_ONCE = 20_000
TAKEN_AT_ONCE = 2_100
_NEVER = 2**64 - 1
_HARDWARE, _EMULATED, _FAST = 0, 1, 2
_SHORT = 2


def compiler() -> str:
    """Path of the C compiler. Skips the test where there is none; CI has gcc."""
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        pytest.skip("no C compiler (gcc or cc) on this machine; the firmware in C cannot be built")
    return found


@cache
def build(name: str, sources: tuple[Path, ...], flags: tuple[str, ...]) -> Path:
    """Path of the compiled file. Raises AssertionError with the compiler's words when it does not compile without a warning."""
    command = [compiler(), *STRICT, *flags, f"-I{FOLDER}", *map(str, sources)]
    content = [source.read_bytes() for source in (*sources, *sorted(FOLDER.glob("*.h")))]
    key = hashlib.sha256(b"\0".join([*content, repr(command).encode()])).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"hil-c-{os.getuid()}")
    target = folder / f"{key}-{name}"
    if not target.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        unfinished = folder / f"{key}-{name}.{os.getpid()}"
        made = subprocess.run([*command, "-o", str(unfinished)], capture_output=True, text=True, timeout=110, check=False)
        assert made.returncode == 0, f"{' '.join(command)}\n{made.stderr}"
        # Renamed last: several processes of one test run may build the same file.
        unfinished.rename(target)
    return target


def build_library(sanitize: bool = False) -> Path:
    """Firmware, simulated board and the tests' shim as a shared library."""
    flags = ("-shared", "-fPIC", *(SANITIZERS if sanitize else ()))
    return build("libhil.so", (*SIMULATED, SHIM), flags)


def build_process(sanitize: bool = False, sizes: tuple[str, ...] = ("-DHIL_LINES=8",)) -> Path:
    """The process `hil_device`: firmware and simulated board behind a socket or a pty. sizes: -D flags of hil_device.h."""
    flags = (*sizes, *(SANITIZERS if sanitize else ()))
    return build("hil_device", (*SIMULATED, FOLDER / "server.c", FOLDER / "main.c"), flags)


def build_fuzz() -> Path:
    return build("fuzz", (FOLDER / "hil_codec.c", FOLDER / "fuzz.c"), ())


@cache
def library() -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(build_library()))
    pointer, size, u8, u16, u32, u64, text = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_char_p,
    )  # fmt: skip
    types: dict[str, tuple[object, list[object]]] = {
        "hil_sim_open": (pointer, [u8, u8, u8, ctypes.c_int, text, text, u32, u16]),
        "hil_sim_free": (None, [pointer]),
        "hil_sim_restart": (ctypes.c_bool, [pointer, u16]),
        "hil_sim_device": (pointer, [pointer]),
        "hil_sim_set_time": (None, [pointer, u64]),
        "hil_sim_run": (ctypes.c_bool, [pointer, u32]),
        "hil_sim_take": (size, [pointer, u8, pointer, size]),
        "hil_sim_waiting": (size, [pointer, u8]),
        "hil_sim_pulse_count": (size, [pointer]),
        "hil_sim_pulses": (ctypes.POINTER(_SimPulse), [pointer]),
        "hil_sim_code": (u16, [pointer, u16, ctypes.c_int32]),
        "hil_sim_route": (u8, [pointer]),
        "hil_sim_connected": (u16, [pointer]),
        "hil_sim_edges_out": (u32, [pointer]),
        "hil_sim_set_defect": (None, [pointer, u16, ctypes.c_int]),
        "hil_sim_fail_memory": (None, [pointer, ctypes.c_bool]),
        "hil_device_feed": (None, [pointer, text, size]),
        "hil_device_due_ns": (u64, [pointer]),
        "hil_device_poll": (ctypes.c_bool, [pointer]),
        "hil_device_edge": (None, [pointer]),
        "hil_device_stop": (None, [pointer]),
        "shim_reset": (None, []),
        "shim_read": (size, [text, size, pointer]),
        "shim_write": (size, [text, text, pointer]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


class _SimPulse(ctypes.Structure):
    _fields_ = [("device", ctypes.c_uint16), ("uv", ctypes.c_int32), ("ns", ctypes.c_uint32)]


def describe(geometry: Geometry, limits: Limits | None = None) -> bytes:
    """The reference board's dictionary for another geometry."""
    return dictionary.encode(replace(c_header.REFERENCE, geometry=geometry, limits=limits or Limits()))


class CEnd:
    """A DeviceEnd: the firmware in C over its simulated board, in board time unless `fast`, or `hardware`: then only `step` takes time."""

    def __init__(self, geometry: Geometry, limits: Limits | None = None, *, fast: bool = False, hardware: bool = False) -> None:
        self.geometry = geometry
        self._boot_id = 1
        self._c = library()
        self._dictionary = describe(geometry, limits)
        self._sim = self._c.hil_sim_open(
            geometry.kernels, geometry.rows, geometry.columns, _FAST if fast else _HARDWARE if hardware else _EMULATED,
            (limits or Limits()).encode(), self._dictionary, len(self._dictionary), self._boot_id,
        )  # fmt: skip
        if self._sim is None:
            raise ValueError(f"{geometry} is beyond the sizes that the firmware was compiled for")
        self._given: list[tuple[int, int, int]] = []
        self._device = self._c.hil_sim_device(self._sim)
        self._out = ctypes.create_string_buffer(TAKEN_AT_ONCE)

    def _advance(self, now_ns: int) -> None:
        self._c.hil_sim_set_time(self._sim, now_ns)
        self._c.hil_sim_run(self._sim, STEPS_AT_ONCE)

    def step(self, now_ns: int) -> None:
        """One turn of a real board's main loop, at whatever time its functions have made it."""
        self._c.hil_sim_set_time(self._sim, now_ns)
        self._c.hil_sim_run(self._sim, 1)

    def feed(self, data: bytes, now_ns: int) -> None:
        self._advance(now_ns)
        self._c.hil_device_feed(self._device, data, len(data))

    def take(self, now_ns: int) -> bytes:
        self._advance(now_ns)
        count = self._c.hil_sim_take(self._sim, 0, self._out, TAKEN_AT_ONCE)
        # Room again: the next block is read while the line sends this one.
        self._c.hil_sim_run(self._sim, STEPS_AT_ONCE)
        return self._out.raw[:count]

    def due_ns(self, now_ns: int) -> int | None:
        self._c.hil_sim_set_time(self._sim, now_ns)
        if self._c.hil_sim_waiting(self._sim, 0):
            return now_ns
        due_ns = self._c.hil_device_due_ns(self._device)
        return None if due_ns == _NEVER else due_ns

    def restart(self, now_ns: int) -> None:
        self._advance(now_ns)
        self._boot_id = self._boot_id % 0xFFFF + 1
        self._c.hil_sim_restart(self._sim, self._boot_id)

    def trigger(self, now_ns: int) -> None:
        self._advance(now_ns)
        self._c.hil_device_edge(self._device)

    @property
    def edges_out(self) -> int:
        """Times the line to the SMU was raised."""
        return self._c.hil_sim_edges_out(self._sim)

    def pulses(self) -> Sequence[tuple[int, int, int]]:
        given = self._c.hil_sim_pulses(self._sim)
        for i in range(len(self._given), self._c.hil_sim_pulse_count(self._sim)):
            self._given.append((given[i].device, given[i].uv, given[i].ns))
        return self._given

    @property
    def isolated(self) -> bool:
        return self._c.hil_sim_route(self._sim) == Route.NONE

    @property
    def connected(self) -> int | None:
        device = self._c.hil_sim_connected(self._sim)
        return None if device == NO_DEVICE else device

    def shows(self, device: int, code: int) -> bool:
        return self._c.hil_sim_code(self._sim, device, 100_000) == code

    def stop_button(self, now_ns: int) -> None:
        """A UART break."""
        self._advance(now_ns)
        self._c.hil_device_stop(self._device)

    def spoil(self, device: int, defect: int) -> None:
        """defect: 0 good, 1 stuck, 2 short, 3 open."""
        self._c.hil_sim_set_defect(self._sim, device, defect)

    def short(self, device: int) -> None:
        """This physical junction drives the converter beyond its end from now on."""
        self.spoil(device, _SHORT)

    def fail_memory(self, fails: bool) -> None:
        """Whether the durable memory refuses to be written."""
        self._c.hil_sim_fail_memory(self._sim, fails)

    def close(self) -> None:
        if self._sim is not None:
            self._c.hil_sim_free(self._sim)
            self._sim = None


@dataclass(frozen=True)
class CProcess:
    """address: for the drivers. Ended with its context."""

    address: str
    process: subprocess.Popen[str]
    pulse_log: Path

    def pulses(self) -> list[tuple[int, int, int]]:
        """The truth: every pulse given so far."""
        lines = self.pulse_log.read_text().splitlines() if self.pulse_log.exists() else []
        return [(int(device), int(uv), int(ns)) for device, uv, ns in (line.split() for line in lines)]

    def cut_power(self) -> None:
        """For a moment: only what is durable is kept."""
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def c_device_process(
    *options: str, pty: bool = False, port: int = 0, geometry: Geometry | None = None, fast: bool = False, sanitize: bool = False
) -> Iterator[CProcess]:
    """`hil_device` with further options, ready. Fails when it ended by itself with an error, as a sanitizer makes it;
    a test may kill it."""
    shape = geometry or Geometry()
    with tempfile.TemporaryDirectory() as folder:
        described, pulse_log = Path(folder, "dictionary"), Path(folder, "pulses")
        described.write_bytes(describe(shape))
        command = [
            str(build_process(sanitize)), *(["--pty"] if pty else ["--socket", str(port)]),
            "--kernels", str(shape.kernels), "--rows", str(shape.rows), "--columns", str(shape.columns),
            "--dictionary", str(described), "--clock", "fast" if fast else "real", "--pulse-log", str(pulse_log), *options,
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None and process.stderr is not None
            words = process.stdout.readline().split()
            if words[:1] != ["ready"]:
                raise AssertionError(f"{command} did not start: {process.stderr.read()}")
            try:
                yield CProcess(words[1], process, pulse_log)
            finally:
                killed = process.poll() == -signal.SIGKILL
                process.terminate()
                complaint = process.stderr.read()
                assert killed or process.wait(10) == 0, complaint


if __name__ == "__main__":
    print(build_process() if "--process" in sys.argv else build_library())
