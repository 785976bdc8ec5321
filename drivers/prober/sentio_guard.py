"""Every motion passes here: a state just read, judged by motion_rules, and the soft limits.

What the prober cannot be asked is remembered here, and only ever towards refusing: whether the wafer is still aligned. At the start
of a session it counts as aligned, because whoever set home and contact did that; what voids it later is seen or commanded here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.errors import DriverError
from drivers.prober.die_grid import Place, from_home, from_zero
from drivers.prober.motion_rules import Motion, Need, always_allowed, require_allowed
from drivers.prober.sentio_session import SentioSession
from drivers.prober.sentio_state import SentioReader, Stand
from drivers.prober.sentio_words import XyReference
from drivers.prober.soft_limits import SoftLimits

Interlock = Callable[[], bool]
"""Whether the SMU's output is off, asked of the SMU. Given by whoever owns both instruments."""


@dataclass
class Aligned:
    """void: why the wafer has to be aligned before the next contact; None while nothing is known against it."""

    void: str | None = None

    def lose(self, why: str) -> None:
        self.void = self.void or why

    def gain(self) -> None:
        self.void = None


@dataclass
class Guard:
    """output_is_off: None where nobody owns both instruments; then nothing is refused for it, and the station has to see to it."""

    session: SentioSession
    reader: SentioReader
    limits: SoftLimits
    output_is_off: Interlock | None = None
    aligned: Aligned = field(default_factory=Aligned)

    def require(self, motion: Motion) -> Stand:
        """Take control, read how the chuck stands, and allow the motion. Raises MotionRefused."""
        self.session.take_control()
        stand = self.reader.stand()
        require_allowed(stand.state, motion, self.session.name, stand.z_um, lambda need: self._unmet(need, stand))
        return stand

    def allow(self, motion: Motion) -> None:
        """Like `require`, for whoever does not care how the chuck stands; reads nothing where everything is allowed."""
        if always_allowed(motion):
            self.session.take_control()
        else:
            self.require(motion)

    def require_place(self, from_home_um: Place) -> None:
        """A place from home, against the axes' limits. Raises OverLimit."""
        if self.limits.bound_axes:
            self.limits.check_axes(from_zero(self._home_um(), from_home_um), self.session.name)

    def from_home_um(self, reference: XyReference, x_um: float, y_um: float) -> Place:
        """Where a move by HOME, ZERO or RELATIVE ends, from home."""
        if reference is XyReference.ZERO:
            return from_home(self._home_um(), (x_um, y_um))
        start = self.reader.xy_um() if reference is XyReference.RELATIVE else (0.0, 0.0)
        return (start[0] + x_um, start[1] + y_um)

    def _home_um(self) -> Place:
        """Where home is, from the axes' zero."""
        return from_home(self.reader.xy_um(), self.reader.xy_um(XyReference.ZERO))

    def _unmet(self, need: Need, stand: Stand) -> str | None:
        """What is wrong with a need, None when it is met."""
        if need is Need.OUTPUT_OFF:
            return self._output_on()
        if need is Need.READY:
            why = self.reader.not_ready()
            return why and f"{need.value} ({why})"
        if need is Need.ALIGNED:
            return self.aligned.void and f"{need.value} ({self.aligned.void})"
        met = {
            Need.HOME: lambda: stand.home_set,
            Need.CONTACT_HEIGHT: lambda: stand.contact_set,
            Need.VACUUM: lambda: stand.vacuum_on,
            Need.DOORS: self.reader.doors_closed,
            Need.DIE: lambda: stand.home_set and self.reader.verified_die() is not None,
        }
        return None if met[need]() else need.value

    def _output_on(self) -> str | None:
        if self.output_is_off is None:
            return None
        try:
            return None if self.output_is_off() else Need.OUTPUT_OFF.value
        except DriverError as error:
            return f"{Need.OUTPUT_OFF.value} ({error})"
