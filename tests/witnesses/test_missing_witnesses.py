"""A witness that could not be installed is missed aloud where CI runs, and quietly where somebody works offline."""

import pytest

from tests.support.other_clients import folder_of


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_witness_that_is_missing_fails_its_tests_only_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"nobody-0\.0\.0 is missing; .*scripts/set_up\.py"):
        folder_of("nobody-0.0.0")
