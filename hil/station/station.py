"""The three instruments as one. Rule 1: nothing is measured on a die whose contact was not verified, electrically and by
the prober's own word, and nothing driven while the chuck moves. Rule 2: no value leaves before the prober has been read
back after it was taken: in a contact lost midway every junction reads open. Rule 3: whoever leaves, however, leaves it safe.
"""

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ProberRetryable
from drivers.protocols import PulseIds
from drivers.values import Identity, Moving, Placement, ProberState
from firmware_protocol.codes import Capability, Opcode
from hil.model.lab import DieIndex, LabConfig
from hil.station import describe, reading, safety
from hil.station.contact import ContactMaker, ContactResult
from hil.station.errors import InterlockOpen, NotInContact, NotMadeSafe, ScanRefused, WrongDie
from hil.station.instruments import Instruments, PulseWitness, open_crossbar, open_prober, open_smu
from hil.station.interlocks import Interlocks
from hil.station.reading import BoardWriting, Conductance, KernelWritten
from hil.station.smu_path import Junction, SmuRead
from hil.station.sweeping import SweepHow, Traces, sweep_junctions
from hil.station.touchdowns import NeedleLogInMemory, Touchdowns
from hil.store.logs import NeedleLog

_log = logging.getLogger(__name__)

ReadPath = Literal["board", "smu", "auto"]
_Z_TOLERANCE_UM = 5.0


