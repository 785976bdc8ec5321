"""Keithley 2450 in SCPI mode as a SourceMeter. Manual: 2450-901-01.

Rule 1: connecting and identifying change nothing.
Rule 2: `:OUTP OFF` is the first thing sent when something must be made safe, whatever state the connection is in, and
it is believed only when read back; until then the needles count as live.
"""

from collections.abc import Sequence

from drivers.errors import DriverError, LinkTimeout, OutputMayBeOn, OverLimit, Refused, WrongInstrument
from drivers.links.text import TextLink
from drivers.links.visa import VisaLink
from drivers.scpi import Scpi, parse_flag
from drivers.smu import keithley2450_messages as say
from drivers.smu.capabilities import KEITHLEY_2450
from drivers.smu.values import SmuReading, SourceSettings
from drivers.values import Identity, WireCounts

_LINE_FREQUENCY_HZ = 50.0
_OFF_VERIFIED_WITHIN_S = 1.0
"""Off and verified has to be quick whatever the configured time-out: everything else waits for it."""
_RANGE_VOLTS = 2.0
"""Of settings that name neither a range nor a limit."""
_APERTURES_PER_READING = 3
"""Signal, reference and zero: autozero takes three apertures a reading."""


def open_keithley2450(address: str, timeout_s: float = 5.0) -> "Keithley2450":
    """Connect; sends nothing. Raises ConnectFailed."""
    return Keithley2450(VisaLink(address, timeout_s, unit="SCPI messages"), timeout_s)


class Keithley2450:
    """Satisfies drivers.protocols.SourceMeter."""

    def __init__(self, link: TextLink, timeout_s: float) -> None:
        self._link = link
        self._timeout_s = timeout_s
        self._name = f"SMU at {link.address}"
        self._scpi = Scpi(link, self._name)
        self._settings: SourceSettings | None = None
        self._range_volts = _RANGE_VOLTS
        self._queue_is_ours = False

    def identify(self) -> Identity:
        """Raises WrongInstrument unless a 2450 in its SCPI language answers."""
        answer = self._ask_identity(say.IDENTITY)
        identity = say.parse_identity(answer)
        if identity is None:
            raise WrongInstrument(f"{self._name}: {say.IDENTITY} answered {answer!r}, not a MODEL 2450; check [smu] in lab.toml")
        language = self._ask_identity(say.LANGUAGE)
        if language != "SCPI":
            raise WrongInstrument(
                f"{self._name}: *LANG? answered {language!r}, not SCPI; set the command set to SCPI in the 2450's menu and restart it"
            )
        return identity

    def configure(self, settings: SourceSettings) -> None:
        """Raises OverLimit for what the 2450 does not have and for a range beyond limit_volts, Refused for what it rejected.

        Nothing is clipped.
        """
        wanted_volts = next(each for each in (settings.range_volts, settings.limit_volts, _RANGE_VOLTS) if each is not None)
        self._check_limit(wanted_volts, settings)
        range_volts = KEITHLEY_2450.range_for("volts", wanted_volts)
        KEITHLEY_2450.check_limit("volts", settings.limit_amps, range_volts)
        KEITHLEY_2450.check_nplc(settings.nplc)
        self._settings = None
        self._group("configure", say.configuration(settings, range_volts))
        if self.output_is_on():
            raise OutputMayBeOn(f"{self._name}: the output reads on after {say.OUTPUT_OFF}; switch it off at the front panel")
        self._settings, self._range_volts = settings, range_volts

    def output_on(self) -> None:
        """At the level last set, 0 V after `configure`. Raises Refused when the instrument does not switch on (interlock)."""
        if self._settings is None:
            raise Refused(f"{self._name}: configure it before switching the output on")
        self._group("output on", [say.OUTPUT_ON])
        if not self.output_is_on():
            raise Refused(f"{self._name}: the output stays off after {say.OUTPUT_ON}; check the interlock and the front panel")

    def output_off(self) -> None:
        if not self._link.trusted:
            self._link.send_regardless(say.OUTPUT_OFF)
            self._off_on_a_new_connection()
            return
        try:
            self._link.send(say.OUTPUT_OFF)
            self._require_off()
        except DriverError:
            self._link.send_regardless(say.OUTPUT_OFF)
            self._off_on_a_new_connection()

    def output_is_on(self) -> bool:
        return parse_flag(self._scpi.query(say.OUTPUT_STATE), self._name)

    def measure(self, volts: float) -> SmuReading:
        """Raises OverLimit beyond limit_volts or the range, Refused when the output was off: the reading would be of nothing."""
        if self._settings is None:
            raise Refused(f"{self._name}: configure it before measuring")
        self._check_limit(volts, self._settings)
        KEITHLEY_2450.check_level("volts", volts, self._range_volts)
        aperture_s = self._settings.nplc / _LINE_FREQUENCY_HZ * _APERTURES_PER_READING
        answer = self._scpi.query(say.measurement(volts), self._timeout_s + aperture_s)
        reading, output_on = say.parse_measurement(answer, self._name)
        if not output_on:
            raise Refused(
                f"{self._name}: the output was off while reading at {volts:g} V; someone switched it off, the reading is discarded"
            )
        return reading

    def counts(self) -> WireCounts:
        return self._link.counts()

    def close(self) -> None:
        self._link.close()

    def _group(self, purpose: str, commands: Sequence[str]) -> None:
        if not self._queue_is_ours:
            # What stands in the queue from before this session is nobody's fault here
            self._scpi.drain_errors()
            self._queue_is_ours = True
        self._scpi.group(purpose, commands)

    def _check_limit(self, volts: float, settings: SourceSettings) -> None:
        if settings.limit_volts is not None and not abs(volts) <= settings.limit_volts:
            raise OverLimit(f"{self._name}: {volts!r} V is beyond the limit of {settings.limit_volts:g} V it was configured with; lower it")

    def _ask_identity(self, question: str) -> str:
        try:
            return self._scpi.query(question)
        except LinkTimeout as error:
            raise LinkTimeout(f"{error}; is this the 2450 of [smu] in lab.toml, and is it idle?") from error

    def _require_off(self) -> None:
        answer = self._scpi.query(say.OUTPUT_STATE, min(self._timeout_s, _OFF_VERIFIED_WITHIN_S))
        if parse_flag(answer, self._name):
            raise OutputMayBeOn(f"{self._name}: the output reads on after {say.OUTPUT_OFF}")

    def _off_on_a_new_connection(self) -> None:
        try:
            self._link.resynchronise()
            self._link.send(say.OUTPUT_OFF)
            self._require_off()
        except DriverError as error:
            raise OutputMayBeOn(
                f"{self._name}: output off could not be verified ({error}); treat the needles as live and switch off at the front panel"
            ) from error
