"""A cable that goes wrong, without sockets and without a clock: bytes and the time in, bytes with their times of arrival out.

Rule 1: order is kept, as a cable keeps it; a frame that comes late makes those behind it late.
Rule 2: everything follows from the plan, the seed and the calls. A fault strikes a whole frame (or a line of text); what is no
whole frame yet waits, empty ones (a lone delimiter) pass unharmed and uncounted, so sixteen zeros stay sixteen zeros.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from simulator.damage import DAMAGE

LONGEST_FRAME_BYTES = 65_536
"""What comes without a delimiter is passed on, and struck, in pieces of this size."""


class FaultName(StrEnum):
    """Damage to a frame first, then what becomes of its time, then what happens in its place. Applied in this order."""

    FLIP = "flip"
    DROP = "drop"
    DOUBLE = "double"
    SWAP = "swap"
    CUT = "cut"
    REPEAT = "repeat"
    NOISE = "noise"
    LOSE = "lose"
    SPLIT = "split"
    DELAY = "delay"
    STALL = "stall"
    DISCONNECT = "disconnect"
    RESET = "reset"
    REBOOT = "reboot"


class Incident(StrEnum):
    """What a frame can bring about by being lost."""

    DISCONNECT = "disconnect"
    RESET = "reset"
    REBOOT = "reboot"


@dataclass(frozen=True)
class Fault:
    """One entry of a plan. It strikes a frame with `probability`, the frames numbered `at` (from 1), or the first after `after_ns`.

    hold_ns: how long a delay, a stall or the pause of a split lasts. noise_bytes: random bytes before the frame.
    """

    name: FaultName
    probability: float = 0.0
    at: frozenset[int] = frozenset()
    after_ns: int | None = None
    hold_ns: int = 0
    noise_bytes: int = 16


@dataclass(frozen=True)
class DirectionPlan:
    """One way of a line. latency_ns, jitter_ns: every frame takes the first and up to the second besides."""

    faults: tuple[Fault, ...] = ()
    latency_ns: int = 0
    jitter_ns: int = 0

    @property
    def fails(self) -> bool:
        """Whether this way does anything to what passes."""
        return bool(self.faults or self.latency_ns or self.jitter_ns)


@dataclass(frozen=True)
class LinePlan:
    """Both ways of the line to one instrument."""

    to_device: DirectionPlan = field(default_factory=DirectionPlan)
    to_host: DirectionPlan = field(default_factory=DirectionPlan)


Carried = tuple[int, bytes | Incident]
"""(wall time of arrival in ns, what arrives then)."""


class FaultyDirection:
    """One way of one connection. begun_ns: the moment from which `after_ns` counts.

    `beside` makes the same way of a further connection through the same cable: it counts on and shares the stalls.
    """

    def __init__(self, plan: DirectionPlan, seed: int | str, delimiter: bytes = b"\0", begun_ns: int = 0) -> None:
        self._cable = _Cable(plan, random.Random(seed), begun_ns)  # noqa: S311  (dice, not secrets)
        self._delimiter = delimiter
        self._rest = b""
        self._arrived_ns = 0

    def beside(self) -> "FaultyDirection":
        other = FaultyDirection(self._cable.plan, 0, self._delimiter)
        other._cable = self._cable
        return other

    @property
    def frames(self) -> int:
        """Whole frames that entered the cable so far."""
        return self._cable.frames

    def carry(self, data: bytes, now_ns: int) -> list[Carried]:
        """What arrives of these bytes (any split) and of those that waited for them, in order, never before now_ns."""
        *ended, rest = (self._rest + data).split(self._delimiter)
        carried: list[Carried] = []
        for piece in ended:
            if piece:
                self._carry_frame(piece + self._delimiter, now_ns, carried)
            else:
                carried.append((self._arrival_ns(now_ns + self._cable.travel_ns()), self._delimiter))
        while len(rest) >= LONGEST_FRAME_BYTES:
            self._carry_frame(rest[:LONGEST_FRAME_BYTES], now_ns, carried)
            rest = rest[LONGEST_FRAME_BYTES:]
        self._rest = rest
        return carried

    def _carry_frame(self, frame: bytes, now_ns: int, carried: list[Carried]) -> None:
        at_ns = now_ns + self._cable.travel_ns()
        incidents: list[Incident] = []
        pause_ns = 0
        for fault in self._cable.struck(now_ns):
            if damage := DAMAGE.get(fault.name):
                frame = damage(frame, self._cable.rng, fault.noise_bytes)
            elif fault.name is FaultName.SPLIT:
                pause_ns += fault.hold_ns
            elif fault.name is FaultName.DELAY:
                at_ns += fault.hold_ns
            elif fault.name is FaultName.STALL:
                self._cable.held_until_ns = max(self._cable.held_until_ns, now_ns + fault.hold_ns)
            else:
                incidents.append(Incident(fault.name.value))
        at_ns = self._arrival_ns(at_ns)
        if incidents:
            carried.extend((at_ns, incident) for incident in incidents)
        elif frame and pause_ns:
            cut = self._cable.rng.randrange(1, max(len(frame), 2))
            carried += [(at_ns, frame[:cut]), (self._arrival_ns(at_ns + pause_ns), frame[cut:])]
        elif frame:
            carried.append((at_ns, frame))

    def _arrival_ns(self, at_ns: int) -> int:
        self._arrived_ns = max(self._arrived_ns, at_ns, self._cable.held_until_ns)
        return self._arrived_ns


class _Cable:
    """What all connections through one cable share: the count of frames, the dice, and until when it holds everything back."""

    def __init__(self, plan: DirectionPlan, rng: random.Random, begun_ns: int) -> None:
        self.plan, self.rng, self.frames, self.held_until_ns = plan, rng, 0, 0
        self._begun_ns = begun_ns
        self._faults = sorted(plan.faults, key=lambda fault: list(FaultName).index(fault.name))
        self._to_come = {number for number, fault in enumerate(self._faults) if fault.after_ns is not None}

    def travel_ns(self) -> int:
        jitter_ns = self.plan.jitter_ns
        return self.plan.latency_ns + (int(self.rng.random() * jitter_ns) if jitter_ns else 0)

    def struck(self, now_ns: int) -> Iterable[Fault]:
        """The faults of the next frame. Each has a draw of its own, so that adding one to a plan leaves no other unlikelier."""
        self.frames += 1
        for number, fault in enumerate(self._faults):
            drawn = fault.probability > 0 and self.rng.random() < fault.probability
            if drawn or self.frames in fault.at or self._time_has_come(number, fault, now_ns):
                yield fault

    def _time_has_come(self, number: int, fault: Fault, now_ns: int) -> bool:
        if number not in self._to_come or fault.after_ns is None or now_ns - self._begun_ns < fault.after_ns:
            return False
        self._to_come.remove(number)
        return True