def open_station(
    lab: LabConfig,
    pulse_ids: PulseIds,
    checkpoint: Callable[[], None],
    needles: NeedleLog | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> "Station":
    """Connect and identify all three and tighten the controller's limits to the lab's. Changes no output.

    checkpoint: called between small operations; it may raise to stop. needles: where touchdowns are booked; without it they are
    counted as long as the station is open. monotonic: seconds. Raises UnknownDriver, WrongChip, DriverError.
    """
    with ExitStack() as opened:
        smu = opened.enter_context(closing(open_smu(lab)))
        crossbar = opened.enter_context(closing(open_crossbar(lab, pulse_ids)))
        prober = opened.enter_context(closing(open_prober(lab, output_is_off=lambda: not smu.output_is_on())))
        instruments = Instruments(smu, crossbar, prober)
        identities = describe.identify_all(instruments)
        touchdowns = Touchdowns(lab.limits, needles or NeedleLogInMemory(), identities["prober"].serial)
        touchdowns.compare(prober.contact_count())
        station = Station(lab, instruments, identities, touchdowns, checkpoint, monotonic)
        _tighten(instruments, lab)
        opened.pop_all()
    return station


def _tighten(instruments: Instruments, lab: LabConfig) -> None:
    info = instruments.crossbar.info()
    safety.require_chip(lab, info.geometry)
    instruments.crossbar.tighten_limits(safety.board_limits(lab.limits, info.limits))


@dataclass(frozen=True)
class _Touched:
    die: DieIndex
    placement: Placement
    ohms: float


class Station:
    """Context manager: leaving makes everything safe, then closes. Made by `open_station`; used by one thread."""

    def __init__(
        self,
        lab: LabConfig,
        instruments: Instruments,
        identities: dict[str, Identity],
        touchdowns: Touchdowns,
        checkpoint: Callable[[], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.lab = lab
        self._instruments = instruments
        self._identities = identities
        self._named = describe.named_all(instruments, identities)
        self._checkpoint = checkpoint
        self._contact_maker = ContactMaker(instruments, lab.limits, touchdowns, checkpoint)
        self._touched: _Touched | None = None
        self._proving = False
        self._interlocks = Interlocks(instruments.prober, monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            unsafe = NotMadeSafe.unless_safe(self.make_safe())
        finally:
            self._instruments.close()
        if unsafe is None:
            return
        if error is None:
            raise unsafe
        error.add_note(str(unsafe))

    def make_safe(self) -> dict[str, str]:
        """SMU off and controller isolated, then prober separated, each whatever became of the others.

        Returns instrument -> "safe" or the error's text.
        """
        return self._leave(self._instruments.crossbar.isolate)

    def emergency_stop(self) -> dict[str, str]:
        """As make_safe, with the controller latched until someone clears it."""
        return self._leave(self._instruments.crossbar.emergency_stop)

    def go_to(self, die: DieIndex) -> None:
        """Off, isolated, separated, then to the die, verified by reading back; once more where the prober says that this may help.

        Raises WrongDie, NotInContact for a die that is not the lab's.
        """
        self._touched = None
        if die not in self.lab.wafer.dies:
            raise NotInContact(f"die {die} is not on the wafer map of lab.toml, which has {len(self.lab.wafer.dies)} dies")
        try:
            state = self._step_to(die)
        except ProberRetryable as error:
            _log.warning("%s; once more", error)
            state = self._step_to(die)
        if state.die != die or state.in_contact:
            how = "not surely separated" if state.in_contact else "separated"
            raise WrongDie(f"sent to die {die}, the prober reads back {state.die}, {how}; check its wafer map, and [wafer] in lab.toml")

    def _step_to(self, die: DieIndex) -> ProberState:
        self._contact_maker.lift()
        self._checkpoint()
        return self._instruments.prober.go_to_die(*die)

    def contact(self, die: DieIndex) -> ContactResult:
        """Touch down and measure the pad pair. Raises ContactFailed and NeedlesSpent (safe, needles up), NotInContact when the chuck
        stands elsewhere."""
        self._touched = None
        found = self._instruments.prober.state().die
        if found != die:
            raise NotInContact(f"contact on die {die} asked for, the prober stands on {found}; go to the die first")
        contact = self._contact_maker.make(die)
        self._touched = _Touched(die, contact.placement, contact.result.ohms)
        self._interlocks.seen()
        return contact.result

    @property
    def contact_ohms(self) -> float:
        """Resistance of the pad pair at the last touchdown, as far as the needles are still down; else NaN."""
        return float("nan") if self._touched is None else self._touched.ohms

    def in_contact_with(self, die: DieIndex) -> bool:
        """Whether the needles were put on this die and not lifted since, as far as the service knows; `proven_contact` asks the prober."""
        return self._touched is not None and self._touched.die == die

    def rest(self, lift: bool) -> None:
        """Output off and everything isolated, for a wait; the needles up too where asked."""
        if lift:
            self._touched = None
            self._contact_maker.lift()
        else:
            self._instruments.off_and_isolated()

    def read_kernel(self, kernel: int, read_volts: float, averages: int, path: ReadPath, nplc: float = 0.1) -> Conductance:
        """Conductance of a kernel, (rows, columns). path: "auto" is the board, the faster one. averages: board only; nplc: SMU only."""
        safety.check_read(self.lab.limits, read_volts)
        safety.check_averages(self.lab.limits, averages)
        with self.proven_contact():
            if path == "smu":
                return reading.through_the_smu(self._instruments, self.lab, kernel, SmuRead(read_volts, nplc), self._checkpoint)
            return reading.through_the_board(self._instruments.crossbar, kernel, read_volts, averages)

    def read_junctions(
        self, junctions: Sequence[Junction], read_volts: float, averages: int, path: ReadPath, nplc: float = 0.1
    ) -> Conductance:
        """Conductance of single junctions, (junctions,), in the order asked for; otherwise as `read_kernel`."""
        safety.check_read(self.lab.limits, read_volts)
        safety.check_averages(self.lab.limits, averages)
        with self.proven_contact():
            if path == "smu":
                how = SmuRead(read_volts, nplc)
                return reading.junctions_through_the_smu(self._instruments, self.lab, junctions, how, self._checkpoint)
            return reading.junctions_through_the_board(self._instruments.crossbar, junctions, read_volts, averages)

    def sweep(self, junctions: Sequence[Junction], how: SweepHow) -> Traces:
        """Current against voltage of single junctions by the SMU, one after another. Raises OverLimit beyond the junction's limits."""
        with self.proven_contact():
            return sweep_junctions(self._instruments, self.lab, junctions, how, self._checkpoint)

    def pulse(self, kernel: int, mask: NDArray[np.bool_], volts: float, seconds: float) -> NDArray[np.bool_]:
        """One pulse on each junction of mask (rows, columns); positive drives AP to P. Returns which were executed."""
        safety.check_pulse(self.lab.limits, volts, seconds)
        with self.proven_contact():
            return self._instruments.crossbar.pulse(kernel, mask, volts, seconds)

    @property
    def board_reads_lists(self) -> bool:
        """Whether the board reads single junctions, not whole kernels alone (`read_junctions`)."""
        return Opcode.READ_LIST.name not in self._instruments.crossbar.info().missing

    @property
    def board_writes(self) -> bool:
        """Whether the board brings a kernel to its targets by itself (`write_verify`)."""
        info = self._instruments.crossbar.info()
        return bool(info.capabilities & Capability.WRITE_VERIFY) and Opcode.WRITE_VERIFY.name not in info.missing

    def board_shows(self, read_volts: float) -> tuple[float, float]:
        """The least and the most that the board's readings, and so the targets of `write_verify`, can say, S."""
        least, most = self._instruments.crossbar.converter_amps()
        return least / read_volts, most / read_volts

    def write_verify(self, kernel: int, targets_siemens: NDArray[np.float64], how: BoardWriting) -> KernelWritten:
        """Through the board alone: it pulses each junction of a kernel until it reads as wanted; NaN leaves one alone.

        What the station's checkpoint raises meanwhile ends it.
        """
        safety.check_read(self.lab.limits, how.read_volts)
        safety.check_averages(self.lab.limits, how.averages)
        safety.check_pulse(self.lab.limits, how.pulse_volts, how.pulse_s)
        with self.proven_contact():
            return reading.written_by_the_board(self._instruments.crossbar, kernel, targets_siemens, how, self._checkpoint)

    def vmm(self, kernel: int, input_volts: NDArray[np.float64], direction: str) -> NDArray[np.float64]:
        """(vectors, lines driven) V in, (vectors, lines sensed) A out. direction: "rows" or "columns" are driven."""
        safety.check_inputs(self.lab.limits, input_volts)
        with self.proven_contact():
            return self._instruments.crossbar.vmm(kernel, input_volts, direction)

    def provenance(self) -> dict[str, Any]:
        """JSON: who measured, whether anything was simulated, at what temperature."""
        return {
            "instruments": self._named,
            "origin": describe.origin(self._identities.values()),
            "temperature_c": self._instruments.prober.chuck_temperature_c(),
        }

    @property
    def output_on_s(self) -> float | None:
        """What a reading of the SMU takes while its output is on; None while it is off. Any thread may ask."""
        return self._instruments.output_on_s

    @property
    def moving(self) -> Moving | None:
        """The prober's move under way; None while there is none. Any thread may ask."""
        return self._instruments.moving

    @property
    def pulse_witness(self) -> PulseWitness:
        """Who knows what became of a pulse, needles down or not."""
        return self._instruments.crossbar

    def wires(self) -> dict[str, dict[str, Any]]:
        """What went over each wire since the station was opened."""
        return describe.wires(self._instruments)

    def snapshot(self) -> dict[str, Any]:
        """JSON for GET /station. Asks the instruments; one that does not answer is shown as not connected, with the reason."""
        states = describe.instrument_states(self._instruments, self._identities, self._named)
        self._contact_maker.look_at_alignment()
        return {
            **states,
            "die_in_contact": None if self._touched is None else list(self._touched.die),
        }

    def _leave(self, isolate: Callable[[], None]) -> dict[str, str]:
        self._touched = None
        outcome = safety.dark(self._instruments.smu.output_off, isolate)
        return {**outcome, "prober": safety.attempt(self._contact_maker.separate)}

    @contextmanager
    def proven_contact(self) -> Generator[None]:
        """Around whatever measures or drives: what was done is handed on only if the needles never left the die.

        The prober is read back afterwards, which proves the whole time since the touchdown; nested, only the outermost one
        asks it, so that a kernel of many commands costs one read-back. Raises NotInContact.
        """
        self._checkpoint()
        touched = self._touched
        if touched is None:
            raise NotInContact("nothing can be measured: no die is in verified contact; go to a die and touch down first")
        if self._proving:
            yield
            return
        self._proving = True
        try:
            yield
        except ScanRefused:
            # Needles that left the pads make a scan disagree with itself: then that is what has to be told.
            self._require_unmoved(touched)
            raise
        finally:
            self._proving = False
        self._require_unmoved(touched)

    def _require_unmoved(self, touched: _Touched) -> None:
        if not self._instruments.prober.placement().unmoved_since(touched.placement, _Z_TOLERANCE_UM):
            self._touched = None
            raise self._moved(touched)
        try:
            self._interlocks.require_shut(touched.die)
        except InterlockOpen:
            self._touched = None
            raise

    def _moved(self, touched: _Touched) -> NotInContact:
        state = self._instruments.prober.state()
        return NotInContact(
            f"die {touched.die} was in contact; the prober now stands on {state.die}, {'in contact' if state.in_contact else 'separated'}: "
            "somebody moved it. Touch down again; what was just measured is discarded"
        )
