"""Other people's programs in folders of their own, as scripts/set_up.py installs them: what would not go with this environment's versions.

Rule: a test that lacks its witness is skipped where somebody works offline, and fails where CI is set: there nobody would see it.
"""

import os
import sys
from pathlib import Path

import pytest

FOLDERS = Path(sys.prefix) / "witnesses"


def folder_of(witness: str) -> Path:
    """witness: name and version, as the file of its pins is called. Does not return where it is not installed."""
    folder = FOLDERS / witness
    if folder.is_dir():
        return folder
    missing = f"{folder} is missing; delete {Path(sys.prefix) / '.installed'} and run scripts/set_up.py"
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(missing)
    pytest.fail(missing)
