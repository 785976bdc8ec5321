"""What the client asks about how surely the lab knows its numbers."""

from typing import Any

from numpy.typing import NDArray

from hil.client.arrays import NPY, array_of
from hil.client.http import Connection, path_of


class CertaintyCalls:
    """Part of LabClient."""

    _service: Connection

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

    def _part(self, map_id: str, name: str) -> NDArray[Any]:
        return array_of(self._service.call("GET", path_of("maps", map_id, name), headers={"Accept": NPY}))
