"""What happens by itself: in the order of its own time, told its own time, however late somebody comes by."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from simulator.agenda import SLICE_NS, Agenda
from simulator.pump import Pump


def unhurried() -> Agenda:
    """One whose slices never end: this machine does other things as well."""
    return Agenda(lambda: 0)


@given(st.lists(st.integers(0, 50), max_size=30), st.integers(0, 60))
def test_everything_due_happens_in_the_order_of_its_time_and_the_rest_later(times: list[int], now: int) -> None:
    agenda, happened = unhurried(), list[tuple[int, int]]()
    for number, when in enumerate(times):
        agenda.at(when, lambda at, number=number: happened.append((at, number)))
    assert agenda.run(now)
    expected = sorted((when, number) for number, when in enumerate(times))
    assert happened == [each for each in expected if each[0] <= now]
    assert agenda.due_ns() == next((when for when, _ in expected if when > now), None)


def test_what_follows_from_a_happening_follows_from_its_own_time_so_that_nothing_drifts() -> None:
    agenda, times = unhurried(), list[int]()

    def measure(at_ns: int) -> None:
        times.append(at_ns)
        agenda.at(at_ns + 89, measure)

    agenda.at(0, measure)
    agenda.run(1_000)
    assert times == list(range(0, 1_000, 89))


def test_what_was_cancelled_does_not_happen_and_is_not_waited_for() -> None:
    agenda, happened = unhurried(), list[int]()
    entry = agenda.at(5, happened.append)
    agenda.at(9, happened.append)
    entry.cancel()
    assert agenda.due_ns() == 9
    agenda.run(10)
    assert happened == [9]


def test_a_slice_ends_although_work_is_left_and_the_next_one_goes_on() -> None:
    used = iter(range(0, 10**12, SLICE_NS // 4))
    agenda, happened = Agenda(lambda: next(used)), list[int]()
    for number in range(1_000):
        agenda.at(number, happened.append)
    assert not agenda.run(1_000)
    assert 0 < len(happened) < 1_000
    while not agenda.run(1_000):
        pass
    assert happened == list(range(1_000))


def test_who_hosts_it_hears_of_what_has_become_the_first_and_of_nothing_else() -> None:
    agenda, heard = unhurried(), list[int | None]()
    agenda.changed = lambda: heard.append(agenda.due_ns())
    agenda.at(10, lambda at: agenda.at(at + 1, lambda _: None) and None)
    agenda.at(20, lambda _: None)
    agenda.at(5, lambda _: None)
    assert heard == [10, 5]
    agenda.run(10)
    assert heard == [10, 5]


def test_a_happening_that_lets_things_happen_changes_no_order() -> None:
    agenda, happened = unhurried(), list[int]()
    agenda.at(1, lambda at: happened.append(at) or (agenda.run(100) and None))
    agenda.at(2, happened.append)
    agenda.run(5)
    assert happened == [1, 2]


def test_a_pump_lets_everything_happen_and_says_when_it_has() -> None:
    agenda, happened, after = unhurried(), list[int](), list[int]()
    now = [0]

    async def scenario() -> None:
        done = asyncio.Event()
        with Pump(agenda, lambda: now[0], after.append):
            agenda.at(0, happened.append)
            agenda.at(0, lambda at: agenda.at(at, lambda _: done.set()) and None)
            await asyncio.wait_for(done.wait(), 5)
        agenda.at(0, happened.append)
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert happened == [0]
    assert after
    assert agenda.due_ns() == 0
