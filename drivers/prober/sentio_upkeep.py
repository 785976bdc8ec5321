"""Wear: the contact counter, cleaning, and the lamp that says so."""

from drivers.prober import sentio_commands_machine as say
from drivers.prober.motion_rules import Motion
from drivers.prober.sentio_guard import Guard
from drivers.prober.sentio_words import Site
from drivers.values import ProberState


class SentioUpkeep:
    def __init__(self, guard: Guard) -> None:
        self._guard, self._session, self._reader = guard, guard.session, guard.reader

    def contacts(self) -> int:
        """Touchdowns the prober has counted, those on the cleaning pad not among them."""
        return self._session.ask(say.CONTACT_COUNT).ints(1)[0]

    def reset_contacts(self) -> None:
        """After another probe card was mounted."""
        self._guard.allow(Motion.NOTE)
        self._session.ask(say.RESET_CONTACT_COUNT)

    def clean(self, touchdowns: int | None = None) -> ProberState:
        """On the pad of an auxiliary site; go to a die again afterwards. Raises MotionRefused unless separated."""
        self._guard.require(Motion.CLEAN)
        self._session.move(say.clean(touchdowns))
        return self._reader.state()

    def clean_by_itself(self, on: bool) -> None:
        """Whether the prober cleans between dies as it has been set up to."""
        self._guard.allow(Motion.NOTE)
        self._session.ask(say.enable_auto_clean(on))

    def renew_pad(self, site: Site) -> None:
        """A new cleaning pad lies on an auxiliary site: its touches count from 0."""
        self._guard.allow(Motion.NOTE)
        self._session.ask(say.reset_touch_count(site))

    def signal(self, red: int = -1, yellow: int = -1, green: int = -1, blue: int = -1) -> None:
        """The lamps of the tower, each -1 as it is, 0 off, 1 on, 2 blinking."""
        self._guard.allow(Motion.NOTE)
        self._session.ask(say.signal_tower(red, yellow, green, blue))
