"""Sessions with one board, one after the other, and lines without a session beside them.

Rule 1: the first session is opened whoever had the board; a later one only while nobody else has opened one since ours.
Rule 2: which sessions were ours is remembered, also those whose opening failed half way.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from drivers.board_faults import SessionTaken
from drivers.board_link import BoardLink
from drivers.board_talk import Greeting, first_status, greet, open_link


class Sessions:
    """nonces: new session numbers. timeout_s: of an answer."""

    def __init__(self, address: str, baud: int, nonces: Callable[[], int], timeout_s: float) -> None:
        self._address = address
        self._baud = baud
        self._nonces = nonces
        self._timeout_s = timeout_s
        self._ours: set[int] = set()

    def open(self) -> tuple[BoardLink, Greeting]:
        """A new session, whoever has the board now. Raises ConnectFailed, and like `greet`."""
        link = self._line()
        try:
            return link, greet(link, self._nonce, self._timeout_s)
        except BaseException:
            link.close()
            raise

    def open_again(self, first: Callable[[BoardLink], None]) -> tuple[BoardLink, Greeting]:
        """A new session unless another host has the board: then SessionTaken. first: called before anything else is said.

        Who opens one between the question and our HELLO loses his session to us; the board has no command that does both.
        """
        link = self._line()
        try:
            first(link)
            if first_status(link, self._timeout_s).session not in (0, *self._ours):
                raise SessionTaken(f"{self._address}: another host opened a session on the device while this line was away; left to it")
            return link, greet(link, self._nonce, self._timeout_s)
        except BaseException:
            link.close()
            raise

    @contextmanager
    def looking(self, boot_id: int) -> Generator[BoardLink]:
        """A line for questions, without a session; it ends when the board that answers has another boot id. Raises ConnectFailed."""
        link = self._line()
        link.endpoint.boot_id = boot_id
        try:
            yield link
        finally:
            link.close()

    def _line(self) -> BoardLink:
        return open_link(self._address, self._baud, 0, self._timeout_s)

    def _nonce(self) -> int:
        nonce = self._nonces()
        self._ours.add(nonce)
        return nonce
