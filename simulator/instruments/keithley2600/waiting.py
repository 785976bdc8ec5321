"""Pauses of statements that wait for something that somebody else does, at most so long.

Rule: a time-out runs on the wall, as all time-outs of the pretended lab do: under a fast clock nobody could be in time otherwise.
"""

from collections.abc import Callable, Generator

from simulator.agenda import Agenda
from simulator.instruments.keithley2600.errors import Refused, number
from simulator.instruments.keithley2600.events import Detector
from simulator.instruments.keithley2600.natives import Happening
from simulator.instruments.smu.own_time import OwnTime
from simulator.instruments.tsp_values import Arguments, Pause, Value

_LONGEST_S = 1e6


class Waiter:
    def __init__(self, agenda: Agenda, own: OwnTime) -> None:
        self._agenda, self._own = agenda, own

    def event(self, detector: Detector, given: Arguments) -> Generator[Pause, None, Value]:
        """`wait(timeout)` of a trigger object: whether its event came. Raises Refused 1400."""
        if not given:
            raise Refused(1400, 1)
        timeout_ns = round(1e9 * number(given[0], 0.0, _LONGEST_S))
        heard = [True] if detector.take() else []
        if not heard and timeout_ns:
            yield Happening(self._heard_within(timeout_ns, detector, heard))
        return bool(heard)

    def _heard_within(self, timeout_ns: int, detector: Detector, heard: list[bool]) -> Callable[[Callable[[int], None]], None]:
        def arm(resume: Callable[[int], None]) -> None:
            def told(now_ns: int) -> None:
                entry.cancel()
                heard.append(True)
                resume(now_ns)

            def gave_up(wall_now_ns: int) -> None:
                give_up()
                resume(self._own.enter(wall_now_ns))

            give_up = detector.wait(told)
            entry = self._agenda.at(self._own.wall_at(self._own.now_ns) + timeout_ns, gave_up)

        return arm
