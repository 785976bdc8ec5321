"""What the board knows of itself over time: wear of its junctions, its calibration."""

import zlib

import numpy as np
from numpy.typing import NDArray

from drivers.board_talk import fitting
from drivers.board_values import Calibration, WearCounts
from drivers.crossbar_session import CrossbarSession
from drivers.errors import ProtocolError, Refused
from firmware_protocol import messages
from firmware_protocol.codes import CalibrationTable, DeviceState, Wear
from firmware_protocol.messages import Message, Request

_TYPES = {CalibrationTable.SENSE_LINES: "<i4", CalibrationTable.COLUMN_ORDER: "u1"}


class Upkeep(CrossbarSession):
    """COUNTERS, GET_CALIBRATION, SET_CALIBRATION."""

    def wear(self, kernel: int) -> WearCounts:
        """Since the controller started. Raises Refused where it does not count."""
        self._check_kernel(kernel)
        asked = (Wear.POSITIVE_PULSES, Wear.NEGATIVE_PULSES, Wear.READINGS)
        requests: list[Request] = [messages.Counters(kernel, wear) for wear in asked]
        answers = self._ask_all(requests)
        return WearCounts(*(self._counted(kernel, wear, answer) for wear, answer in zip(asked, answers, strict=True)))

    def calibration(self, table: str) -> Calibration:
        """table: COLUMN_ORDER or SENSE_LINES. Raises Refused where the controller keeps none."""
        code = _table(table)
        return self._checked(code, self._ask(messages.GetCalibration(code)))

    def set_calibration(self, calibration: Calibration, replaces: int) -> Calibration:
        """Replace the table in force, of version `replaces`; what is now in force. Isolates first.

        Raises Refused when another version is in force (somebody else changed it: read it, then decide), or for a table that
        the controller does not take.
        """
        code = _table(calibration.table)
        limits = np.iinfo(_TYPES[code])
        if calibration.values.size and not (limits.min <= calibration.values.min() and calibration.values.max() <= limits.max):
            raise Refused(f"crossbar: {calibration.table} holds a value outside {limits.min} to {limits.max}")
        data = calibration.values.astype(_TYPES[code]).tobytes()
        request = fitting(lambda: messages.SetCalibration(code, calibration.version, replaces, data))
        if self._state is not DeviceState.SAFE:
            self.isolate()
        found = self._checked(code, self._ask(request))
        if (found.version, found.values.tolist()) != (calibration.version, calibration.values.tolist()):
            raise ProtocolError(f"{self._link.address}: {calibration.table} was set, but the controller keeps another one")
        return found

    # --- inside
    def _counted(self, kernel: int, wear: Wear, answer: Message) -> NDArray[np.uint16]:
        assert isinstance(answer, messages.CountersResponse)
        if (answer.kernel, answer.wear, len(answer.counts)) != (kernel, wear, 2 * self._geometry.per_kernel):
            raise ProtocolError(f"{self._link.address}: COUNTERS of kernel {kernel} were answered for another one or in part")
        return np.frombuffer(answer.counts, "<u2").reshape(self._shape).astype(np.uint16)

    def _checked(self, code: CalibrationTable, answer: Message) -> Calibration:
        assert isinstance(answer, messages.CalibrationResponse)
        if answer.table != code or zlib.crc32(answer.data) != answer.crc32:
            raise ProtocolError(f"{self._link.address}: {code.name} does not have the CRC-32 that the controller says; do not use it")
        return Calibration(code.name, answer.version, self._values(code, answer.data))

    def _values(self, code: CalibrationTable, data: bytes) -> NDArray[np.int64]:
        try:
            values = np.frombuffer(data, _TYPES[code]).astype(np.int64)
            return values.reshape(-1, 2) if code is CalibrationTable.SENSE_LINES else values
        except ValueError as error:
            raise ProtocolError(f"{self._link.address}: {code.name} of {len(data)} bytes makes no sense") from error


def _table(name: str) -> CalibrationTable:
    try:
        return CalibrationTable[name]
    except KeyError:
        raise Refused(f"crossbar: no calibration table {name!r}; there are {', '.join(CalibrationTable.__members__)}") from None
