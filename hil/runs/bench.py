"""The worker's hold on the station: opens it, opens it again with growing patience when an instrument is away, and tells
the store how it stands. Nothing here measures."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from drivers.errors import DriverError, EmergencyStopped
from drivers.values import Moving
from hil.model.lab import LabConfig
from hil.runs.heart import patience_s
from hil.runs.leaving import INSTRUMENTS, SAFE
from hil.runs.links import LinkBook
from hil.runs.settling import settle_left
from hil.runs.stops import Stops
from hil.station.emergency import stop_everything
from hil.station.errors import NotMadeSafe, StationError
from hil.station.station import Station, open_station
from hil.store.errors import Unwritable
from hil.store.logs import NeedleLog, PulseIntents
from hil.store.protocol import Store

_log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 10.0
PUBLISH_S = 1.0
MAY_BE_ON = "the SMU's output may be on"
ESTOPPED = "ESTOPPED"
"""The controller's own word for its latch."""
LATCHED_THERE = "the emergency stop is latched at the controller; find out why, then reset it"


class Bench:
    """At most one open station. monotonic: seconds."""

    def __init__(self, lab: LabConfig, store: Store, stops: Stops, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lab, self._store, self._stops, self._monotonic = lab, store, stops, monotonic
        self.pulse_ids: PulseIntents = store.pulse_ids()
        self.needles: NeedleLog = store.needle_log()
        self._links = LinkBook(store, monotonic)
        self._station: Station | None = None
        self._retry_s, self._due, self._settled_at, self._doubt_again_at = FIRST_RETRY_S, 0.0, 0.0, 0.0
        self._published_at = -PUBLISH_S
        self._moving: Moving | None = None
        self._moved_at = -math.inf
        self._published: dict[str, Any] | None = None
        self._resets, self._outdated = stops.resets(), False
        self._untold: dict[str, str] | None = None

    def tend(self) -> None:
        """Between runs: let go while the emergency stop is latched, connect when due, publish how the station stands."""
        self._tell_outcome()
        self._heed_reset()
        if self._stops.latched():
            # Whoever clears the latch clears the controller's as well, and needs a moment before a run can begin.
            self._settled_at = self._monotonic() + FIRST_RETRY_S
            self.drop("emergency stop latched")
        elif self._station is None:
            if self._monotonic() >= max(self._due, self._settled_at):
                self._try_to_connect()
        elif self._outdated and self.ready():
            self.drop("the emergency stop was cleared; connecting anew")
        elif self._monotonic() - self._published_at >= PUBLISH_S:
            snapshot = self.publish()
            self._let_go_if_latched(snapshot)
            self._let_go_if_lost(snapshot)
            self._let_go_if_perhaps_on()

    def in_time(self, idle_s: float) -> bool:
        """Whether a main loop that came by `idle_s` ago may be at something still. Asked by another thread, always the same one.

        A move that begins or ends is progress.
        """
        station, now = self._station, self._monotonic()
        moving, on_s = (None, None) if station is None else (station.moving, station.output_on_s)
        if moving != self._moving:
            self._moving, self._moved_at = moving, now
        return min(idle_s, now - self._moved_at) < patience_s(self._lab, on_s, None if moving is None else moving.longest_s)

    def ready(self) -> bool:
        """Whether a queued run may be tried: always, except for the moment after an emergency stop."""
        return self._monotonic() >= self._settled_at

    def station(self) -> Station:
        """The open station. Raises DriverError, StationError when it cannot be opened."""
        return self._station or self._connect()

    def publish(self) -> dict[str, Any]:
        """What the instruments say now, if they are open. An unreachable one is told, not raised."""
        if self._station is None:
            return {}
        snapshot = self._station.snapshot()
        self._tell({**snapshot, "error": None})
        self._published_at = self._monotonic()
        self.tell_links()
        return snapshot

    def tell_links(self) -> None:
        """What went over the wires so far; cheap enough for every step."""
        if self._station is not None:
            self._links.tell(self._station.wires())

    def drop(self, why: str, crossbar: dict[str, Any] | None = None) -> dict[str, str] | None:
        """Leave the station, safe as far as it can be reached; it is opened anew when next due.

        crossbar: what is known of the controller. Returns the outcome per instrument, None where nothing was open.
        """
        station, self._station = self._station, None
        outcome = None if station is None else self._close(station)
        if station is not None:
            self._links.closed(station.wires())
        self._tell({**self._absent(why), "crossbar": crossbar})
        return outcome

    def let_go(self) -> None:
        """Leave the station although the disk takes no word of it: another's hold on it must not meet ours."""
        with suppress(Unwritable):
            self.drop("nothing can be written; connecting anew")

    def note(self, outcome: dict[str, str]) -> None:
        """As note_outcome, but told later where the disk takes nothing now."""
        self._untold = outcome
        with suppress(Unwritable):
            self._tell_outcome()

    def _tell_outcome(self) -> None:
        if self._untold is not None:
            note_outcome(self._store, self._untold)
            self._untold = None

    def leave(self) -> dict[str, str]:
        """For good. Over other connections where none is open. Returns the outcome per instrument."""
        outcome = self.drop("the worker has ended")
        if outcome is None:
            outcome = stop_everything(self._lab, latch=False)
            note_outcome(self._store, outcome)
        return outcome

    def _close(self, station: Station) -> dict[str, str] | None:
        try:
            station.__exit__(None, None, None)
        except NotMadeSafe as error:
            if not self._stops.latched():
                self.note(error.outcome)
            return error.outcome
        except DriverError as error:
            _log.warning("closing the station: %s", error)
            return None
        return dict.fromkeys(INSTRUMENTS, SAFE)

    def _let_go_if_latched(self, snapshot: dict[str, Any]) -> None:
        """Whoever resets a controller that was latched by itself takes its session, which has to be free by then."""
        crossbar: dict[str, Any] = snapshot.get("crossbar") or {}
        if crossbar.get("state") == ESTOPPED:
            self.drop(LATCHED_THERE, crossbar)

    def _let_go_if_lost(self, snapshot: dict[str, Any]) -> None:
        """A line that broke while nothing was measured does not wait for a run to find out."""
        instruments: dict[str, dict[str, Any]] = snapshot.get("instruments") or {}
        for name, told in instruments.items():
            if told.get("lost"):
                _log.warning("%s: %s", name, told["error"])
                self.drop(f"{name} was lost; connecting anew: {told['error']}")
                return

    def _let_go_if_perhaps_on(self) -> None:
        """Others may have found the output not off since; opened anew, it is verified."""
        now = self._monotonic()
        if self._station is not None and now >= self._doubt_again_at and self._store.station().may_be_on is not None:
            self._doubt_again_at = now + LONGEST_RETRY_S
            self.drop(f"{MAY_BE_ON}; connecting anew to verify that it is off")

    def _heed_reset(self) -> None:
        """After a reset nobody waits out a patience that grew while the controller was latched."""
        resets = self._stops.resets()
        if resets != self._resets:
            self._resets, self._due, self._retry_s = resets, 0.0, FIRST_RETRY_S
            self._outdated = self._station is not None
            self._settled_at = self._monotonic() + FIRST_RETRY_S

    def _try_to_connect(self) -> None:
        try:
            self._connect()
        except (DriverError, StationError) as error:
            self._due = self._monotonic() + self._retry_s
            _log.warning("station: %s; next try in %.0f s", error, self._retry_s)
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
            latched = isinstance(error, EmergencyStopped)
            self._tell({**self._absent(str(error)), "crossbar": {"state": ESTOPPED} if latched else None})

    def _connect(self) -> Station:
        self._outdated = False
        with ExitStack() as undo:
            station = undo.enter_context(open_station(self._lab, self.pulse_ids, self._stops.checkpoint, self.needles))
            # Before the first pulse of ours, while the controller still remembers those of before.
            settle_left(self.pulse_ids, station.pulse_witness)
            undo.pop_all()
        self._station = station
        self._links.opened()
        self._retry_s = FIRST_RETRY_S
        if self._store.station().may_be_on is not None:
            note_outcome(self._store, self._station.make_safe())
        self.publish()
        return self._station

    def _absent(self, why: str) -> dict[str, Any]:
        sections = {"prober": self._lab.prober, "smu": self._lab.smu, "crossbar": self._lab.crossbar}
        instruments = {name: {"connected": False, "address": section.address, "error": why} for name, section in sections.items()}
        return {"instruments": instruments, "error": why}

    def _tell(self, snapshot: dict[str, Any]) -> None:
        # Readers are woken by every commit: the same news is not told twice.
        if snapshot != self._published:
            self._store.publish_station(snapshot)
            self._published = snapshot


def note_outcome(store: Store, outcome: dict[str, str]) -> None:
    """What became of an attempt to make safe: in the log first, which takes it whatever the store does."""
    unsafe = NotMadeSafe.unless_safe(outcome)
    if unsafe is not None:
        _log.warning("%s", unsafe)
    latch_output(store, outcome)
    if unsafe is not None:
        store.note("not_safe", str(unsafe), outcome)


def latch_output(store: Store, outcome: dict[str, str]) -> None:
    """Latch the warning that an output may be on, or lift it: by a verified off and nothing else of ours."""
    warning = None if outcome["smu"] == SAFE else f"{MAY_BE_ON}: {outcome['smu']}"
    if (warning is None) == (store.station().may_be_on is None):
        return
    if warning is not None:
        _log.error("%s", warning.replace(MAY_BE_ON, MAY_BE_ON.upper()))
    store.latch_may_be_on(warning)
