"""Makes .venv with the pinned versions, once. Standard library only, so that a bare Python can run it.

Rule: safe to call at any time, twice at once, and after the pins changed; it does nothing when nothing is to be done.
"""

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".installed"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
WITNESSES = sorted((ROOT / "tests/witnesses/pins").glob("*.txt"))
"""Older versions of other people's clients, which would not go with the ones in the environment; each gets a folder of its own."""


def wanted() -> str:
    """Fingerprint of what should be installed, and by which Python."""
    pins = b"".join(path.read_bytes() for path in (ROOT / "pyproject.toml", ROOT / "constraints.txt", *WITNESSES))
    return f"{sys.version_info.major}.{sys.version_info.minor} {ROOT} {hashlib.sha256(pins).hexdigest()}"


@contextmanager
def alone() -> Iterator[None]:
    """Holds an exclusive lock, so that `make demo` and `make test` started together install once."""
    with (ROOT / ".set-up.lock").open("w") as file:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install() -> None:
    print("setting up .venv (the first time takes a few minutes: 1.7 GB with torch) ...", flush=True)
    venv.create(VENV, with_pip=True, symlinks=os.name != "nt")
    command = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([*command, "-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[train,dev]"], check=True)
    for pins in WITNESSES:
        folder = VENV / "witnesses" / pins.stem
        done = subprocess.run([*command, "--no-deps", "--upgrade", "--target", str(folder), "-r", str(pins)], check=False)
        if done.returncode:  # Only tests miss it, and they say so.
            told = f"{pins.stem} could not be installed: its tests will be skipped (they fail where CI is set)"
            print(f"{told}; delete {STAMP} to try again", file=sys.stderr)
    STAMP.write_text(wanted())


def main() -> int:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        this = sys.version.split()[0]
        print(f"Python 3.11, 3.12 or 3.13 is needed, this is {this}; name another: make PYTHON=python3.12 ...", file=sys.stderr)
        return 1
    with alone():
        if STAMP.exists() and STAMP.read_text() == wanted():
            return 0
        try:
            install()
        except (subprocess.CalledProcessError, OSError) as error:
            print(f"set-up failed: {error}\nDelete {VENV} and try again; pip's own message stands above.", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
