"""What the chuck may do in which state: every state with every motion, and the state from heights."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import MotionRefused
from drivers.prober.motion_rules import RULES, ChuckState, Motion, Need, always_allowed, chuck_state, require_allowed

EVERY_PAIR = list(product(ChuckState, Motion))
NEVER = "never"

ALWAYS = {Motion.SEPARATE, Motion.STOP, Motion.LOCK, Motion.HOLD, Motion.NOTE}
UPWARD = {Motion.CONTACT, Motion.HOVER}
EVERYTHING = set(Need)
NOTHING_MOVES = {Motion.SET_OVERTRAVEL, Motion.SET_HEIGHTS, Motion.SET_MAP, Motion.HEAT, Motion.RELEASE}
NEEDS_WHEN_CLEAR: dict[Motion, set[Need]] = {
    Motion.STEP: {Need.HOME, Need.VACUUM, Need.READY},
    Motion.SIDEWAYS: {Need.HOME, Need.VACUUM, Need.READY},
    Motion.TURN: {Need.VACUUM},
    Motion.SET_HEIGHTS: set(),
    Motion.SET_MAP: set(),
    Motion.INITIALISE: {Need.DOORS},
    Motion.LOAD: {Need.DOORS},
    Motion.ALIGN: {Need.VACUUM, Need.DOORS, Need.READY},
    Motion.CLEAN: {Need.VACUUM, Need.DOORS, Need.READY},
    Motion.HEAT: set(),
    Motion.RELEASE: set(),
}


def expected(state: ChuckState, motion: Motion) -> set[Need] | str:
    """The rules once more, in sentences instead of a table."""
    if motion in ALWAYS:
        return set()
    if motion in UPWARD:
        # Up only from below, with everything in order.
        return EVERYTHING if state in (ChuckState.SEPARATED, ChuckState.HOVERING) else NEVER
    if motion is Motion.PRESS:
        return {Need.VACUUM, Need.DOORS, Need.OUTPUT_OFF} if state is ChuckState.IN_CONTACT else NEVER
    if motion is Motion.SET_OVERTRAVEL:
        return set() if state is ChuckState.SEPARATED else NEVER
    # Everything else moves sideways, or may make something else move: only where no needle can touch.
    return NEEDS_WHEN_CLEAR[motion] if state in (ChuckState.SEPARATED, ChuckState.LOWERED) else NEVER


def test_the_table_speaks_of_every_state_and_every_motion():
    assert set(RULES) == set(Motion)
    assert all(set(row) == set(ChuckState) for row in RULES.values())


@pytest.mark.parametrize(("state", "motion"), EVERY_PAIR)
def test_every_motion_in_every_state_is_as_the_rules_say(state: ChuckState, motion: Motion):
    found = RULES[motion][state]
    assert (NEVER if found is None else set(found)) == expected(state, motion)


@pytest.mark.parametrize(("state", "motion"), EVERY_PAIR)
def test_a_refusal_names_the_prober_the_motion_the_state_and_the_way_out(state: ChuckState, motion: Motion):
    if expected(state, motion) != NEVER:
        require_allowed(state, motion, "prober at there", 0.0, lambda _: None)
        return
    with pytest.raises(MotionRefused, match=f"prober at there: may not {motion.value} while the chuck is {state.value} .*separate first"):
        require_allowed(state, motion, "prober at there", 0.0, lambda _: None)


@pytest.mark.parametrize(("state", "motion"), EVERY_PAIR)
def test_each_need_alone_refuses_the_motion_that_has_it_and_no_other(state: ChuckState, motion: Motion):
    needed = expected(state, motion)
    if isinstance(needed, str):
        return
    for need in Need:

        def unmet(asked: Need, need: Need = need) -> str | None:
            return asked.value if asked is need else None

        if need in needed:
            with pytest.raises(MotionRefused, match=f"may not {motion.value}: {need.value}"):
                require_allowed(state, motion, "prober", 0.0, unmet)
        else:
            require_allowed(state, motion, "prober", 0.0, unmet)


def test_needs_that_a_motion_has_not_are_not_even_asked_for():
    asked: list[Need] = []
    require_allowed(ChuckState.SEPARATED, Motion.STEP, "prober", 0.0, asked.append)
    assert set(asked) == {Need.HOME, Need.VACUUM, Need.READY}


def test_nothing_but_a_way_to_a_door_moves_a_wafer_that_no_vacuum_holds():
    clear = ChuckState.SEPARATED
    moves = {motion for motion in Motion if RULES[motion][ChuckState.IN_CONTACT] is None and motion not in NOTHING_MOVES}
    assert {motion for motion in moves if Need.VACUUM not in (RULES[motion][clear] or ())} == {Motion.LOAD, Motion.INITIALISE}


def test_what_is_always_allowed_needs_no_look():
    assert {motion for motion in Motion if always_allowed(motion)} == ALWAYS


def test_in_contact_only_down_holding_noting_and_a_step_in_z_are_allowed():
    allowed = {motion for motion in Motion if RULES[motion][ChuckState.IN_CONTACT] is not None}
    assert allowed == ALWAYS | {Motion.PRESS}


# --- the state from heights
@pytest.mark.parametrize(
    ("z_um", "state"),
    [
        (0.0, ChuckState.SEPARATED),
        (15_750.0, ChuckState.SEPARATED),
        (15_755.0, ChuckState.SEPARATED),
        (15_755.1, ChuckState.HOVERING),
        (15_994.9, ChuckState.HOVERING),
        (15_995.0, ChuckState.IN_CONTACT),
        (16_000.0, ChuckState.IN_CONTACT),
        (16_065.0, ChuckState.IN_CONTACT),
        (16_065.1, ChuckState.TOO_HIGH),
        (math.inf, ChuckState.UNKNOWN),
        (math.nan, ChuckState.UNKNOWN),
    ],
)
def test_anything_above_separation_height_is_no_longer_separated(z_um: float, state: ChuckState):
    assert chuck_state(z_um, contact_um=16_000, separation_gap_um=250, tolerance_um=5, overtravel_limit_um=60) is state


@pytest.mark.parametrize(("contact_um", "gap_um"), [(math.nan, 250), (16_000, math.nan), (16_000, 0), (16_000, -250), (16_000, 10)])
def test_heights_that_are_not_set_or_separate_nothing_make_the_state_unknown(contact_um: float, gap_um: float):
    assert chuck_state(15_000, contact_um, gap_um, tolerance_um=5) is ChuckState.UNKNOWN


@pytest.mark.parametrize(("z_um", "state"), [(0, ChuckState.LOWERED), (1_005, ChuckState.LOWERED), (1_006, ChuckState.UNKNOWN)])
def test_without_a_contact_height_only_the_bottom_of_the_axis_is_clear(z_um: float, state: ChuckState):
    assert chuck_state(z_um, math.nan, math.nan, tolerance_um=5) is state


HEIGHTS_UM = st.floats(-1e6, 1e6) | st.just(math.nan)


@given(z_um=HEIGHTS_UM, contact_um=HEIGHTS_UM, gap_um=HEIGHTS_UM)
def test_a_chuck_at_contact_height_is_never_called_clear(z_um: float, contact_um: float, gap_um: float):
    state = chuck_state(z_um, contact_um, gap_um, tolerance_um=5)
    if state is ChuckState.SEPARATED:
        assert z_um < contact_um
    if state is ChuckState.LOWERED:
        assert z_um <= 1_005
