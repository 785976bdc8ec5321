"""23. A source meter's answers come late, never, in pieces, cut or garbled: no value is handed out that it did not measure.

Ten thousand operations: `python -m benchmarks.bad_answers`."""

import pytest

from benchmarks.bad_answers import pymeasures
from tests.support.smu_on_a_bad_line import MODELS, bad_answers, badly_connected, our_operations, tallied

OPERATIONS = 250
PROBABILITY = 0.03
"""Of each of six faults: about one answer in six is struck."""


@pytest.mark.parametrize("model", MODELS)
def test_every_value_is_what_was_measured_and_every_doubt_is_settled(model: str) -> None:
    with badly_connected(model, bad_answers(PROBABILITY), seed=7) as (address, truth, world):
        tally = tallied(our_operations(model, address, truth, world, seed=7), OPERATIONS)
    assert tally.wrong == []
    assert tally.stuck == 0
    assert tally.done > OPERATIONS / 2 and tally.refused.total() > 0, "some were struck, most were answered"


@pytest.mark.filterwarnings("ignore")
def test_the_same_line_lets_a_client_without_numbers_hand_out_what_was_never_measured() -> None:
    control = pymeasures(60, PROBABILITY, seed=7)
    assert control.wrong, "the harness strikes hard enough to tell a good driver from another"
