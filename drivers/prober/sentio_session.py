"""One connection to a SENTIO: a command and its own answer, never another's.

Rule 1: a late answer is never read, because synchronous answers carry no number that would tell them apart: after a time-out, a cut or
a strange answer the connection is made anew before the next command. Rule 2: a move that was not answered is stopped over a second
connection, then the state is read; only separating is never stopped.
Rule 3: remote mode is taken only when something is to be changed, and before every separation; asking changes nothing.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from drivers.errors import DriverError, LinkError, ProtocolError
from drivers.links.text import TextLink
from drivers.prober import sentio_commands as say
from drivers.prober import sentio_commands_chuck as chuck
from drivers.prober.sentio_codes import INVALID_OPERATION, ProberError
from drivers.prober.sentio_deadlines import Command, Deadlines
from drivers.prober.sentio_replies import Reply, StatusBits, parse_reply
from drivers.values import Moving, WireCounts


class SentioSession:
    """connect: makes a further connection to the same prober, for stopping it.

    look: what is read back after a move was stopped, in words. forget: told whenever what was read before may no longer hold.
    moving: the move under way, if there is one; read by another thread.
    """

    def __init__(self, link: TextLink, connect: Callable[[], TextLink], deadlines: Deadlines) -> None:
        self._link = link
        self._connect = connect
        self._remote = self._taken = False
        self.deadlines = deadlines
        self.moving: Moving | None = None
        self._moves = 0
        self.name = f"prober at {link.address}"
        self.look: Callable[[], str] = lambda: "its position has to be read back"
        self.forget: Callable[[], None] = lambda: None

    def ask(self, command: Command) -> Reply:
        """For what moves nothing. Raises LinkTimeout, LinkLost, ProtocolError, a ProberError."""
        self._settle()
        return self._exchange(command)

    def ask_bare(self, command: Command) -> Reply:
        """For the few questions that are answered by a line without a head. Raises LinkTimeout, LinkLost."""
        self._settle()
        line = self._link.query(command.line, self.deadlines.of(command))
        return Reply(StatusBits.NONE, line, command.line, self.name, doubt=self._link.distrust)

    def move(self, command: Command) -> Reply:
        """For what moves the chuck. Unanswered, the chuck is stopped and looked at before LinkTimeout or LinkLost is raised."""
        self._settle()
        with self._moving(command):
            try:
                return self._exchange(command)
            except LinkError as error:
                raise type(error)(f"{error}; {self._stop_and_look()}") from error

    def separate(self, command: Command = chuck.SEPARATE) -> None:
        """Down, asking nothing first. A late chuck is on its way to where it is safe: it is not stopped.

        A connection no longer trusted is made anew, and remote mode is taken whoever had it: nobody may keep the needles
        down. Once more when another client took it back in between.
        """
        self._settle()
        try:
            self._take_and_move(command)
        except ProberError as error:
            if error.code != INVALID_OPERATION:
                raise
            self._take_and_move(command)

    def stop(self) -> None:
        """Stop the chuck where it is, over a connection of its own, whatever this one waits for. Raises DriverError."""
        second = self._connect()
        try:
            parse_reply(second.query(say.STOP.line, self.deadlines.of(say.STOP)), say.STOP.line, self.name)
        finally:
            second.close()

    def take_control(self) -> None:
        """Remote mode, and no stepping while in contact. Sent once a connection."""
        self._settle()
        if not self._remote:
            self._link.send(say.REMOTE_MODE)
            self._taken = True
            self._exchange(chuck.LOCK_CONTACT)
            self._remote = True

    def counts(self) -> WireCounts:
        return self._link.counts()

    def close(self) -> None:
        """Hands the panel back if this session took it for more than to separate. Moves nothing."""
        if self._taken:
            self._link.send_regardless(say.LOCAL_MODE)
        self._link.close()

    def _take_and_move(self, command: Command) -> None:
        self._link.send(say.REMOTE_MODE)
        with self._moving(command):
            self._exchange(command)

    @contextmanager
    def _moving(self, command: Command) -> Generator[None]:
        self._moves += 1
        self.moving = Moving(self._moves, self.deadlines.of(command))
        try:
            yield
        finally:
            self.moving = None

    def _exchange(self, command: Command) -> Reply:
        try:
            return parse_reply(self._link.query(command.line, self.deadlines.of(command)), command.line, self.name, self._link.distrust)
        except ProberError as error:
            if error.code == INVALID_OPERATION:
                self._remote = False  # another client may have taken the prober: take it back before the next move
            raise
        except ProtocolError as error:
            self._link.distrust(str(error))
            raise

    def _settle(self) -> None:
        if not self._link.trusted:
            self._reconnect()

    def _stop_and_look(self) -> str:
        """Says what came of it."""
        try:
            self.stop()
        except DriverError as error:
            return f"stopping it failed too ({error}): use its emergency stop"
        try:
            self._reconnect()
            self.take_control()
            return f"the chuck was stopped, {self.look()}"
        except DriverError as error:
            return f"the chuck was stopped, where it stands cannot be read ({error})"

    def _reconnect(self) -> None:
        self._remote = False
        self.forget()
        self._link.resynchronise()
