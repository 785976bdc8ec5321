"""What `hil evaluate` prints: a line a die, and by which calibration currents were corrected, or why by none."""

import pytest

from hil.cli.evaluate_commands import dies_named
from hil.cli.evaluation import text_of
from hil.cli.options import CommandFailed

ID = "ab" * 32


def looped(die: list[int], calibration: str | None, why: str | None = None) -> dict[str, object]:
    tuned = {"measured_error_percent": 2.9}
    told = {"dies": [die], "measured_error_percent": 3.1, "same_class_percent": 99.6, "tuned": tuned}
    return {**told, "calibration": calibration, "not_calibrated_because": why}


def found(*in_the_loop: dict[str, object]) -> dict[str, object]:
    predicted = [{"dies": [[0, 0]], "error_percent": 3.0}, {"dies": [[-3, 0]], "error_percent": 2.5}]
    said = {
        "method": "placed",
        "net": "100-76-10x3",
        "wafer": "W1",
        "origin": "simulated; seed=7",
        "images": 1000,
        "model": None,
        "refused": {},
    }
    return {**said, "predicted": predicted, "in_the_loop": list(in_the_loop)}


def test_every_die_has_a_line_and_those_that_were_run_their_measured_error() -> None:
    title, head, first, second, currents = text_of(found(looped([0, 0], ID))).splitlines()
    assert title.startswith("placed 100-76-10x3 on wafer W1 (simulated; seed=7)")
    assert head.split() == ["die", "predicted", "measured", "same", "class", "tuned"]
    assert first.split() == ["0,0", "3.00", "%", "3.10", "%", "99.60", "%", "2.90", "%"]
    assert second.split() == ["-3,0", "2.50", "%"]
    assert currents == f"currents corrected by calibration {ID[:12]}"


def test_uncorrected_currents_are_said_to_be_so_and_what_to_do() -> None:
    text = text_of(found(looped([0, 0], ID), looped([-3, 0], None, "board B1 was never calibrated; run the plan calibrate")))
    assert text.splitlines()[-2:] == [
        f"currents corrected by calibration {ID[:12]}",
        "currents as they were read: board B1 was never calibrated; run the plan calibrate",
    ]
    assert "currents" not in text_of(found())


def test_a_die_that_changed_is_named_and_the_others_have_their_lines() -> None:
    text = text_of({**found(), "refused": {"1,0": "die (1,0): maps ab now, trained on maps cd; place it anew"}})
    assert text.splitlines()[-1] == "refused: die (1,0): maps ab now, trained on maps cd; place it anew"
    assert len(text.splitlines()) == 5


def test_dies_are_named_as_pairs() -> None:
    assert dies_named("0,0; -3,1") == ((0, 0), (-3, 1))
    assert dies_named(None) == ()
    with pytest.raises(CommandFailed, match="write dies as x,y"):
        dies_named("0;0")
