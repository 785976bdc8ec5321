"""lab.toml as a value. The API reads limits and the die map from it, the worker the addresses; nobody else reads the file."""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Range = tuple[Annotated[float, Field(allow_inf_nan=False)], Annotated[float, Field(allow_inf_nan=False)]]
"""(least, most)"""
DieIndex = tuple[int, int]
"""(x, y) in the wafer frame: notch down, x right, y up, home die (0, 0)."""


class LabConfigError(ValueError):
    """lab.toml is missing or wrong; the text says where and what would be right."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class InstrumentSection(_Section):
    driver: str
    address: str
    timeout_s: Positive = 5.0


class SmuSection(InstrumentSection):
    """trigger_lines: whether its trigger lines are wired to the controller's; without them it reads junction by junction.

    dead_socket: VISA address of the port that makes the instrument drop every other connection, for one that serves few clients.
    trigger_in, trigger_out: its digital lines from and to the controller.
    """

    trigger_lines: bool = True
    dead_socket: str | None = None
    trigger_in: Annotated[int, Field(ge=1, le=14)] | None = None
    trigger_out: Annotated[int, Field(ge=1, le=14)] | None = None


class CrossbarSection(InstrumentSection):
    baud: Annotated[int, Field(gt=0)] = 921_600


class ChipSection(_Section):
    kernels: Annotated[int, Field(ge=1, le=255)] = 32
    rows: Annotated[int, Field(ge=1, le=255)] = 25
    columns: Annotated[int, Field(ge=1, le=255)] = 25

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.kernels, self.rows, self.columns)


class WaferSection(_Section):
    """dies: every testable die. pitch_um: (x, y) die pitch, um. notch: where the notch points on the chuck."""

    dies: tuple[DieIndex, ...] = Field(min_length=1)
    pitch_um: tuple[Positive, Positive] = (10_000.0, 10_000.0)
    notch: Literal["down", "up", "left", "right"] = "down"
    home: DieIndex = (0, 0)


class Limits(_Section):
    """What no plan may exceed. Defaults are the simulated lab's; a real lab sets its own.

    device_volts: across a cell while pulsing. read_volts: across a cell while reading (read disturb).
    smallest_read_volts: below it a reading is offset and resolution, not conductance.
    gate_volts: kept with the station for the record; this controller sets its gate lines itself, nothing over the link does.
    contact_ohms: largest accepted resistance of the shorted pad pair.
    touchdowns_per_die, touchdowns_per_card, touchdowns_per_cleaning: most of one die's pads, of one probe card, and between two
    cleanings of it. cleanings_per_wafer: how often the prober may clean the needles by itself; 0: a person does.
    chuck_x_um, chuck_y_um: between which places of the chuck's own axes it may be sent; without them, wherever the prober lets it.
    dwell_s: longest that the SMU may bias one junction without a break. energy_joules: most that it may then put into it, counted
    as the level times the current limit times that time.
    """

    device_volts: Positive = 1.0
    read_volts: Positive = 0.3
    smallest_read_volts: Positive = 1e-3
    gate_volts: Positive = 3.3
    current_amps: Positive = 2e-3
    pulse_s: Positive = 1e-4
    contact_ohms: Positive = 1_000.0
    overtravel_um: Positive = 60.0
    chuck_x_um: Range | None = None
    chuck_y_um: Range | None = None
    touchdowns_per_die: Annotated[int, Field(ge=1)] = 20
    touchdowns_per_card: Annotated[int, Field(ge=1)] = 100_000
    touchdowns_per_cleaning: Annotated[int, Field(ge=1)] = 1_000
    cleanings_per_wafer: Annotated[int, Field(ge=0)] = 0
    averages: Annotated[int, Field(ge=1, le=65_535)] = 1_000
    max_pulses: Annotated[int, Field(ge=1, le=255)] = 20
    consecutive_contact_failures: Annotated[int, Field(ge=1)] = 3
    dwell_s: Positive = 10.0
    energy_joules: Positive = 1e-2


class StationSection(_Section):
    name: str = "station"
    data: str | None = None


class LabConfig(_Section):
    station: StationSection = StationSection()
    prober: InstrumentSection
    smu: SmuSection
    crossbar: CrossbarSection
    chip: ChipSection = ChipSection()
    wafer: WaferSection
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if len(set(self.wafer.dies)) != len(self.wafer.dies):
            raise ValueError("wafer.dies names a die twice")
        if self.wafer.home not in self.wafer.dies:
            raise ValueError(f"wafer.home {list(self.wafer.home)} is not one of wafer.dies")
        if self.limits.read_volts > self.limits.device_volts:
            raise ValueError(f"limits.read_volts {self.limits.read_volts:g} V is above limits.device_volts {self.limits.device_volts:g} V")
        return self


def load_lab(path: Path) -> LabConfig:
    """Raises LabConfigError naming the file, the key and the rule it breaks."""
    try:
        with path.open("rb") as file:
            return LabConfig.model_validate(tomllib.load(file))
    except FileNotFoundError as error:
        raise LabConfigError(f"{path}: no such file; `hil sim --write-lab {path}` writes one for the simulated lab") from error
    except OSError as error:
        raise LabConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise LabConfigError(f"{path}: not UTF-8 text at byte {error.start}; save it as UTF-8, which TOML requires") from error
    except tomllib.TOMLDecodeError as error:
        raise LabConfigError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "lab"
        got = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
        what = f"no such key; this table has {_keys_beside(first['loc'])}" if first["type"] == "extra_forbidden" else first["msg"]
        raise LabConfigError(f"{path}: {where}: {what.removeprefix('Value error, ')}{got}") from error


def _keys_beside(where: tuple[int | str, ...]) -> str:
    """Names that could have been meant instead of the last one of `where`."""
    model: type[BaseModel] = LabConfig
    for part in where[:-1]:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            break
        model = field.annotation
    return ", ".join(model.model_fields)
