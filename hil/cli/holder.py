"""One service per data directory. Rule: the lock is the operating system's, so that a killed service leaves none behind."""

import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hil.cli.options import CommandFailed

LOCK, HOLDER = "serve.lock", "serve.json"


@contextmanager
def only_service(directory: Path, url: str) -> Generator[None, None, None]:
    """Held while serving. Raises CommandFailed naming who holds it."""
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CommandFailed(f"{directory} is served already, {_holder(directory)}; stop that one or give another --data") from error
    holder = directory / HOLDER
    try:
        holder.write_text(json.dumps({"pid": os.getpid(), "url": url}), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(directory: Path) -> str:
    try:
        said = json.loads((directory / HOLDER).read_text(encoding="utf-8"))
        return f"by process {said['pid']} at {said['url']}"
    except (OSError, ValueError, KeyError):
        return "by a process that has not said who it is"
