"""What the chuck may do in which state: every pair, and the state from heights."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import MotionRefused
from drivers.prober.motion_rules import ALLOWED, ChuckState, Motion, chuck_state, require_allowed

EVERY_PAIR = [(state, motion) for state in ChuckState for motion in Motion]


def test_the_table_speaks_of_every_state_and_every_motion():
    assert set(ALLOWED) == set(EVERY_PAIR)


@pytest.mark.parametrize(("state", "motion"), EVERY_PAIR)
def test_separating_is_allowed_from_everywhere_and_anything_else_only_when_separated(state: ChuckState, motion: Motion):
    allowed = motion is Motion.SEPARATE or state is ChuckState.SEPARATED
    if allowed:
        require_allowed(state, motion, "prober at there", 0.0)
        return
    with pytest.raises(MotionRefused, match=f"prober at there: may not {motion.value} while the chuck is {state.value} .*separate first"):
        require_allowed(state, motion, "prober at there", 0.0)


@pytest.mark.parametrize(
    ("z_um", "state"),
    [
        (0.0, ChuckState.SEPARATED),
        (15_750.0, ChuckState.SEPARATED),
        (15_755.0, ChuckState.SEPARATED),
        (15_755.1, ChuckState.IN_CONTACT),
        (16_000.0, ChuckState.IN_CONTACT),
        (16_020.0, ChuckState.IN_CONTACT),
        (math.nan, ChuckState.UNKNOWN),
    ],
)
def test_anything_above_separation_height_counts_as_contact(z_um: float, state: ChuckState):
    assert chuck_state(z_um, contact_um=16_000, separation_gap_um=250, tolerance_um=5) is state


@pytest.mark.parametrize(("contact_um", "gap_um"), [(math.nan, 250), (16_000, math.nan), (16_000, 0), (16_000, -250), (16_000, 10)])
def test_heights_that_are_not_set_or_separate_nothing_make_the_state_unknown(contact_um: float, gap_um: float):
    assert chuck_state(15_000, contact_um, gap_um, tolerance_um=5) is ChuckState.UNKNOWN


HEIGHTS_UM = st.floats(-1e6, 1e6) | st.just(math.nan)


@given(z_um=HEIGHTS_UM, contact_um=HEIGHTS_UM, gap_um=HEIGHTS_UM)
def test_a_chuck_at_contact_height_is_never_called_separated(z_um: float, contact_um: float, gap_um: float):
    if chuck_state(z_um, contact_um, gap_um, tolerance_um=5) is ChuckState.SEPARATED:
        assert z_um < contact_um
