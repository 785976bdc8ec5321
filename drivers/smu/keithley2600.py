"""Channel A of a Keithley 2602B, 2634B, 2635B or 2636B as a SourceMeter, in TSP. Manual: 2600BS-901-01.

Rule 1: connecting and identifying change nothing.
Rule 2: `smua.source.output = 0` is the first thing sent when something must be made safe, and is believed only when read back. Off
wins over what was begun before it.
Rule 3: no answer is believed that does not name its question and say everything twice; a line in doubt is settled before its next use.
"""

import contextlib
import time
from collections.abc import Callable, Generator, Sequence

from drivers.errors import LinkTimeout, OutputMayBeOn, ProtocolError, Refused, WrongInstrument
from drivers.links.text import TextLink
from drivers.links.visa import VisaLink
from drivers.links.visa_socket import VisaSocket
from drivers.smu import keithley2600_messages as say
from drivers.smu import keithley2600_triggers as trigger
from drivers.smu.capabilities import KEITHLEY_2636B, SmuCapabilities
from drivers.smu.energising import Energising
from drivers.smu.keithley2600_scanning import Keithley2600Scan
from drivers.smu.keithley2600_sweeping import Sweep, SweepJob
from drivers.smu.keithley2600_triggers import Pulse
from drivers.smu.operation import Operations
from drivers.smu.output import OffWords, OutputSwitch
from drivers.smu.planning import LONGEST_CYCLE_HERTZ
from drivers.smu.setup import Setup, setup
from drivers.smu.values import Floats, ScanSettings, Settings, SmuProvenance, SmuReading, SmuTrace
from drivers.tsp import ERRORS, PRECISE, PROBE, Tsp, parse_flag, parse_number
from drivers.values import Identity, WireCounts

_DIGITAL_LINES = 14
_RANGES_TRIED = 8
"""Readings that finding the range anew takes, at most."""


def open_keithley2600(
    address: str, timeout_s: float = 5.0, *, dead_socket: str | None = None, trigger_in: int = 1, trigger_out: int = 2
) -> "Keithley2600":
    """Connect; sends nothing. dead_socket: address of the port that makes the instrument drop its clients (5030 on a real one).

    trigger_in, trigger_out: digital lines from and to the controller. Raises ConnectFailed; with a dead_socket only when it is used:
    an instrument that turns a second client away can still be switched off.
    """

    if trigger_in == trigger_out or not {trigger_in, trigger_out} <= set(range(1, _DIGITAL_LINES + 1)):
        raise Refused(
            f"SMU at {address}: trigger_in {trigger_in} and trigger_out {trigger_out} are not two of the lines 1 to {_DIGITAL_LINES}"
        )

    def connect(within_s: float) -> VisaLink:
        return VisaLink(address, within_s, unit="TSP messages")

    def cut_off(within_s: float) -> None:
        VisaSocket(str(dead_socket), within_s).close()

    link = VisaLink(address, timeout_s, unit="TSP messages", must_connect=dead_socket is None)
    return Keithley2600(link, timeout_s, connect, None if dead_socket is None else cut_off, (trigger_in, trigger_out))


