"""Budgets of touchdowns: what may still be touched, and whose count is believed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.model.lab import Limits
from hil.station.errors import CardSpent, CleaningDue, ContactFailed, NeedlesSpent, TouchdownsSpent
from hil.station.touchdowns import Difference, NeedleLogInMemory, Touchdowns, difference
from hil.store import open_store
from hil.store.logs import NeedleLog
from hil.store.records import AlignmentDoubt, Touch, Wear

DIE, OTHER = (0, 0), (1, 0)


def budgets(log: NeedleLog | None = None, **limits: int) -> Touchdowns:
    return Touchdowns(Limits(**limits), log or NeedleLogInMemory(), "SIM1")


def test_touchdowns_are_counted_per_die_and_end() -> None:
    touchdowns = budgets(touchdowns_per_die=2)
    touchdowns.book(DIE, 1)
    touchdowns.book(DIE, 2)
    touchdowns.book(OTHER, 1)
    with pytest.raises(TouchdownsSpent, match=r"die \(0, 0\): 2 touchdowns made, limit 2 \(limits\.touchdowns_per_die\); inspect the pads"):
        touchdowns.book(DIE, 3)
    touchdowns.book(OTHER, 1)


def test_a_touchdown_that_the_prober_refused_is_not_counted() -> None:
    touchdowns = budgets(touchdowns_per_die=1, touchdowns_per_card=1)
    touchdowns.give_back(touchdowns.book(DIE, 1))
    touchdowns.book(DIE, 1)


@pytest.mark.parametrize(("limit", "error"), [("touchdowns_per_card", CardSpent), ("touchdowns_per_cleaning", CleaningDue)])
def test_a_spent_card_and_a_due_cleaning_are_no_fault_of_the_die(limit: str, error: type[NeedlesSpent]) -> None:
    touchdowns = budgets(**{limit: 2})
    touchdowns.book(DIE, 1)
    touchdowns.book(OTHER, 1)
    with pytest.raises(error, match=f"limits.{limit}") as spent:
        touchdowns.book(OTHER, 2)
    assert not isinstance(spent.value, ContactFailed), "the next die would do no better"


def test_a_card_put_in_meanwhile_counts_at_once(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    log = store.needle_log()
    log.at("W1", None)
    touchdowns = budgets(log, touchdowns_per_card=1)
    touchdowns.book(DIE, 1)
    with pytest.raises(CardSpent):
        touchdowns.book(DIE, 2)
    store.new_card("anna", "Q-114")
    touchdowns.book(DIE, 2)
    store.close()


def test_the_first_look_at_a_probers_counter_tells_nothing() -> None:
    for wear in (Wear(), Wear(prober="another", counter=7, booked_since=2)):
        assert difference(wear, "SIM1", 1_000) == Difference(0, None)


@given(counter=st.integers(0, 10**6), booked=st.integers(0, 50), more=st.integers(-60, 60))
def test_the_larger_count_counts_and_every_difference_is_told(counter: int, booked: int, more: int) -> None:
    found = difference(Wear(prober="SIM1", counter=counter, booked_since=booked), "SIM1", counter + booked + more)
    assert (found is None) is (more == 0)
    if found is not None:
        assert found.others == max(more, 0)
        assert found.text is not None
        assert f"{abs(more)} touchdowns {'more' if more > 0 else 'fewer'} than were booked here" in found.text


def test_a_difference_is_told_once() -> None:
    log = NeedleLogInMemory()
    touchdowns = budgets(log)
    touchdowns.compare(10)
    touchdowns.compare(13)
    touchdowns.compare(13)
    assert (log.wear().on_card, log.wear().counter) == (3, 13)
    number = touchdowns.book(DIE, 1)
    touchdowns.made(number, Touch(14, "contact", 8.0))
    assert log.wear(DIE) == Wear(on_die=1, on_card=4, since_cleaning=4, prober="SIM1", counter=14)
    touchdowns.compare(0)
    assert (log.wear().on_card, log.wear().counter) == (4, 0), "a counter that was reset takes nothing back"


@settings(max_examples=3, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["touch", "cut short", "refused", "elsewhere", "reset", "clean", "wafer", "run", "lend", "return", "doubt", "sure"]
        ),
        min_size=8,
        max_size=20,
    )
)
def test_log_in_memory_and_in_the_store_say_the_same(steps: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        logs: list[NeedleLog] = [NeedleLogInMemory(), store.needle_log()]
        assert _walk(logs[0], steps) == _walk(logs[1], steps)
        store.close()


def _walk(log: NeedleLog, steps: list[str]) -> list[tuple[Wear, AlignmentDoubt | None]]:
    log.at("W1", None)
    touchdowns = Touchdowns(Limits(touchdowns_per_die=1000), log, "SIM1")
    counter, wafers = 5, 1
    touchdowns.compare(counter)
    seen = [(log.wear(DIE), log.alignment_doubt())]
    for step in steps:
        if step in ("touch", "cut short", "refused"):
            number = touchdowns.book(DIE, 1)
            if step == "refused":
                touchdowns.give_back(number)
            else:
                counter += 1
            if step == "touch":
                touchdowns.made(number, Touch(counter, "contact", 8.0))
        elif step == "clean":
            touchdowns.cleaned(touchdowns.book_cleaning(5), counter)
        elif step in ("lend", "return"):
            touchdowns.lend_overtravel(step == "lend")
        elif step in ("doubt", "sure"):
            log.note_alignment("the vacuum was seen off" if step == "doubt" else None)
        elif step in ("wafer", "run"):
            wafers += 1
            log.at(f"W{wafers}", f"r{wafers}" if step == "run" else None)
        else:
            counter = 0 if step == "reset" else counter + 2
            touchdowns.compare(counter)
        seen.append((log.wear(DIE), log.alignment_doubt()))
    return seen
