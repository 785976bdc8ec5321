"""What the SMU read again, gathered from a die's steps."""

import numpy as np

from hil.runs.reread import repeats_of


def test_arrays_of_a_resumed_step_may_come_in_any_order() -> None:
    error = np.ones((2, 3), np.float32)
    steps = {1: {"contact_ohms": np.ones(1, np.float32), "p_error": error}, 0: {"contact_ohms": np.ones(1, np.float32), "p": error}}
    found = repeats_of(steps, 3)
    assert found.p_error is not None
    assert found.p_error.shape == (3, 2, 3)
    assert np.isnan(found.p_error[[0, 2]]).all()
    assert np.array_equal(found.p_error[1], error)
