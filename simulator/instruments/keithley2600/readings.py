"""What a reading is: its quantities, how each comes out of a sample, and how readings are taken until a setting changes.

Source: 2600BS-901-01, smuX.measure.*; the overflow's value from "Buffer status".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from simulator.instruments.keithley2600.buffers import Circumstances, ReadingBuffer
from simulator.instruments.smu.channel import Meter, Sample

Quantity = Literal["v", "i", "r", "p"]
MEASURED: dict[str, tuple[Quantity, ...]] = {"v": ("v",), "i": ("i",), "r": ("r",), "p": ("p",), "iv": ("i", "v")}
"""What measure.v(), measure.i() and so on measure and return."""
OVERFLOW = 9.91e37
OVER = 9e37
"""Beyond this it overflowed."""
WORDS = {"i": "Current", "v": "Voltage", "r": "Ohms", "p": "Watts"}
"""As printbuffer() names what was measured or sourced."""


def _true_volts(sample: Sample) -> float:
    return sample.volts


def _true_amps(sample: Sample) -> float:
    return sample.amps


def _ohms(sample: Sample) -> float:
    return sample.volts / sample.amps if sample.amps and max(abs(sample.volts), abs(sample.amps)) < OVER else OVERFLOW


def _watts(sample: Sample) -> float:
    return sample.volts * sample.amps if max(abs(sample.volts), abs(sample.amps)) < OVER else OVERFLOW


TAKEN: dict[Quantity, Callable[[Sample], float]] = {"v": _true_volts, "i": _true_amps, "r": _ohms, "p": _watts}


@dataclass
class Target:
    """One quantity of a reading and where it goes. status: without the limit's bit. offset: subtracted."""

    quantity: Quantity
    buffer: ReadingBuffer | None
    status: int
    offset: float
    circumstances: Circumstances


@dataclass
class Plan:
    """How to take readings until a setting changes. delay_ns: before the first one. stacked: how many a moving average or a median
    looks at; 0 for neither."""

    meter: Meter
    targets: list[Target]
    delay_ns: int
    interval_ns: int
    count: int
    stacked: int = 0
