"""What the client asks about how surely the lab knows its numbers."""

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from hil.client.arrays import NPY, ConductanceStack, array_of, conductance_stack
from hil.client.errors import UnexpectedReply
from hil.client.http import Connection, path_of

_TRIES = 5


class CertaintyCalls:
    """Part of LabClient."""

    _service: Connection

    def with_uncertainty(self, wafer: str, state: str | None = None) -> ConductanceStack:
        """As `conductance`, with the standard uncertainty of every junction. Raises NotFound where a map has none, UnexpectedReply where
        new maps keep coming in between."""
        for _ in range(_TRIES):
            maps, sigmas = (self._stack(wafer, name, state) for name in ("conductance", "uncertainty"))
            if (maps.dies, maps.measured_at) == (sigmas.dies, sigmas.measured_at):
                return replace(maps, uncertainty=sigmas.siemens)
        raise UnexpectedReply(f"wafer {wafer}: maps and their uncertainties were of different measurements {_TRIES} times; ask again")

    def map_uncertainty(self, map_id: str) -> NDArray[Any]:
        """Standard uncertainty of every junction of a conductance map, S, as the map's array; confidence of a defect map. Raises NotFound
        where nobody knows it."""
        return self._part(map_id, "uncertainty")

    def map_uncorrected(self, map_id: str) -> NDArray[Any]:
        """What the instrument had read of each junction, S, before contact and calibration were taken off."""
        return self._part(map_id, "uncorrected")

    def calibrations(self, limit: int = 100) -> list[dict[str, Any]]:
        """Calibrations of boards, newest first."""
        return self._service.json("GET", "/calibrations", query={"limit": limit})["items"]

    def calibration(self, calibration_id: str) -> dict[str, Any]:
        """One calibration, with every line of its board."""
        return self._service.json("GET", path_of("calibrations", calibration_id))

    def _stack(self, wafer: str, name: str, state: str | None) -> ConductanceStack:
        return conductance_stack(self._service.call("GET", path_of("wafers", wafer, name), headers={"Accept": NPY}, query={"state": state}))

    def _part(self, map_id: str, name: str) -> NDArray[Any]:
        return array_of(self._service.call("GET", path_of("maps", map_id, name), headers={"Accept": NPY}))
