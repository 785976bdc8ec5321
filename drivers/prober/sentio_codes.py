"""SENTIO's error codes: their names, and whose move each one is.

A code that is not listed stops the work: an unknown failure is never retried.
Source: sentio-prober-control 26.2.0, Enumerations.py (RemoteCommandError).
"""

from drivers.errors import DriverError


class ProberError(DriverError):
    """The prober answered with an error code. code, name: of SENTIO's RemoteCommandError."""

    what_to_do = ""

    def __init__(self, text: str, code: int, name: str) -> None:
        super().__init__(text)
        self.code, self.name = code, name


class ProberRetryable(ProberError):
    """May work when repeated."""

    what_to_do = "repeat the command once"


class ProberNeedsOperator(ProberError):
    """Someone has to do something at the prober."""

    what_to_do = "put it right at the prober, then resume"


class ProberFatal(ProberError):
    """Stop using the prober until it has been looked at."""

    what_to_do = "stop and look at the prober before going on"


class ProberBug(ProberError):
    """The command was wrong: ours to mend."""

    what_to_do = "this version of SENTIO and the driver disagree; report it with this text"


END_OF_ROUTE = 11
"""A status, not an error: the route has no further die."""

_RETRYABLE = {19: "Timeout", 21: "PatternNotFound", 24: "AutoFocusFailed", 30: "CommandPending", 31: "AsyncCommandAborted"}
_OPERATOR = {
    12: "InvalidOperation",
    15: "ProjectRequired",
    17: "PrealignmentFailed",
    18: "HomePositionNotSet",
    20: "PatternNotTrained",
    22: "TooManyPatternsFound",
    23: "ContactHeightNotSet",
    37: "AlignAccuracyBad",
    38: "SteppingWithWrongZPosition",
    60: "FrontDoorOpen",
    61: "LoaderDoorOpen",
    62: "FrontDoorLockFail",
    63: "LoaderDoorLockFail",
    64: "SlotOrStationOccupied",
    65: "SlotOrStationEmpty",
    66: "ProbeBackDoorOpen",
    67: "ProbeSideDoorOpen",
    68: "VacuumFailed",
    69: "LoaderTrayDoorOpen",
    85: "LoaderNoWaferOnPrealigner",
    86: "LoaderNoWaferOnChuck",
    160: "LoaderWaferOnChuck",
    200: "ThermalSoakingTimeIsNotCorrect",
}
_FATAL = {1: "InternalError", 2: "ExecutionError", 100: "ProbeNotInitialized", 101: "ProbeServoOnOffFail", 120: "OvertravelOutOfAxisLimit"}
_BUG = {
    3: "CommandHandlerNotFound",
    4: "InvalidCommand",
    5: "InvalidCommandFormat",
    6: "InvalidParameter",
    7: "InvalidNumberOfParameters",
    8: "ArgumentOutOfBounds",
    13: "NotSupported",
    14: "SubsiteNotRoutable",
    32: "UnknownCommandId",
}

CODES: dict[int, tuple[str, type[ProberError]]] = {
    code: (name, kind)
    for kind, named in ((ProberRetryable, _RETRYABLE), (ProberNeedsOperator, _OPERATOR), (ProberFatal, _FATAL), (ProberBug, _BUG))
    for code, name in named.items()
}


def prober_error(code: int, message: str, command: str, prober: str) -> ProberError:
    """The exception for an error code, of the class that says whose move it is."""
    name, kind = CODES.get(code, ("a code unknown to this driver", ProberFatal))
    return kind(f"{prober}: {command!r} failed with {code} {name}: {message}; {kind.what_to_do}", code, name)
