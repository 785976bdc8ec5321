"""Results say where their maps came from, and nothing is called measured that nobody noted."""

from pathlib import Path

import pytest

from hil.training.errors import TrainingError
from hil.training.origins import keep_origins, origin_of


def test_what_was_kept_is_told_and_added_to(tmp_path: Path) -> None:
    keep_origins(tmp_path / "new", {"W1": "simulated; seed=7"})
    keep_origins(tmp_path / "new", {"W2": "imported"})
    assert origin_of(tmp_path / "new", "W1") == "simulated; seed=7"
    assert origin_of(tmp_path / "new", "W2") == "imported"


def test_what_nobody_noted_is_not_called_measured(tmp_path: Path) -> None:
    assert origin_of(tmp_path, "10x-0.3") == "simulated; population 10x-0.3"
    assert origin_of(tmp_path, "W1") == "not noted"


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    (tmp_path / "origins.json").write_text("[1]")
    with pytest.raises(TrainingError, match="does not say where the maps came from"):
        origin_of(tmp_path, "W1")
