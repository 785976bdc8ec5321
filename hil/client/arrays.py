"""Maps as they come over HTTP: arrays with the headers that say what they are."""

import io
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from hil.client.errors import UnexpectedReply

NPY = "application/x-npy"
Die = tuple[int, int]


@dataclass(frozen=True)
class Origin:
    """Whether a simulated instrument took part, and the seeds of the simulated wafer; or that it was measured elsewhere."""

    simulated: bool
    text: str

    @property
    def imported(self) -> bool:
        """Neither measured nor simulated here: nobody here knows by what."""
        return self.text.startswith("imported")

    @property
    def seed(self) -> int | None:
        """Of the simulated wafer, from "simulated; seed=7"; None where none or several are stated."""
        text = self.text.partition("; seed=")[2]
        return int(text) if text.isascii() and text.isdecimal() else None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class ConductanceStack:
    """Newest conductance map of every measured die of a wafer.

    siemens: (n, kernels, rows, columns) float32, NaN where not measured. dies: (x, y) of each, ordered by (y, x). uncertainty: standard
    uncertainty of each, S, as siemens; None where it was not asked for.
    """

    siemens: NDArray[np.float32]
    dies: tuple[Die, ...]
    etag: str
    origin: Origin
    measured_at: str | None
    uncertainty: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class DefectStack:
    """Newest defect map of every measured die of a wafer. codes: (n, kernels, rows, columns) uint8, see Defect."""

    codes: NDArray[np.uint8]
    dies: tuple[Die, ...]
    etag: str
    origin: Origin
    measured_at: str | None


@dataclass(frozen=True)
class DieMap:
    """One map. array: (kernels, rows, columns), float32 siemens of a conductance map, uint8 codes of a defect map.

    state: what was written before a conductance map was read; None for a defect map.
    """

    array: NDArray[Any]
    map_id: str
    state: str | None
    etag: str
    origin: Origin
    measured_at: str | None


def array_of(response: httpx.Response) -> NDArray[Any]:
    """Raises UnexpectedReply for a body that is no npy array."""
    try:
        array: NDArray[Any] = np.load(io.BytesIO(response.content), allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UnexpectedReply(f"{response.request.url} sent {len(response.content)} bytes that are no npy array: {error}") from error
    return array


def origin_of(response: httpx.Response) -> Origin:
    text = response.headers.get("lab-origin", "unknown")
    return Origin(text.startswith("simulated"), text)


def dies_of(response: httpx.Response) -> tuple[Die, ...]:
    """From the header `Lab-Dies: x,y;x,y;...`. Raises UnexpectedReply."""
    text = response.headers.get("lab-dies", "")
    try:
        pairs = [part.split(",") for part in text.split(";") if part]
        return tuple((int(x), int(y)) for x, y in pairs)
    except ValueError as error:
        raise UnexpectedReply(f"{response.request.url} sent Lab-Dies: {text!r}, which is no list of x,y") from error


def conductance_stack(response: httpx.Response) -> ConductanceStack:
    return ConductanceStack(array_of(response), dies_of(response), **_common(response))


def defect_stack(response: httpx.Response) -> DefectStack:
    return DefectStack(array_of(response), dies_of(response), **_common(response))


def die_map(response: httpx.Response) -> DieMap:
    return DieMap(array_of(response), response.headers.get("lab-map-id", ""), response.headers.get("lab-state"), **_common(response))


def _common(response: httpx.Response) -> dict[str, Any]:
    headers = response.headers
    return {"etag": headers.get("etag", ""), "origin": origin_of(response), "measured_at": headers.get("lab-measured-at")}
