"""The benchmark of a million pulses in small: every promise kept on the least device and on both real ends, and the control bites."""

import pytest

from benchmarks.million_pulses import Account, run_trial
from tests.support.device_end import ENDS


def kept(account: Account) -> None:
    assert account.broken == 0, account
    assert account.restarts > 0
    assert account.reads > 0


def test_twenty_thousand_pulses_over_a_failing_line_are_all_accounted_for() -> None:
    account = run_trial("least", 20_000, 7)
    kept(account)
    assert 0 < account.unknown < account.pulses // 5


@pytest.mark.parametrize("name", ENDS)
def test_two_thousand_pulses_on_a_real_end_are_all_accounted_for(name: str) -> None:
    kept(sum((run_trial(name, 2000, seed) for seed in (1, 2)), Account()))


def test_the_same_account_finds_the_pulses_that_a_naive_retry_doubles() -> None:
    account = run_trial("naive", 5000, 1)
    assert account.doubled > 0.05 * account.pulses
