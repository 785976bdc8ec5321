"""The damage ledger as a file that no client of the lab sees: a line of JSON for every damage, there as soon as it is done.

{"kind": "xy_in_contact", "die": [0, 0], "detail": "...", "monotonic_s": 1234.567}
Rule: the file is there, empty, as soon as the lab is; a lab that ends without damage leaves it empty.
"""

import json
import time
from pathlib import Path

from simulator.needles import Damage


class LedgerError(Exception):
    """The file cannot be written; the text says which and what to do."""


class LedgerFile:
    """Appends. Raises LedgerError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._append("")

    def record(self, damage: Damage) -> None:
        entry = {"kind": damage.kind, "die": damage.die, "detail": damage.detail, "monotonic_s": time.monotonic()}
        self._append(json.dumps(entry) + "\n")

    def _append(self, text: str) -> None:
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise LedgerError(f"{self._path}: {error.strerror or error}; choose another --ledger") from error
