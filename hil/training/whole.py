"""Files that others may read at any time. Rule: under its name a file is whole or absent, also when two processes write it at once."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def whole(file: Path) -> Generator[BinaryIO]:
    """Written beside under a name of its own; renamed when the block ends well, else removed. The folder is made where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{uuid4().hex[:12]}.part")
    try:
        with part.open("xb") as opened:
            yield opened
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
