"""Keithley 2450 in SCPI mode as a SourceMeter; the 2460, 2461 and 2470 speak the same language. Manual: 2450-901-01.

Rule 1: connecting and identifying change nothing. Rule 2: what was not configured is not measured. The rest is the session's.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial

from drivers.errors import OutputMayBeOn, OverLimit, Refused
from drivers.links.text import TextLink
from drivers.links.visa import VisaLink
from drivers.smu import keithley2450_messages as say
from drivers.smu import keithley2450_triggers as trigger
from drivers.smu.capabilities import SmuCapabilities
from drivers.smu.keithley2450_identity import Keithley2450Identity
from drivers.smu.keithley2450_scanning import Keithley2450Scan
from drivers.smu.keithley2450_session import Keithley2450Session
from drivers.smu.keithley2450_sweeping import Sweep, SweepJob
from drivers.smu.setup import Setup
from drivers.smu.setup import setup as set_up
from drivers.smu.values import Floats, ScanSettings, Settings, SmuProvenance, SmuReading, SmuTrace
from drivers.values import Identity, WireCounts

_LONGEST_CYCLE_HERTZ = 50.0
"""Where the line's frequency is not known yet: the longer apertures."""
_RANGES_TRIED = 9
"""Readings that finding a range can take: once each."""
_BOTH_QUANTITIES = 2
"""The source is measured beside each reading."""
_ANSWER_BYTES = 65_536
_DIGITAL_LINES = 6


def open_keithley2450(
    address: str, timeout_s: float = 5.0, *, dead_socket: str | None = None, trigger_in: int = 1, trigger_out: int = 2
) -> "Keithley2450":
    """Connect; sends nothing. Raises ConnectFailed.

    dead_socket: VISA address of the port that makes the instrument drop its clients (5030 where it has one); with it an instrument
    that turns us away is no error here: `output_off` gets through all the same. trigger_in, trigger_out: digital lines, 1 to 6, from
    and to the controller.
    """
    if trigger_in == trigger_out or not {trigger_in, trigger_out} <= set(range(1, _DIGITAL_LINES + 1)):
        raise Refused(f"SMU at {address}: trigger_in {trigger_in} and trigger_out {trigger_out} have to be two of the digital lines 1 to 6")

    def connect(limit_s: float, *, must_connect: bool = True) -> VisaLink:
        return VisaLink(address, limit_s, unit="SCPI messages", answer_limit=_ANSWER_BYTES, must_connect=must_connect)

    def cut_off(limit_s: float) -> None:
        VisaLink(dead_socket or "", limit_s).close()

    link = connect(timeout_s, must_connect=dead_socket is None)
    return Keithley2450(link, timeout_s, connect, cut_off if dead_socket else None, (trigger_in, trigger_out))


