"""The suite bites: a board that breaks a promise fails the rules of that promise, and no others; and it is left safe."""

import pytest

from drivers.conformance.report import Verdict
from drivers.conformance.rule import Wants
from drivers.conformance.runner import Wishes, run
from drivers.conformance.suite import RULES
from firmware_protocol.codes import DeviceState
from tests.drivers.conformance.memory_line import MemoryLine
from tests.drivers.conformance.mutants_of_the_board import BOARD_MUTANTS
from tests.drivers.conformance.mutants_of_the_link import LINK_MUTANTS
from tests.drivers.conformance.small_board import SmallBoard

MUTANTS = LINK_MUTANTS | BOARD_MUTANTS
VERDICTS = tuple(each for each in RULES if not each.measures)
EVERYTHING = Wishes(frozenset(Wants), rules=VERDICTS, seed=3)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_broken_board_fails_exactly_the_rules_it_breaks(mutant: type[SmallBoard]) -> None:
    board = mutant()
    line = MemoryLine(board)
    report = run(line, EVERYTHING, line.clock)
    assert set(report.failed) == MUTANTS[mutant], [result.remark for result in report.results if result.verdict is Verdict.FAIL]
    assert not report.passed and not report.ended
    assert (report.left, board.state, board.pulses) == ("SAFE", DeviceState.SAFE, 0)


def test_a_sound_board_passes_every_rule_and_is_left_safe_without_one_pulse() -> None:
    board = SmallBoard()
    line = MemoryLine(board)
    report = run(line, EVERYTHING, line.clock)
    assert {result.verdict for result in report.results} == {Verdict.PASSED}, [result.remark for result in report.results]
    assert report.passed and (board.state, board.pulses) == (DeviceState.SAFE, 0)


def test_every_rule_is_broken_by_some_board() -> None:
    assert {each.id for each in VERDICTS} == set().union(*MUTANTS.values())
    assert len({each.id for each in RULES}) == len(RULES)