class Keithley2600:
    """Satisfies drivers.protocols.SourceMeter. lines: (in, out), the digital lines of `scan`."""

    def __init__(
        self,
        link: TextLink,
        timeout_s: float,
        connect: Callable[[float], TextLink],
        cut_off: Callable[[float], None] | None,
        lines: tuple[int, int],
    ) -> None:
        self._link, self._timeout_s, self._lines = link, timeout_s, lines
        self._name = f"SMU at {link.address}"
        self._tsp = Tsp(link, self._name)
        words = OffWords((say.OUTPUT_OFF, say.ABORT, say.OUTPUT_OFF), self._is_on)
        self._switch = OutputSwitch(self._name, link, words, connect, cut_off)
        self._energising = Energising(self._name)
        self._operations = Operations(self._name, timeout_s, self._back_to_zero)
        self._model: SmuCapabilities | None = None
        self._setup: Setup | None = None

    @property
    def capabilities(self) -> SmuCapabilities:
        return self._model or KEITHLEY_2636B

    def identify(self) -> Identity:
        """Raises WrongInstrument unless a 2600B that is known here answers."""
        answer = self._ask_identity()
        identity = say.parse_identity(answer)
        if identity is None:
            known = ", ".join(say.MODELS)
            raise WrongInstrument(f"{self._name}: {say.IDENTITY} answered {answer!r}, none of {known}; check [smu] in lab.toml")
        self._model = say.MODELS[say.model_number(identity)]
        return identity

    def provenance(self) -> SmuProvenance:
        return say.parse_provenance(self._tsp.ask(say.PROVENANCE, after=[PRECISE]), self._name)

    def configure(self, settings: Settings) -> None:
        """Raises OverLimit for what the model that answers does not have, Refused for what it rejected. Nothing is clipped."""
        if self._model is None:
            self.identify()
        wanted = setup(settings, self.capabilities)
        statements = say.configuration(wanted)
        patience_s = self._timeout_s + wanted.reading_s(LONGEST_CYCLE_HERTZ)
        with self._operations.one():
            self._setup = None
            (output,) = self._tsp.group("configure", statements, [say.OUTPUT], timeout_s=patience_s)
            if parse_flag(output, self._name):
                raise OutputMayBeOn(f"{self._name}: the output reads on after {say.OUTPUT_OFF}; switch it off at the front panel")
            self._setup = wanted

    def output_on(self) -> None:
        """Raises Refused when the instrument does not switch on (interlock), is not set any more as it was configured, or is switched
        off meanwhile."""
        setup = self._configured("switching the output on")
        begun = self._energising.begun()
        with self._operations.one(), self._off_unless_well():
            answers = self._tsp.ask(say.what_is_set(setup.source), after=[PRECISE])
            say.check_what_is_set(answers, setup, self._name)
            self._energising.say(begun, lambda: self._tsp.say([say.level(setup.source, 0.0), say.OUTPUT_ON]))
            (output,) = self._group("output on", [], [say.OUTPUT], setup)
            if not parse_flag(output, self._name):
                raise Refused(f"{self._name}: the output stays off after {say.OUTPUT_ON}; check the interlock and the front panel")

    def output_off(self) -> None:
        self._energising.off(lambda: self._link.send_regardless(say.OUTPUT_OFF))
        try:
            self._switch.off()
        finally:
            self._tsp.disown_queue()

    def output_is_on(self) -> bool:
        return parse_flag(self._tsp.ask([say.OUTPUT])[0], self._name)

    def measure(self, level: float) -> SmuReading:
        """Raises OverLimit beyond what it was configured for, Refused when the output was off: the reading would be of nothing."""
        setup = self._configured("measuring")
        setup.check_level(level)
        with self._operations.one():
            reading, output_on = self._measured(setup, level)
        if not output_on:
            raise Refused(f"{self._name}: the output was off while reading at {level:g}; someone switched it off, the reading is discarded")
        return reading

    def sweep(self, levels: Floats, *, stop_when_limited: bool = True, checkpoint: Callable[[], None] = lambda: None) -> SmuTrace:
        """Whatever ends it otherwise than well switches the output off."""
        setup = self._configured("sweeping")
        setup.check_levels(levels)
        point_s = setup.reading_s(LONGEST_CYCLE_HERTZ) + (setup.settings.settle_s or 0.0)
        return self._swept(SweepJob(setup, levels, None, stop_when_limited, point_s, self._patience_s(setup), checkpoint))

    def pulsed_sweep(self, levels: Floats, pulse_s: float, period_s: float, *, checkpoint: Callable[[], None] = lambda: None) -> SmuTrace:
        """Whatever ends it otherwise than well switches the output off."""
        setup = self._configured("sweeping")
        setup.check_levels(levels)
        pulse = Pulse(pulse_s, period_s, setup.capabilities.reading_s(setup.settings.nplc, False, LONGEST_CYCLE_HERTZ))
        trigger.check_pulse(pulse, setup)
        return self._swept(SweepJob(setup, levels, pulse, False, period_s, self._patience_s(setup) + period_s, checkpoint))

    @contextlib.contextmanager
    def scan(self, settings: ScanSettings) -> Generator[Keithley2600Scan]:
        """Whatever ends it otherwise than well switches the output off."""
        setup = self._configured("scanning")
        trigger.check_scan(settings, setup)
        with self._operations.one(), self._off_unless_well():
            self._require_on("scanning", setup)
            statements = trigger.scan(settings.volts, settings.readings, *self._lines)
            (volts,) = self._group("scan", statements, ["smua.source.levelv"], setup)
            yield Keithley2600Scan(self._tsp, self._name, settings.volts, parse_number(volts, self._name))
            self._group("end of a scan", trigger.ended(setup, self._lines[1]), [], setup)

    def counts(self) -> WireCounts:
        return self._link.counts()

    def close(self) -> None:
        self._link.close()

    def _measured(self, setup: Setup, level: float) -> tuple[SmuReading, bool]:
        """The reading and whether the output was on."""
        statements = [*self._tsp.own_queue(), *say.measurement(setup.source, level), ERRORS[0]]
        try:
            *answers, errors = self._tsp.ask([*say.READING, ERRORS[1]], after=statements, timeout_s=self._patience_s(setup))
            self._tsp.refuse_errors(errors, "measurement", statements)
            return say.parse_measurement(answers, setup, level, self._name)
        except BaseException:
            self._link.send_regardless(say.level(setup.source, 0.0))
            raise

    def _swept(self, job: SweepJob) -> SmuTrace:
        with self._operations.one(), self._off_unless_well():
            self._require_on("sweeping", job.setup)
            return Sweep(self._tsp, self._name, job).run()

    def _back_to_zero(self) -> None:
        """After an operation that failed: nothing runs, the level is zero, and what it left in the error queue is nobody's fault."""
        self._tsp.disown_queue()
        if self._setup is not None:
            line_out = self._lines[1] if self.capabilities.digital_lines else None
            self._group("going back to zero", trigger.ended(self._setup, line_out), [], self._setup)

    def _ask_identity(self) -> str:
        with self._link.lock:
            try:
                return self._identity_twice()
            except ProtocolError:
                # Prompts that another client left switched on answer too. The link is in doubt now, and settling it ends them.
                return self._identity_twice()
            except LinkTimeout as error:
                raise LinkTimeout(f"{error}; is this the 2600B of [smu] in lab.toml, and is it idle?") from error

    def _identity_twice(self) -> str:
        """It carries no tag, and a garbled serial number is one too: hence twice."""
        self._link.settle(PROBE)
        answer, again = self._link.query(say.IDENTITY), self._link.query(say.IDENTITY)
        if answer != again:
            self._link.distrust(f"{say.IDENTITY} was answered {answer!r} and then {again!r}")
            raise ProtocolError(f"{self._name}: {say.IDENTITY} was answered {answer!r} and then {again!r}; ask again")
        return answer

    def _configured(self, purpose: str) -> Setup:
        if self._setup is None:
            raise Refused(f"{self._name}: configure it before {purpose}")
        return self._setup

    def _require_on(self, purpose: str, setup: Setup) -> None:
        (state,) = self._tsp.ask([say.OUTPUT], timeout_s=self._patience_s(setup))
        if not parse_flag(state, self._name):
            raise Refused(f"{self._name}: the output is off; switch it on before {purpose}")

    def _patience_s(self, setup: Setup) -> float:
        """Until a reading has to be there, its range found, its level settled and zero after it too."""
        tries = _RANGES_TRIED if setup.measure_range is None else 1
        return self._timeout_s + tries * setup.reading_s(LONGEST_CYCLE_HERTZ) + 2 * (setup.settings.settle_s or 0.0)

    def _group(self, purpose: str, statements: Sequence[str], asked: Sequence[str], setup: Setup) -> list[str]:
        """What changes the level takes as long as it settles."""
        return self._tsp.group(purpose, statements, asked, timeout_s=self._patience_s(setup))

    @contextlib.contextmanager
    def _off_unless_well(self) -> Generator[None]:
        try:
            yield
        except BaseException:
            self.output_off()
            raise

    def _is_on(self, link: TextLink, timeout_s: float) -> bool:
        tsp, until = Tsp(link, self._name), time.monotonic() + timeout_s
        try:
            (state,) = tsp.ask([say.OUTPUT], timeout_s=timeout_s)
        except ProtocolError:
            # As for the identity: prompts must not keep it from being verified.
            (state,) = tsp.ask([say.OUTPUT], timeout_s=max(1e-3, until - time.monotonic()))
        return parse_flag(state, self._name)
