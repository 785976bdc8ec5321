"""Who may open a device: one driver at a time, and the safety path always.

Rule 1: the operating system's exclusive mode is only advisory, so a lock file says who has the device. Rule 2: nothing keeps
the safety path out; while it is at work, a driver waits before it opens the device.
"""

import contextlib
import os
import re
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from drivers.errors import ConnectFailed

SAFETY_PATIENCE_S = 3.0
"""How long opening a device waits for the safety path to have done."""
_INSTANT_S = 0.05
"""For so long may somebody hold the safety path's lock who only looks whether it is held."""


def lock_path(address: str, purpose: str = "") -> Path:
    """Lock file of a device, the same for every name that leads to it."""
    device = os.path.realpath(address) if address.startswith("/") else address.upper()
    return Path(tempfile.gettempdir()) / f"hil{re.sub(r'[^A-Za-z0-9]+', '-', device)}{purpose}.lock"


def _safety_lock(address: str) -> FileLock:
    """Held while the safety path is at work: two readers of one device would take each other's bytes."""
    return FileLock(lock_path(address, "-safety"), timeout=0, thread_local=False)


def locks_of_safety(address: str) -> list[FileLock]:
    """Nothing keeps the safety path out: neither another safety path, nor a lock file that cannot be written."""
    lock = _safety_lock(address)
    with contextlib.suppress(OSError):  # filelock's Timeout is one
        lock.acquire(timeout=_INSTANT_S, poll_interval=0.002)
        return [lock]
    return []


def locks_of_driver(address: str) -> list[FileLock]:
    """Raises ConnectFailed when another process uses the device, or the safety path is long about it."""
    lock = FileLock(lock_path(address), timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConnectFailed(f"{address}: in use by another process (lock {lock_path(address)}); stop that one first") from error
    except OSError as error:
        raise ConnectFailed(f"{address}: cannot lock {lock_path(address)}: {error.strerror}") from error
    try:
        with _safety_lock(address).acquire(timeout=SAFETY_PATIENCE_S, poll_interval=0.02):
            pass
    except Timeout as error:
        lock.release()
        raise ConnectFailed(f"{address}: the safety path is making the controller safe; open it again when that is done") from error
    except OSError:
        return [lock]  # Somebody else's file: waiting for it is a courtesy, not a condition.
    return [lock]


def safety_is_at_work(address: str) -> bool:
    """Whether the safety path has this device open."""
    try:
        with _safety_lock(address).acquire():
            return False
    except Timeout:
        return True
    except OSError:
        return False
