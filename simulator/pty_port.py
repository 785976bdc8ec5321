"""A serial device that is none: a pseudo-terminal behind a path that stays when the device is unplugged and comes back.

Rule 1: the far end is kept open here too, so that clients come and go without a hang-up; it is one wire, however many open it.
Rule 2: raw: no byte is changed, echoed or taken for a signal. What nobody reads is lost after a while, as on a real wire, so that
a dead client's unread answers never keep an emergency stop of the next one from being heard.
"""

import contextlib
import os
import tempfile
from pathlib import Path

LOSSY_AFTER_S = 0.25


class NoPseudoTerminals(OSError):
    """This system has none, or none left; the text says what to do."""


class PtyEnd:
    """The device's end. device: what the host opens, for as long as this end is open."""

    lossy_after_s: float | None = LOSSY_AFTER_S

    def __init__(self) -> None:
        import tty

        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)

    def fileno(self) -> int:
        return self._master

    def read(self, size: int) -> bytes:
        return os.read(self._master, size)

    def write(self, data: bytes | bytearray, /) -> int:
        return os.write(self._master, data)

    def reset(self) -> None:
        """Nothing: a hang-up is the worst a serial device knows."""

    def close(self) -> None:
        """Hang up: whoever has the device open reads its end."""
        os.close(self._slave)
        os.close(self._master)


class PtyPath:
    """A path that leads to whichever pseudo-terminal is plugged in, as /dev/serial/by-id does."""

    def __init__(self) -> None:
        if not hasattr(os, "openpty"):
            raise NoPseudoTerminals("this system has no pseudo-terminals; leave --crossbar-pty out to have a socket")
        self._folder = Path(tempfile.mkdtemp(prefix="hil-sim-"))
        self.path = self._folder / "crossbar"

    def plug_in(self) -> PtyEnd:
        """A new device; the path leads to it from now on. Raises NoPseudoTerminals."""
        try:
            end = PtyEnd()
        except OSError as error:
            raise NoPseudoTerminals(
                f"no pseudo-terminal is left ({error.strerror or error}); close others, or leave --crossbar-pty out"
            ) from error
        fresh = self._folder / "fresh"
        fresh.symlink_to(end.device)
        fresh.replace(self.path)
        return end

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._folder.rmdir()
