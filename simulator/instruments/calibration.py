"""The board's calibration tables, in memory that outlives a restart. The board uses COLUMN_ORDER itself; the rest it only keeps."""

import zlib

import numpy as np
from numpy.typing import NDArray

from firmware_protocol.codes import CalibrationTable, Status
from firmware_protocol.geometry import Geometry
from firmware_protocol.messages import CalibrationResponse, SetCalibration
from simulator.instruments.refused import BoardRefused

SENSE_LINE_BYTES = 8
"""Gain error and offset, i32 each."""


class Calibration:
    """column_order: (columns,) physical gate line of each logical column; None while every line is its own.

    built_in: that of a board whose lines are exchanged, written where it was built.
    """

    def __init__(self, geometry: Geometry, built_in: NDArray[np.intp] | None = None) -> None:
        self._columns = geometry.columns
        self._sense_lines = max(geometry.rows, geometry.columns)
        self._tables: dict[CalibrationTable, tuple[int, bytes]] = dict.fromkeys(CalibrationTable, (0, b""))
        self.column_order: NDArray[np.intp] | None = built_in
        if built_in is not None:
            self._tables[CalibrationTable.COLUMN_ORDER] = (1, built_in.astype(np.uint8).tobytes())

    def get(self, table: int) -> CalibrationResponse:
        """Raises BoardRefused for a table that does not exist."""
        if table not in self._tables:
            raise BoardRefused(Status.REFUSED_RANGE, table, max(CalibrationTable))
        version, data = self._tables[CalibrationTable(table)]
        return CalibrationResponse(table, version, zlib.crc32(data), data)

    def set(self, request: SetCalibration) -> CalibrationResponse:
        """Replace a table. Raises BoardRefused; the table in force then stays."""
        version = self.get(request.table).version
        self._check(CalibrationTable(request.table), request.data)
        if request.replaces != version:
            raise BoardRefused(Status.REFUSED_CONFIG, request.replaces, version)
        if request.version <= version:
            raise BoardRefused(Status.REFUSED_CONFIG, request.version, version)
        self._tables[CalibrationTable(request.table)] = (request.version, request.data)
        if request.table == CalibrationTable.COLUMN_ORDER:
            self.column_order = np.frombuffer(request.data, np.uint8).astype(np.intp)
        return self.get(request.table)

    def _check(self, table: CalibrationTable, data: bytes) -> None:
        is_order = table is CalibrationTable.COLUMN_ORDER
        expected = self._columns if is_order else SENSE_LINE_BYTES * self._sense_lines
        if len(data) != expected or (is_order and sorted(data) != list(range(expected))):
            raise BoardRefused(Status.REFUSED_RANGE, len(data), expected)
