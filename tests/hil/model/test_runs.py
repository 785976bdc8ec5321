"""The table of transitions: what has ended stays ended, what can be resumed can also be given up."""

import pytest

from hil.model.runs import ENDED, TRANSITIONS, IllegalTransition, RunState, check_transition

PAIRS = [(old, new) for old in RunState for new in RunState]


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_only_the_tables_changes_are_legal(old: RunState, new: RunState) -> None:
    if new in TRANSITIONS[old]:
        check_transition("r1", old, new)
    else:
        with pytest.raises(IllegalTransition, match=f"r1 is {old} and cannot become {new}"):
            check_transition("r1", old, new)


def test_every_state_is_in_the_table_and_reachable_from_queued() -> None:
    assert set(TRANSITIONS) == set(RunState)
    reached, todo = {RunState.QUEUED}, [RunState.QUEUED]
    while todo:
        fresh = TRANSITIONS[todo.pop()] - reached
        reached |= fresh
        todo += fresh
    assert reached == set(RunState)


def test_only_an_interrupted_run_comes_back_from_the_dead() -> None:
    assert {state for state in ENDED if TRANSITIONS[state]} == {RunState.INTERRUPTED}
