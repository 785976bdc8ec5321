"""What the board is told never makes it pulse a junction away from where it shall be."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.runs.windows import windows

NOBODY = np.zeros((1, 1), np.bool_)
ME = ~NOBODY


def _pulse(read: float, target: float, tolerance: float) -> str | None:
    """As the board decides for a junction that was not settled before."""
    if abs(read - target) <= tolerance:
        return None
    return "set" if read < target else "reset"


@settings(max_examples=300, deadline=None)
@given(
    zero=st.floats(0, 1),
    middle=st.floats(0.001, 1),
    gap=st.floats(0.001, 1),
    read=st.floats(0, 1),
    to_p=st.booleans(),
)
def test_a_junction_is_only_ever_pulsed_towards_its_state_and_until_it_is_past_the_middle(
    zero: float, middle: float, gap: float, read: float, to_p: bool
) -> None:
    least, most = -zero, 1.0
    seen = least + read * (most - least)  # whatever the converter can show
    mask, nobody = ME, NOBODY
    told = windows(mask if to_p else nobody, nobody if to_p else mask, middle, gap, (least, most))
    for window in told:
        (target,) = window.targets.ravel()
        if np.isnan(target):
            continue
        assert least - 1e-9 <= target <= most + 1e-9
        pulse = _pulse(seen, target, window.tolerance + 1e-9)
        assert pulse in (None, "set" if to_p else "reset")
        beyond = (seen - middle) * (1 if to_p else -1)
        assert (pulse is None) == (beyond > window.slack) or abs(beyond - window.slack) < 1e-6
    assert told or min(most - middle, middle - least) <= 0.1 * gap


def test_one_command_does_where_the_range_is_wide_on_both_sides_of_the_middle_and_two_where_it_is_not() -> None:
    to_p, to_ap = np.array([[True, False, False]]), np.array([[False, True, False]])
    (both,) = windows(to_p, to_ap, 0.2, 0.1, (-0.5, 1.0))
    np.testing.assert_allclose(both.targets, [[0.9, -0.5, np.nan]])
    up, down = windows(to_p, to_ap, 0.2, 0.1, (0.0, 1.0))
    np.testing.assert_allclose(up.targets, [[1.0, np.nan, np.nan]])
    np.testing.assert_allclose(down.targets, [[np.nan, 0.0, np.nan]])


def test_states_at_the_end_of_what_the_converter_shows_are_not_left_to_the_board() -> None:
    assert windows(ME, NOBODY, 0.99, 0.2, (-0.5, 1.0)) == []
