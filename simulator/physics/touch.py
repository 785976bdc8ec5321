"""Resistance of needles on pads, and what wears. Everything here is an ASSUMPTION: typical of cantilever needles on aluminium.

Two needles are in series wherever something is measured through them.
"""

import math
from dataclasses import dataclass, field

PAD_TOUCHDOWNS = 30
"""A pad bears so many; then it is scrubbed through."""
CLEANING_TOUCHDOWNS = 1_000
"""Needles want cleaning after so many."""
CARD_TOUCHDOWNS = 500_000
CLEANING_PAD_TOUCHDOWNS = 2_000
"""Then the cleaning pad is as dirty as what it shall clean."""


@dataclass
class Wear:
    """since_cleaning, of_card, of_die: touchdowns. film_ohms: dirt from elsewhere, on one needle. cleaning_pad: touches of the pad."""

    since_cleaning: float = 0.0
    film_ohms: float = 0.0
    of_card: int = 0
    of_die: dict[tuple[int, int], int] = field(default_factory=dict)
    cleaning_pad: int = 0

    def touch(self, die: tuple[int, int] | None) -> None:
        self.of_card += 1
        self.since_cleaning += 1.0
        if die is not None:
            self.of_die[die] = self.of_die.get(die, 0) + 1

    def clean(self, touches: int) -> None:
        """Each touch of the cleaning pad takes off two thirds of what is left, as long as the pad is good."""
        for _ in range(touches):
            self.cleaning_pad += 1
            if self.cleaning_pad <= CLEANING_PAD_TOUCHDOWNS:
                self.since_cleaning /= 3.0
                self.film_ohms /= 3.0

    @property
    def dirt_ohms(self) -> float:
        """Film on one needle: a little with each touchdown, more and more when it is never cleaned off."""
        return self.film_ohms + 0.02 * self.since_cleaning + 5e-5 * self.since_cleaning**2

    @dirt_ohms.setter
    def dirt_ohms(self, ohms: float) -> None:
        self.film_ohms, self.since_cleaning = ohms, 0.0

    def worn_ohms(self, die: tuple[int, int] | None) -> float:
        """What a pad that was touched too often adds."""
        over = self.of_die.get(die, 0) - PAD_TOUCHDOWNS if die is not None else 0
        return 2.0 * max(over, 0)


def contact_ohms(overtravel_um: float, dirt_ohms: float, worn_ohms: float) -> float:
    """Two needles in series at an overtravel of 0 or more: an oxide that the first micrometres break, then a few Ohm."""
    one = 1.0 + 5.0 * math.exp(-overtravel_um / 10.0) + 50.0 * math.exp(-overtravel_um / 0.7)
    return 2.0 * (one + dirt_ohms + worn_ohms)
