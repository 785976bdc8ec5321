"""The worker's sign of life: a page of memory that worker and watchdog map, a small file in the data directory.

Rule 1: to say it is a store into memory, which no slow disk and no reader holds up. Rule 2: only whoever has the worker's lock says
anything. Rule 3: WORKING on the page and nobody at the lock is a death; in good order GONE is said before the lock is left.
"""

import mmap
import struct
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from hil.store.errors import Unwritable

FILE_NAME = "worker.life"
LOCK_NAME = "worker.lock"
"""Held, in the data directory, by whoever has the station: the worker for its life, the watchdog while it stands in for a dead one."""
_LAYOUT = struct.Struct("<QQ")


class Word(IntEnum):
    """What the worker says of itself. GONE: none is meant to be at work. STUCK: its main loop does not come by any more.
    UNHEARD: the store takes no word of it, so nobody could stop it by one either."""

    GONE = 0
    WORKING = 1
    STUCK = 2
    UNHEARD = 3


_WORDS = {int(word): word for word in Word}


class Sign(NamedTuple):
    """beats: differs from the last one as long as somebody says something."""

    word: Word
    beats: int


class LifeSign:
    """The page of one data directory."""

    def __init__(self, data: Path) -> None:
        """Maps the page, GONE when it is new. Raises Unwritable."""
        path = data / FILE_NAME
        try:
            with path.open("a+b") as file:
                if file.tell() < _LAYOUT.size:
                    # Written, not left a hole: a full disk says so here and not at the first beat.
                    file.write(bytes(_LAYOUT.size))
                    file.flush()
                self._page = mmap.mmap(file.fileno(), _LAYOUT.size)
        except OSError as error:
            raise Unwritable(f"{path} cannot be written: {error.strerror}; free space or fix the permissions") from error

    def say(self, word: Word) -> None:
        _LAYOUT.pack_into(self._page, 0, word, (self.read().beats + 1) % 2**64)

    def read(self) -> Sign:
        word, beats = _LAYOUT.unpack_from(self._page)
        # What a later release may say is no sign of health to us.
        return Sign(_WORDS.get(word, Word.STUCK), beats)

    def close(self) -> None:
        self._page.close()
