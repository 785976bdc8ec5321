"""Limits: the smaller one wins, but none may be so small that the board is dead."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_protocol.limits import Limits

LIMITS = st.builds(
    Limits, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 65_535), st.integers(0, 65_535)
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(LIMITS, LIMITS)
def test_tightening_never_widens_anything(board: Limits, host: Limits) -> None:
    both = board.tightened(host)
    assert both == both.tightened(board) == both.tightened(host) == host.tightened(board)
    assert Limits.decode(both.encode()) == both


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        (Limits(), None),
        (Limits(device_uv=999), (999, 1_000)),
        (Limits(read_uv=0), (0, 1_000)),
        (Limits(pulse_ns=0), (0, 1)),
        (Limits(dead_man_ms=99), (99, 100)),
        (Limits(pulses_per_command=0), (0, 1)),
    ],
)
def test_a_limit_that_nothing_can_work_under_is_named(limits: Limits, refused: tuple[int, int] | None) -> None:
    assert limits.below_floor() == refused
