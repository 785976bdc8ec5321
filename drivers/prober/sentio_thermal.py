"""The thermal chuck, degrees Celsius. Rule: heat moves the wafer under the needles, so never in contact, and aligned again after it."""

import time
from collections.abc import Callable

from drivers.errors import ProberError, ProberFatal, ProberRetryable
from drivers.prober import sentio_commands_machine as say
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_codes import SOAKING_TIME, TIMEOUT
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_words import ThermoState

ALIGNED_WITHIN_K = 5.0
"""A wafer of 100 mm moves by some micrometres for it, less than a pad is wide."""
_POLL_S = 1.0


class SentioThermal:
    """sleep, clock: seconds; injected by tests."""

    def __init__(self, guard: Guard, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader
        self._sleep, self._clock = sleep, clock

    def temperature_c(self) -> float:
        return self._session.ask(say.TEMPERATURE).floats(1)[0]

    def setpoint_c(self) -> float:
        return self._session.ask(say.SETPOINT).floats(1)[0]

    def state(self) -> ThermoState:
        return self._session.ask(say.THERMO_STATE).one_of(ThermoState)

    def soaking_s(self, celsius: float) -> float | None:
        """What the prober has set up for a temperature; None for nothing."""
        try:
            return self._session.ask(say.soaking_time(celsius)).floats(1)[0]
        except ProberError as error:
            if error.code != SOAKING_TIME:
                raise
            return None

    def set(self, celsius: float, may_lift: bool = False) -> None:
        """Begin to heat or cool. Raises MotionRefused unless separated; after more than 5 K the wafer has to be aligned again."""
        self._guard.require(Motion.HEAT)
        if not abs(celsius - self.temperature_c()) <= ALIGNED_WITHIN_K:
            self._guard.aligned.lose(f"the chuck was brought to {celsius:g} degrees")
        self._session.ask(say.set_temperature(self._reader.version(), celsius, may_lift))

    def wait(self, within_s: float, soak_s: float | None = None, checkpoint: Callable[[], None] = lambda: None) -> None:
        """Until the setpoint is held, then soak. soak_s: None is what the prober has set up for it, nothing where it has not.

        checkpoint: called every second; may raise to give up. Raises ProberRetryable when that takes longer, ProberFatal when the chuck
        reports an error.
        """
        deadline_s = self._clock() + within_s
        while (state := self.state()) not in (ThermoState.CONTROLLING, ThermoState.SOAKING):
            if state is ThermoState.ERROR:
                raise ProberFatal(f"{self._session.name}: the thermal chuck reports an error; look at it", 0, "thermo state error")
            if self._clock() >= deadline_s:
                at = f"{self.temperature_c():g} of {self.setpoint_c():g} degrees"
                raise ProberRetryable(
                    f"{self._session.name}: still {state.value} at {at} after {within_s:g} s; wait on", TIMEOUT, "Timeout"
                )
            self._pause(_POLL_S, checkpoint)
        self._pause(self.soaking_s(self.setpoint_c()) or 0.0 if soak_s is None else soak_s, checkpoint)

    def _pause(self, seconds: float, checkpoint: Callable[[], None]) -> None:
        until_s = self._clock() + seconds
        while (left_s := until_s - self._clock()) > 0:
            checkpoint()
            self._sleep(min(left_s, _POLL_S))
