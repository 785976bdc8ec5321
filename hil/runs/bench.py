"""The worker's hold on the station: opens it, opens it again with growing patience when an instrument is away, and tells
the store how it stands. Nothing here measures."""

import logging
import time
from collections.abc import Callable
from typing import Any

from drivers.errors import DriverError
from hil.model.lab import LabConfig
from hil.runs.stops import Stops
from hil.station.errors import NotMadeSafe, StationError
from hil.station.station import Station, open_station
from hil.store.protocol import PulseIntents, Store

_log = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 10.0
PUBLISH_S = 1.0


class Bench:
    """At most one open station. monotonic: seconds."""

    def __init__(self, lab: LabConfig, store: Store, stops: Stops, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._lab, self._store, self._stops, self._monotonic = lab, store, stops, monotonic
        self.pulse_ids: PulseIntents = store.pulse_ids()
        self._station: Station | None = None
        self._retry_s, self._due, self._settled_at = FIRST_RETRY_S, 0.0, 0.0
        self._published_at = -PUBLISH_S
        self._published: dict[str, Any] | None = None
        self._wafer: str | None = None

    def tend(self) -> None:
        """Between runs: let go while the emergency stop is latched, connect when due, publish how the station stands."""
        if self._stops.latched():
            # Whoever clears the latch clears the controller's as well, and needs a moment before a run can begin.
            self._settled_at = self._monotonic() + FIRST_RETRY_S
            self.drop("emergency stop latched")
        elif self._station is None:
            if self._monotonic() >= max(self._due, self._settled_at):
                self._try_to_connect()
        elif self._monotonic() - self._published_at >= PUBLISH_S:
            self.publish()

    def ready(self) -> bool:
        """Whether a queued run may be tried: always, except for the moment after an emergency stop."""
        return self._monotonic() >= self._settled_at

    def station(self, wafer: str) -> Station:
        """The open station with this wafer on the chuck. Raises DriverError, StationError when it cannot be opened."""
        station = self._station or self._connect()
        if wafer != self._wafer:
            self._wafer = wafer
            station.new_wafer()
        return station

    def publish(self) -> None:
        """What the instruments say now. An unreachable one is told, not raised."""
        if self._station is not None:
            self._tell({**self._station.snapshot(), "error": None})
            self._published_at = self._monotonic()

    def drop(self, why: str) -> None:
        """Leave the station, safe as far as it can be reached; it is opened anew when next due."""
        station, self._station = self._station, None
        if station is not None:
            try:
                station.__exit__(None, None, None)
            except NotMadeSafe as error:
                if not self._stops.latched():
                    note_outcome(self._store, error.outcome)
            except DriverError as error:
                _log.warning("closing the station: %s", error)
        self._tell(self._absent(why))

    def _try_to_connect(self) -> None:
        try:
            self._connect()
        except (DriverError, StationError) as error:
            self._due = self._monotonic() + self._retry_s
            _log.warning("station: %s; next try in %.0f s", error, self._retry_s)
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
            self._tell(self._absent(str(error)))

    def _connect(self) -> Station:
        self._station = open_station(self._lab, self.pulse_ids, self._stops.checkpoint)
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
    """Latch, or lift, the warning that an output may be on, after an attempt to make safe."""
    unsafe = NotMadeSafe.unless_safe(outcome)
    if outcome["smu"] != "safe":
        store.latch_may_be_on(f"the SMU's output may be on: {outcome['smu']}")
    elif store.station().may_be_on is not None:
        store.latch_may_be_on(None)
    if unsafe is not None:
        _log.warning("%s", unsafe)
        store.note("not_safe", str(unsafe), outcome)
