"""What the two states of a kernel look like, and which junctions are pulsed by that."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.runs.levels import levels, two_states, wrong_state

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


def _both(share_p: float, spread: float = 0.05) -> np.ndarray:
    """A kernel of two states with some broken metal."""
    rng = np.random.default_rng(3)
    kernel = np.where(rng.random((25, 25)) < share_p, P, AP) * (1 + spread * rng.standard_normal((25, 25)))
    kernel[0], kernel[:, 0] = 950e-6, 0.0
    kernel[1, 1] = np.nan
    return kernel.astype(np.float32)


def test_two_states_are_told_apart_in_one_reading_that_holds_both() -> None:
    for share in (0.3, 0.5, 0.8):
        found = two_states(_both(share))
        assert found.valid
        assert found.near(KNOWN)


def test_one_state_is_never_taken_for_two() -> None:
    for share in (0.0, 1.0):
        for spread in (0.0, 0.03, 0.1):
            assert not two_states(_both(share, spread)).valid
    for nothing in (np.nan, 0.0):
        assert not two_states(_kernel(nothing)).valid
