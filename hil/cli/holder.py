"""One service per data directory and per station. Rule: the locks are the operating system's, so that a killed service
leaves none behind; a second service on the same instruments would take them from a running measurement."""

import hashlib
import json
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hil.cli.options import CommandFailed
from hil.model.lab import LabConfig


@contextmanager
def only_service(directory: Path, lab: LabConfig, url: str) -> Generator[None, None, None]:
    """Held while serving. Raises CommandFailed naming who holds the data or the instruments."""
    with _held(directory / "serve", f"{directory} is served already, {{}}; stop that one or give another --data", url):
        addresses = ", ".join(sorted((lab.prober.address, lab.smu.address, lab.crossbar.address)))
        digest = hashlib.sha256(addresses.encode()).hexdigest()[:16]
        taken = f"the instruments of this lab ({addresses}) are served already, {{}}; stop that one: a station has one service"
        with _held(Path(tempfile.gettempdir(), f"mtj-hil-station-{digest}"), taken, url):
            yield


@contextmanager
def _held(stem: Path, refusal: str, url: str) -> Generator[None, None, None]:
    """stem: path of the lock and of the note beside it, without their suffixes. refusal: a text with a place for the holder."""
    lock, note = FileLock(stem.with_suffix(".lock")), stem.with_suffix(".json")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise CommandFailed(refusal.format(_holder(note))) from error
    try:
        note.write_text(json.dumps({"pid": os.getpid(), "url": url}), encoding="utf-8")
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def _holder(note: Path) -> str:
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
        return f"by process {said['pid']} at {said['url']}"
    except (OSError, ValueError, KeyError):
        return "by a process that has not said who it is"
