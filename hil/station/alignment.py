"""Whether the wafer still lies on the chuck as it was aligned. No prober can be asked that; what speaks against it is remembered on disk.

Rule 1: what the prober's driver saw that may have moved the wafer is a doubt, for whatever run and whatever process comes next.
Rule 2: it ends when the driver aligns, or by a person's word: whoever lets a run go on that was stopped for it has seen to the wafer.
"""

from typing import Protocol, runtime_checkable

from drivers.protocols import Prober
from hil.station.errors import NotAligned
from hil.store.logs import NeedleLog


@runtime_checkable
class KnowsAlignment(Protocol):
    """A prober's driver that sees what costs the alignment."""

    def not_aligned(self) -> str | None: ...


class Alignment:
    """For as long as the prober is connected, which is as long as its driver remembers."""

    def __init__(self, prober: Prober, log: NeedleLog) -> None:
        self._prober, self._log = prober, log
        self._seen: str | None = None

    def look(self) -> None:
        """Takes note of what the driver has seen; asks the prober nothing. Raises Unwritable."""
        why = self._prober.not_aligned() if isinstance(self._prober, KnowsAlignment) else None
        if why != self._seen:
            self._log.note_alignment(why)
            self._seen = why

    def require(self) -> None:
        """Before the needles come down. Raises NotAligned, once for each run."""
        self.look()
        doubt = self._log.alignment_doubt()
        if doubt is None:
            return
        if not doubt.told:
            # From here on this run has been told, by us or by the driver.
            self._log.note_alignment(doubt.why)
        if self._seen is not None:
            return  # The driver refuses by itself, and names everything else that is wrong.
        if not doubt.told:
            raise NotAligned(doubt.why)
        self._log.note_alignment(None)
