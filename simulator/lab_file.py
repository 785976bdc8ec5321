"""lab.toml of the pretended lab, in the form the service reads. It holds addresses and limits; nothing in it says simulated."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from firmware_protocol.geometry import Geometry
from simulator.physics.wafer import Wafer

LIMITS: dict[str, float | int] = {
    "device_volts": 1.0,
    "read_volts": 0.3,
    "gate_volts": 3.3,
    "current_amps": 2e-3,
    "pulse_s": 1e-4,
    "contact_ohms": 1_000.0,
    "overtravel_um": 60.0,
    "touchdowns_per_die": 20,
    "touchdowns_per_card": 100_000,
    "touchdowns_per_cleaning": 1_000,
    "cleanings_per_wafer": 0,
    "averages": 1_000,
    "max_pulses": 20,
    "consecutive_contact_failures": 3,
    "dwell_s": 10.0,
    "energy_joules": 1e-2,
}


@dataclass(frozen=True)
class Addresses:
    """Loopback ports of the three instruments; the crossbar may be the path of a serial device. baud: of its line, 0 for no limit.

    dead_socket: the port that ends every connection to the SMU, 0 for none.
    """

    prober: int
    smu: int
    crossbar: int | str
    baud: int = 0
    dead_socket: int = 0

    def lines(self) -> dict[str, str]:
        """Address of each instrument as lab.toml writes it."""
        return {
            "prober": f"TCPIP0::127.0.0.1::{self.prober}::SOCKET",
            "smu": f"TCPIP0::127.0.0.1::{self.smu}::SOCKET",
            "crossbar": self.crossbar if isinstance(self.crossbar, str) else f"socket://127.0.0.1:{self.crossbar}",
        }


def lab_toml(addresses: Addresses, wafer: Wafer, smu_driver: str) -> str:
    """The whole file as text."""
    drivers = {"prober": "sentio", "smu": smu_driver, "crossbar": "hil-link"}
    sections = [_section("station", {"name": '"simulated-lab"'})]
    for name, address in addresses.lines().items():
        baud = {"baud": str(addresses.baud)} if name == "crossbar" and addresses.baud else {}
        dead = {"dead_socket": f'"TCPIP0::127.0.0.1::{addresses.dead_socket}::SOCKET"'} if name == "smu" and addresses.dead_socket else {}
        sections.append(_section(name, {"driver": f'"{drivers[name]}"', "address": f'"{address}"', **baud, **dead}))
    geometry: Geometry = wafer.geometry
    sections.append(_section("chip", {"kernels": str(geometry.kernels), "rows": str(geometry.rows), "columns": str(geometry.columns)}))
    dies = ", ".join(f"[{x}, {y}]" for x, y in wafer.dies)
    pitch = f"[{wafer.pitch_um}, {wafer.pitch_um}]"
    sections.append(_section("wafer", {"dies": f"[{dies}]", "pitch_um": pitch, "notch": '"down"', "home": "[0, 0]"}))
    sections.append(_section("limits", {name: repr(value) for name, value in LIMITS.items()}))
    return "\n".join(sections)


def _section(name: str, values: dict[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def write_by_rename(path: Path, text: str) -> None:
    """The file appears whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", text=True)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
