"""One connection to a SENTIO: a command and its own answer, never another's.

Rule 1: a late answer is never read. After a time-out the chuck is stopped over a second connection and the first is
made anew, because synchronous answers carry no number that would tell them apart. Only separating is never stopped.
Rule 2: remote mode is taken only when motion is first needed, and before every separation; asking changes nothing.
"""

from collections.abc import Callable

from drivers.errors import DriverError, LinkTimeout
from drivers.links.text import TextLink
from drivers.prober import sentio_commands as say
from drivers.prober.sentio_codes import ProberError
from drivers.prober.sentio_replies import Reply, parse_reply
from drivers.values import WireCounts

_INVALID_OPERATION = 12


class SentioSession:
    """connect: makes a further connection to the same prober, for stopping it."""

    def __init__(self, link: TextLink, connect: Callable[[], TextLink], deadlines: say.Deadlines) -> None:
        self._link = link
        self._connect = connect
        self._remote = False
        self.deadlines = deadlines
        self.name = f"prober at {link.address}"

    def ask(self, command: str) -> Reply:
        """For questions. Raises LinkTimeout, LinkLost, ProtocolError, a ProberError."""
        return self._exchange(command, self.deadlines.query_s)

    def move(self, command: str, deadline_s: float) -> Reply:
        """For what moves the chuck. On a time-out the chuck is stopped before LinkTimeout is raised."""
        try:
            return self._exchange(command, deadline_s)
        except LinkTimeout as error:
            raise LinkTimeout(f"{error}; {self._stop()}, its position has to be read back") from error

    def separate(self) -> None:
        """Down, asking nothing first. A late chuck is on its way to where it is safe: it is not stopped.

        A connection no longer trusted is made anew, and remote mode is taken whoever had it: nobody may keep the needles
        down. Once more when another client took it back in between.
        """
        if not self._link.trusted:
            self._reconnect()
        try:
            self._take_and_separate()
        except ProberError as error:
            if error.code != _INVALID_OPERATION:
                raise
            self._take_and_separate()

    def _take_and_separate(self) -> None:
        self._link.send(say.REMOTE_MODE)
        self._exchange(say.SEPARATE, self.deadlines.z_s)

    def take_control(self) -> None:
        """Remote mode, and no stepping while in contact. Sent once a connection."""
        if not self._remote:
            self._link.send(say.REMOTE_MODE)
            self.ask(say.LOCK_CONTACT)
            self._remote = True

    def counts(self) -> WireCounts:
        return self._link.counts()

    def close(self) -> None:
        """Hands the panel back if this session took it. Moves nothing."""
        if self._remote:
            self._link.send_regardless(say.LOCAL_MODE)
        self._link.close()

    def _exchange(self, command: str, deadline_s: float) -> Reply:
        try:
            return parse_reply(self._link.query(command, deadline_s), command, self.name)
        except ProberError as error:
            if error.code == _INVALID_OPERATION:
                self._remote = False  # another client may have taken the prober: take it back before the next move
            raise

    def _stop(self) -> str:
        """Stop the chuck over a connection of its own, then start this one afresh. Says what came of it."""
        try:
            second = self._connect()
            try:
                parse_reply(second.query(say.STOP, self.deadlines.stop_s), say.STOP, self.name)
            finally:
                second.close()
            self._reconnect()
        except DriverError as error:
            return f"stopping it failed too ({error}): use its emergency stop"
        return "the chuck was stopped"

    def _reconnect(self) -> None:
        self._remote = False
        self._link.resynchronise()
