"""SENTIO's error codes: their names, and whose move each one is.

Rule 1: a code that is not listed stops the work: an unknown failure is never retried. Rule 2: the end of the route is no error.
Source: sentio-prober-control 26.2.0, Enumerations.py (RemoteCommandError); "Unsupported remote command" is its issue 42.
"""

from drivers.errors import ProberBug, ProberError, ProberFatal, ProberNeedsOperator, ProberRetryable

__all__ = ["CODES", "END_OF_ROUTE", "ProberBug", "ProberError", "ProberFatal", "ProberNeedsOperator", "ProberRetryable", "prober_error"]

END_OF_ROUTE = 11
"""A status, not an error: the route has no further die."""
INVALID_OPERATION = 12
CONTACT_HEIGHT_NOT_SET = 23
TIMEOUT = 19
SOAKING_TIME = 200
"""No soaking time is set up for this temperature."""
_EXECUTION_ERROR = 2
_UNSUPPORTED = "unsupported remote command"

_RETRYABLE = {
    19: "Timeout", 21: "PatternNotFound", 24: "AutoFocusFailed", 25: "TipFocusFailed", 26: "TipNotFound", 30: "CommandPending",
    31: "AsyncCommandAborted", 91: "LoaderReadIdFail",
}  # fmt: skip
_OPERATOR = {
    9: "FileNotFound", 12: "InvalidOperation", 15: "ProjectRequired", 16: "EndOfList", 17: "PrealignmentFailed", 18: "HomePositionNotSet",
    20: "PatternNotTrained", 22: "TooManyPatternsFound", 23: "ContactHeightNotSet", 27: "OffsetOverTolerance", 35: "CameraNotCalibrated",
    36: "CameraDoesNotExist", 37: "AlignAccuracyBad", 38: "SteppingWithWrongZPosition", 60: "FrontDoorOpen", 61: "LoaderDoorOpen",
    62: "FrontDoorLockFail", 63: "LoaderDoorLockFail", 64: "SlotOrStationOccupied", 65: "SlotOrStationEmpty", 66: "ProbeBackDoorOpen",
    67: "ProbeSideDoorOpen", 68: "VacuumFailed", 69: "LoaderTrayDoorOpen", 80: "LoaderCassetteDoesNotExist", 81: "LoaderSlotNumberError",
    83: "LoaderPreAlignerAngleError", 85: "LoaderNoWaferOnPrealigner", 86: "LoaderNoWaferOnChuck", 87: "LoaderNoWaferAtSlotOrTray",
    88: "LoaderNoWaferOnRobot", 90: "LoaderNoIdReader", 92: "LoaderTransferWaferFail", 93: "LoaderNoWaferOnAuxiliary",
    121: "MissingTopographyTable", 122: "IndexerDeviceIsNotExisting", 150: "LoaderWaferOnFork", 151: "LoaderWaferSlideOutCassette",
    152: "LoaderNoWaferOnFork", 153: "LoaderWaferTrackerReceivedTimeout", 154: "LoaderWaferIsOblique", 155: "LoaderCassetteWithoutScan",
    156: "LoaderPrealignerSensorSwitchSizeTimeOut", 157: "LoaderCassetteDoorBarOpenTimeout", 158: "LoaderCassetteDoorBarCloseTimeout",
    159: "LoaderWaferIsCrossOver", 160: "LoaderWaferOnChuck", 161: "LoaderPrealignCalOffsetTooLarge",
    162: "LoaderPrealignFailedTooMuchTime", 163: "LoaderConnectPrealignerFailed", 164: "LoaderWaferOnTray",
    165: "LoaderCassetteMappingLagCountTooMuch", 166: "LoaderTransferSoakingTimeOut", 167: "LoaderUpdateMappingResultFail",
    168: "LoaderTrayDoorLockTimeout", 169: "LoaderWaferOnPrealigner", 200: "ThermalSoakingTimeIsNotCorrect",
    450: "QaChuckNotWorkingPosition", 451: "QaSubstrateNotSet", 452: "QaRemoteModeNotSet", 453: "QaStandardsEmpty",
}  # fmt: skip
_FATAL = {
    1: "InternalError", 2: "ExecutionError", 100: "ProbeNotInitialized", 101: "ProbeServoOnOffFail", 120: "OvertravelOutOfAxisLimit",
    300: "SiPhMoveHoverFail", 301: "SiPhMoveSeparationFail", 302: "SiPhGradientSearchFail", 303: "SiPhFastAlignFail",
    304: "SiPhPowerMeasurementFail", 305: "SiPhCouplingFail", 306: "SiPhTrackingFail", 307: "SiPhPivotPointSearchFail",
    400: "PositionerSiteDataFail", 454: "QaCalculateEtsFail", 455: "QaSetCalDriftDutDataFail", 456: "QaCalDriftDutNotFound",
    457: "QaCalDriftDutFail", 458: "QaSwitchViewFail", 459: "QaExportCalDriftDataFail", 460: "QaCalDriftDutPositionNotSet",
}  # fmt: skip
_BUG = {
    3: "CommandHandlerNotFound", 4: "InvalidCommand", 5: "InvalidCommandFormat", 6: "InvalidParameter", 7: "InvalidNumberOfParameters",
    8: "ArgumentOutOfBounds", 10: "Unused01", 13: "NotSupported", 14: "SubsiteNotRoutable", 32: "UnknownCommandId",
}  # fmt: skip
_UNKNOWN_COMMAND = frozenset((3, 4, 13))

CODES: dict[int, tuple[str, type[ProberError]]] = {
    code: (name, kind)
    for kind, named in ((ProberRetryable, _RETRYABLE), (ProberNeedsOperator, _OPERATOR), (ProberFatal, _FATAL), (ProberBug, _BUG))
    for code, name in named.items()
}


def prober_error(code: int, message: str, command: str, prober: str) -> ProberError:
    """The exception for an error code, of the class that says whose move it is."""
    name, kind = CODES.get(code, ("a code unknown to this driver", ProberFatal))
    if code == _EXECUTION_ERROR and message.lower().startswith(_UNSUPPORTED):
        kind = ProberBug
    return kind(f"{prober}: {command!r} failed with {code} {name}: {message}; {kind.what_to_do}", code, name)


def is_unknown_command(error: ProberError) -> bool:
    """Whether this version of SENTIO does not have the command at all: nothing happened."""
    return error.code in _UNKNOWN_COMMAND or (error.code == _EXECUTION_ERROR and isinstance(error, ProberBug))
