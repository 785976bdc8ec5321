"""What goes wrong with the three instruments taken as one. What goes wrong with a single one stays a drivers.errors.DriverError."""

from typing import Self

from hil.model.lab import DieIndex
from hil.store.records import Finding


class StationError(Exception):
    """Base. The text names the thing, the value, the limit and what to do."""


class UnknownDriver(StationError):
    """lab.toml names a driver that nobody registered."""


class WrongChip(StationError):
    """The controller's crossbar is not the one of lab.toml."""


class NotInContact(StationError):
    """Something was to be measured on a die whose contact is not verified."""


class WrongDie(StationError):
    """The prober reads back another die than the one it was sent to: nothing measured there would have the right name."""


class InterlockOpen(StationError):
    """While the needles were down, the vacuum was lost or a door opened: what was being measured is discarded."""


class NotAligned(StationError):
    """Something may have moved the wafer on the chuck since it was aligned."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the wafer may no longer lie as it was aligned ({why}): align it at the prober; to let the run go on is to say so"
        )


class PathOpened(StationError):
    """The controller left the junction that the SMU was measuring: what was measured would read as an open circuit."""


class ScanRefused(StationError):
    """The counts of a triggered scan do not prove which reading belongs to which junction: nothing of it is kept."""

    def __init__(self, counts: str) -> None:
        super().__init__(
            f"scan refused: {counts}; which reading belongs to which junction is not proven, nothing is kept. Check the trigger lines "
            "between SMU and controller and measure again, or say `trigger_lines = false` under [smu] in lab.toml to read without them"
        )


class NotMadeSafe(StationError):
    """At least one instrument could not be verified safe. outcome: instrument -> "safe" or what went wrong."""

    def __init__(self, outcome: dict[str, str]) -> None:
        failed = "; ".join(f"{name}: {text}" for name, text in outcome.items() if text != "safe")
        super().__init__(f"the station is not verified safe: {failed}; look before you touch")
        self.outcome = outcome

    @classmethod
    def unless_safe(cls, outcome: dict[str, str]) -> Self | None:
        return None if all(text == "safe" for text in outcome.values()) else cls(outcome)


class ContactFailed(StationError):
    """The needles do not reach the die's pads: "no contact", never "bad die". ohms: of the pad pair at the last touchdown; finding:
    what that says; touchdowns: made for it."""

    def __init__(self, die: DieIndex, ohms: float, touchdowns: int, limit_ohms: float, finding: Finding, tried: str = "") -> None:
        super().__init__(
            f"no contact on die ({die[0]}, {die[1]}): {ohms_text(ohms)} after {touchdowns} touchdowns{tried}, "
            f"limit {ohms_text(limit_ohms)}; {_REMEDIES[finding]}"
        )
        self.die, self.ohms, self.touchdowns, self.finding = die, ohms, touchdowns, finding


_REMEDIES: dict[Finding, str] = {
    "contact": "measure again",
    "high resistance": "clean the probe card or check the alignment: the needles touch through dirt, or beside the pads",
    "open": "check the contact height and the probe card: the needles touch nothing",
}


class TouchdownsSpent(ContactFailed):
    """A further touchdown would damage the pads: the budget of limits.touchdowns_per_die is used up."""

    def __init__(self, die: DieIndex, touchdowns: int, budget: int) -> None:
        StationError.__init__(
            self,
            f"no contact on die ({die[0]}, {die[1]}): {touchdowns} touchdowns made, limit {budget} (limits.touchdowns_per_die); "
            "inspect the pads before raising the limit in lab.toml",
        )
        self.die, self.ohms, self.touchdowns, self.finding = die, float("nan"), touchdowns, None


class NeedlesSpent(StationError):
    """The needles may not come down once more before somebody has done something about them."""


class CardSpent(NeedlesSpent):
    """The budget of limits.touchdowns_per_card is used up."""

    def __init__(self, touchdowns: int, budget: int) -> None:
        super().__init__(
            f"the probe card has made {touchdowns} touchdowns, limit {budget} (limits.touchdowns_per_card); put in another one and say "
            "so with `hil card new`"
        )


class CleaningDue(NeedlesSpent):
    """The budget of limits.touchdowns_per_cleaning is used up."""

    def __init__(self, touchdowns: int, budget: int) -> None:
        super().__init__(
            f"the needles have made {touchdowns} touchdowns since they were cleaned, limit {budget} (limits.touchdowns_per_cleaning); "
            "clean them and say so with `hil card cleaned`"
        )


OPEN_OHMS = 1e7
"""From here on a pad pair is open: no film on needles that touch is as good an insulator, and the SMU hardly reads more than offset."""


def ohms_text(ohms: float) -> str:
    """41 kOhm, 1 kOhm, 12.3 Ohm, open."""
    if ohms != ohms:
        return "an unreadable resistance"
    if ohms >= OPEN_OHMS:
        return "open"
    scale, unit = (1e6, "MOhm") if ohms >= 1e6 else (1e3, "kOhm") if ohms >= 1e3 else (1.0, "Ohm")
    return f"{ohms / scale:.3g} {unit}"
