"""Which junctions are pulsed again."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.runs.write_verify import levels, wrong_state

P, AP = 335e-6, 186e-6


def _kernel(value: float) -> np.ndarray:
    return np.full((5, 5), value, np.float32)


KNOWN = levels(_kernel(P), _kernel(AP))


def test_the_midpoint_is_the_kernels_own() -> None:
    assert KNOWN.valid
    assert abs(KNOWN.midpoint - (P + AP) / 2) < 1e-9


def test_medians_are_not_moved_by_defects_or_holes() -> None:
    p, ap = _kernel(P), _kernel(AP)
    p[0], ap[0], p[1, :2] = 1e-3, 1e-3, np.nan
    assert levels(p, ap) == KNOWN


def test_a_kernel_that_does_not_switch_is_left_alone() -> None:
    for value in (P, 0.0, np.nan):
        known = levels(_kernel(value), _kernel(value))
        assert not known.valid
        assert not wrong_state(_kernel(value), known, to_p=False).any()
        assert not wrong_state(_kernel(value), known, to_p=True).any()


def test_only_what_a_pulse_could_mend_is_pulsed_again() -> None:
    read = _kernel(AP)
    read[0, :4] = [P, 950e-6, 0.0, np.nan]
    assert np.argwhere(wrong_state(read, KNOWN, to_p=False)).tolist() == [[0, 0]]
    to_p = wrong_state(read, KNOWN, to_p=True)
    assert not to_p[0, :4].any()
    assert to_p[1:].all()


@settings(max_examples=100, deadline=None)
@given(siemens=st.floats(0, 2e-3))
def test_no_reading_is_wrong_for_both_states(siemens: float) -> None:
    read = _kernel(siemens)
    assert not (wrong_state(read, KNOWN, to_p=True) & wrong_state(read, KNOWN, to_p=False)).any()
