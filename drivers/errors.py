"""The tree of everything a driver can raise. One class per decision the caller has to make.

DriverError
  LinkError            the wire: nothing is known about what the instrument did last
    ConnectFailed      nobody answers at the address
    LinkTimeout        the deadline passed without a whole reply
    LinkLost           the peer closed or the port vanished
  ProtocolError        the wire works, but what came is not what this instrument says
    WrongInstrument    identity or version is not the one the configuration names
  Refused              the instrument understood and said no; nothing happened
    OverLimit          a value beyond a limit, of ours or of the instrument
    MotionRefused      a move that the present state does not allow
    EmergencyStopped   latched; someone has to clear it
    Busy               a long operation runs; wait for its end, or abort it
    NotSent            it never left this computer
  ComplianceTripped    the SMU limited; the reading is not to be trusted
  OutcomeUnknown       pulses may or may not have been applied, or on which junctions nobody knows; read back, never repeat
  OutputMayBeOn        output off was sent but could not be verified
  PositionNotVerified  the chuck moved, and does not read back where it was sent: nothing measured there has a name
  ProberError          the prober answered with an error code of its own; it may have moved
    ProberRetryable    may work when repeated
    ProberNeedsOperator  someone has to do something at the prober
    ProberFatal        stop using the prober until it has been looked at
    ProberBug          the command was wrong: ours to mend

Every text names the instrument, the value, the limit and the next step. Where a call gives pulses in several commands, "nothing
happened" is said of the command that failed; `executed` says what had been given before it.
"""

from typing import Self


class DriverError(Exception):
    """Base of all errors of a driver.

    executed: how many pulses of the same call are known to have been given before it, the first so many of the mask.
    """

    executed: int = 0

    def after(self, executed: int) -> Self:
        """The same, told of a call that had given pulses before."""
        if executed:
            self.executed += executed
            self.args = (f"{self}; {executed} pulses of the same call had been given", *self.args[1:])
        return self


class LinkError(DriverError):
    """The wire failed; the state of the instrument is unknown until read back."""


class ConnectFailed(LinkError):
    """Nobody answers at the address."""


class LinkTimeout(LinkError):
    """The deadline passed. The link is dirty and must not be trusted until resynchronised."""


class LinkLost(LinkError):
    """The peer closed the connection or the port vanished."""


class ProtocolError(DriverError):
    """A reply that this instrument's language does not contain."""


class WrongInstrument(ProtocolError):
    """The identity is not the one configured."""


class Refused(DriverError):
    """The instrument or the driver said no; nothing was done."""


class OverLimit(Refused):
    """A value beyond a limit."""


class MotionRefused(Refused):
    """The prober's state does not allow the move."""


class EmergencyStopped(Refused):
    """The emergency stop is latched."""


class Busy(Refused):
    """A long operation runs."""


class NotSent(Refused):
    """An emergency stop, or giving up, came before it was sent: nothing happened."""


class ComplianceTripped(DriverError):
    """The SMU was limiting; the reading is not the junction's."""


class OutcomeUnknown(DriverError):
    """Pulses from `first_pulse_id` on may or may not have been applied."""

    def __init__(self, text: str, first_pulse_id: int, count: int) -> None:
        super().__init__(text)
        self.first_pulse_id = first_pulse_id
        self.count = count


class OutputMayBeOn(DriverError):
    """Output off could not be verified: treat the needles as live."""


class PositionNotVerified(DriverError):
    """The chuck moved, but where it reads back is not where it was sent: nothing measured there has a name."""


class ProberError(DriverError):
    """The prober answered with an error code. code, name: the prober's own. what_to_do: whose move it is, in words."""

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

    what_to_do = "this version of the prober and the driver disagree; report it with this text"