class Keithley2450:
    """Satisfies drivers.protocols.SourceMeter. connect, cut_off: as OutputSwitch has them. lines: trigger_in, trigger_out."""

    def __init__(
        self,
        link: TextLink,
        timeout_s: float,
        connect: Callable[[float], TextLink],
        cut_off: Callable[[float], None] | None = None,
        lines: tuple[int, int] = (1, 2),
    ) -> None:
        self._session = Keithley2450Session(link, timeout_s, connect, cut_off)
        self._identity = Keithley2450Identity(self._session)
        self._scpi, self._name, self._lines = self._session.scpi, self._session.name, lines

    @property
    def capabilities(self) -> SmuCapabilities:
        return self._identity.capabilities

    def identify(self) -> Identity:
        """Raises WrongInstrument unless a 2450, or one of its sisters, answers in its SCPI language."""
        return self._identity.identify()

    def provenance(self) -> SmuProvenance:
        return self._identity.provenance()

    # --- source and measure
    def configure(self, settings: Settings) -> None:
        """Raises OverLimit for what the model does not have and for a range beyond the largest level, Refused for what it rejected.

        Nothing is clipped: level, range and limit are read back.
        """
        wanted = set_up(settings, self.capabilities)
        if wanted.measure_range is not None:
            self.capabilities.check_measure_range(wanted.source, wanted.limit, wanted.measure_range)
        with self._session.operating(anew=True):
            self._session.setup = None
            self._session.group("configure", say.configuration(wanted))
            if self._session.is_as_configured(wanted):
                raise OutputMayBeOn(f"{self._name}: the output reads on after {say.OUTPUT_OFF}; switch it off at the front panel")
            self._session.setup = wanted

    def output_on(self) -> None:
        """At level zero. Raises Refused when the instrument does not switch on (interlock)."""
        self._session.configured("switching the output on")
        with self._session.operating_or_off() as begun:
            self._session.switch_on(begun)

    def output_off(self) -> None:
        self._session.off()

    def output_is_on(self) -> bool:
        return self._session.is_on()

    def measure(self, level: float) -> SmuReading:
        """Raises OverLimit beyond the limit or the range, Refused when the output was off: the reading would be of nothing."""
        setup = self._session.configured("measuring")
        setup.check_level(level)
        with self._session.operating():
            answers = self._scpi.ask(*say.measurement(setup.source, level), timeout_s=self._patience_s(setup))
            reading, output_on = say.parse_measurement(answers, setup.source, level, self._name)
        if not output_on:
            unit = setup.capabilities.sourced(setup.source).unit
            raise Refused(
                f"{self._name}: the output was off while reading at {level:g} {unit}; someone switched it off, the reading is discarded"
            )
        return reading

    # --- many points
    def sweep(self, levels: Floats, *, stop_when_limited: bool = True, checkpoint: Callable[[], None] = lambda: None) -> SmuTrace:
        """Whatever ends it otherwise than well switches the output off."""
        setup = self._session.configured("sweeping")
        setup.check_levels(levels)
        parts = trigger.sweep_parts(setup, levels, stop_when_limited=stop_when_limited)
        point_s = _BOTH_QUANTITIES * setup.reading_s(_LONGEST_CYCLE_HERTZ) + _settles_s(setup)
        return self._swept(SweepJob(setup, parts, stop_when_limited, point_s, self._patience_s(setup), checkpoint))

    def pulsed_sweep(self, levels: Floats, pulse_s: float, period_s: float, *, checkpoint: Callable[[], None] = lambda: None) -> SmuTrace:
        """The period is the next longer multiple of pulse_s. Whatever ends it otherwise than well switches the output off."""
        setup = self._session.configured("sweeping")
        setup.check_levels(levels)
        with self._session.off_unless_well():
            line_hertz = self.provenance().line_hertz
        pulse = trigger.pulse_of(setup.capabilities, pulse_s, period_s, setup.reading_s(line_hertz))
        parts = trigger.pulse_parts(setup, levels, pulse)
        job = SweepJob(setup, parts, False, pulse_s, self._patience_s(setup) + pulse_s, checkpoint)
        return self._swept(job, trigger.before_pulses(setup), trigger.as_configured(setup))

    @contextmanager
    def scan(self, settings: ScanSettings) -> Generator[Keithley2450Scan]:
        """Whatever ends it otherwise than well switches the output off. Raises Refused for a current source."""
        session, setup = self._session, self._scannable(settings)
        with session.operating_or_off() as begun:
            session.require_on("scanning")
            self._make_buffer(settings.readings)
            session.group("scan", trigger.triggered_readings(setup, settings.readings, settings.volts, *self._lines))
            session.energise(begun, trigger.INITIATE)
            yield Keithley2450Scan(self._scpi, self._name, settings.volts, self._lines[0])
            self._scpi.settle()
            session.group("end of a scan", [*say.back_to_zero(setup), *trigger.as_configured(setup), trigger.DELETE_BUFFER])
            session.is_as_configured(setup)

    def counts(self) -> WireCounts:
        return self._session.link.counts()

    def close(self) -> None:
        self._session.link.close()

    def _swept(self, job: SweepJob, before: Sequence[str] = (), after: Sequence[str] = ()) -> SmuTrace:
        session = self._session
        with session.operating_or_off() as begun:
            session.require_on("sweeping")
            self._make_buffer(max(part.readings for part in job.parts))
            session.group("sweep", before)
            trace = Sweep(self._scpi, self._name, job, partial(session.energise, begun), partial(session.switch_on, begun)).run()
            session.group("end of a sweep", [*after, trigger.DELETE_BUFFER])
            return trace

    def _make_buffer(self, readings: int) -> None:
        """Its own, so that nobody's readings are lost; one that an earlier session left is replaced."""
        making = trigger.make_buffer(readings)
        try:
            self._session.group("buffer", [making])
        except Refused:
            self._session.group("buffer", [trigger.DELETE_BUFFER, making])

    def _scannable(self, settings: ScanSettings) -> Setup:
        setup = self._session.configured("scanning")
        if setup.source != "volts":
            raise Refused(f"{self._name}: a scan sources volts; configure it with SourceSettings")
        setup.check_level(settings.volts)
        most = setup.capabilities.buffer_readings
        if not 1 <= settings.readings <= most:
            raise OverLimit(f"{setup.capabilities.model}: a scan of {settings.readings} readings is outside 1 to {most}, its buffer")
        return setup

    def _patience_s(self, setup: Setup) -> float:
        tries = _RANGES_TRIED if setup.measure_range is None else 1
        return self._session.timeout_s + tries * (_BOTH_QUANTITIES * setup.reading_s(_LONGEST_CYCLE_HERTZ) + _settles_s(setup))


def _settles_s(setup: Setup) -> float:
    chosen_s = setup.settings.settle_s
    amps = setup.limit if setup.source == "volts" else setup.range_
    return setup.capabilities.settles_s(amps) if chosen_s is None else chosen_s
