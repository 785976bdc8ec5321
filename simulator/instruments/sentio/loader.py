"""The loader: stations, slots, and the one wafer that this lab has.

Assumptions: which stations there are, what a transfer takes, that the vacuum comes on with a wafer and goes off before it leaves.
"""

from dataclasses import dataclass
from typing import Protocol

from simulator.instruments.sentio.codes import Code
from simulator.instruments.sentio.scripts import Busy, Way
from simulator.instruments.sentio.words import SentioError

CASSETTE, PREALIGNER, CHUCK = "cas1", "pa", "chuck"
SLOTS = {CASSETTE: 25, PREALIGNER: 1, CHUCK: 1}
NAMES = {CASSETTE: "Cassette1", PREALIGNER: "PreAligner", CHUCK: "Chuck"}
_ABSENT = ("cas2", "ww", "forka", "forkb", "aux", "idreader")
TRANSFER_S, ALIGN_S, SCAN_S, READ_S = 15.0, 8.0, 20.0, 3.0

Spot = tuple[str, int]
"""(station, slot from 1)."""


@dataclass
class LoadedWafer:
    """What the wafer tracker knows. origin: where it came from."""

    wafer_id: str
    origin: Spot
    size_mm: int = 100
    orientation_deg: int = 0
    progress: float = 0.0


class LoaderMachine(Protocol):
    """What the loader needs of the rest of the station."""

    def chuck_to_loader(self) -> Way: ...

    def chuck_back(self) -> Way: ...

    def wafer_on_chuck(self, loaded: bool) -> None: ...


class Loader:
    """at: the wafer's spot."""

    def __init__(self, machine: LoaderMachine, wafer_id: str, on_chuck: bool) -> None:
        self._machine = machine
        self.wafer = LoadedWafer(wafer_id, (CASSETTE, 1))
        self.at: Spot = (CHUCK, 1) if on_chuck else (CASSETTE, 1)
        self.busy = False

    def station(self, word: str) -> str:
        """Raises SentioError: no such station anywhere, or none here."""
        word = word.lower()
        if word in _ABSENT:
            raise SentioError(Code.LOADER_CASSETTE_DOES_NOT_EXIST, f"Station {word} does not exist")
        if word not in SLOTS:
            raise SentioError(Code.INVALID_PARAMETER, f"Invalid parameter: {word}")
        return word

    def has(self, word: str) -> bool:
        """Raises SentioError INVALID_PARAMETER for what is no station's name."""
        return word.lower() not in _ABSENT and bool(self.station(word))

    def spot(self, station: str, slot: int) -> Spot:
        """Raises SentioError LOADER_SLOT_NUMBER_ERROR."""
        if not 1 <= slot <= SLOTS[station]:
            raise SentioError(Code.LOADER_SLOT_NUMBER_ERROR, f"Slot {slot} is outside 1 to {SLOTS[station]}")
        return (station, slot)

    def require_wafer(self, spot: Spot) -> LoadedWafer:
        """Raises SentioError: no wafer there, by the code of the place."""
        if self.at != spot:
            code = {PREALIGNER: Code.LOADER_NO_WAFER_ON_PREALIGNER, CHUCK: Code.LOADER_NO_WAFER_ON_CHUCK}.get(spot[0])
            raise SentioError(code or Code.SLOT_OR_STATION_EMPTY, f"No wafer at {spot[0]} {spot[1]}")
        return self.wafer

    def require_free(self, spot: Spot) -> None:
        """Raises SentioError LOADER_WAFER_ON_CHUCK or SLOT_OR_STATION_OCCUPIED."""
        if self.at == spot:
            code = Code.LOADER_WAFER_ON_CHUCK if spot[0] == CHUCK else Code.SLOT_OR_STATION_OCCUPIED
            raise SentioError(code, f"There is a wafer at {spot[0]} {spot[1]}")

    def presence(self, station: str) -> str:
        """A 0 or a 1 for every slot."""
        return "".join(str(int(self.at == (station, slot))) for slot in range(1, SLOTS[station] + 1))

    def transfer(self, source: Spot, target: Spot) -> Way:
        """Raises SentioError when there is nothing to take, or something in the way."""
        self.require_free(target)
        self.require_wafer(source)
        self.busy = True
        try:
            yield from self._carry(source, target)
        finally:
            self.busy = False

    def _carry(self, source: Spot, target: Spot) -> Way:
        """What is stopped half way is put back."""
        if CHUCK in (source[0], target[0]):
            yield from self._machine.chuck_to_loader()
        if source[0] == CHUCK:
            self._machine.wafer_on_chuck(False)
        try:
            yield Busy(TRANSFER_S)
        except SentioError:
            if source[0] == CHUCK:
                self._machine.wafer_on_chuck(True)
            raise
        self.at = target
        if target[0] == CHUCK:
            self._machine.wafer_on_chuck(True)
            yield from self._machine.chuck_back()

    def prealign(self, angle_deg: float) -> Way:
        """Raises SentioError: no wafer there, or an angle that is none."""
        self.require_wafer((PREALIGNER, 1))
        self.check_angle(angle_deg)
        yield Busy(ALIGN_S)
        self.wafer.orientation_deg = round(angle_deg)

    @staticmethod
    def check_angle(angle_deg: float) -> None:
        """Raises SentioError LOADER_PRE_ALIGNER_ANGLE_ERROR."""
        if not 0 <= angle_deg <= 360:
            raise SentioError(Code.LOADER_PRE_ALIGNER_ANGLE_ERROR, f"Angle {angle_deg:g} deg is outside 0 to 360 deg")
