"""Which map is the newest."""

from hil.model.lab import DieIndex
from hil.model.runs import MapMeasured
from hil.store.protocol import Store
from tests.hil.store.conftest import HandClock, conductance, running


def _measure(store: Store, run: str, die: DieIndex, value: float, **meta: object) -> str:
    return str(store.append(run, MapMeasured(die, conductance(value, **meta))).payload["map"])


def test_newest_is_the_last_committed_even_when_the_clock_went_back(store: Store, clock: HandClock) -> None:
    run = running(store).id
    _measure(store, run, (0, 0), 1.0)
    clock.advance(-3600)
    last = _measure(store, run, (0, 0), 2.0)
    newest = store.newest_map("W1", (0, 0), "conductance")
    assert newest is not None
    assert newest.id == last


def test_newest_of_every_die_comes_in_order_of_y_then_x(store: Store) -> None:
    run = running(store).id
    for die in [(0, 1), (2, 0), (-3, 0), (0, 1), (0, -2)]:
        _measure(store, run, die, 1.0, n=store.last_event())
    newest = store.newest_maps("W1", "conductance", "P")
    assert [record.die for record in newest] == [(0, -2), (-3, 0), (2, 0), (0, 1)]
    assert newest[-1].id == store.maps_of_die("W1", (0, 1))[0].id
    assert store.newest_maps("W1", "conductance", "AP") == []
    assert store.newest_maps("W2", "conductance") == []


def test_two_measurements_of_equal_values_are_two_maps_of_one_object(store: Store) -> None:
    run = running(store).id
    first, second = _measure(store, run, (0, 0), 1.0, n=1), _measure(store, run, (0, 0), 1.0, n=2)
    assert first != second
    assert store.map(first).object == store.map(second).object


def test_maps_of_a_die_come_newest_first_in_pages_and_of_a_run_oldest_first(store: Store) -> None:
    run = running(store).id
    ids = [_measure(store, run, (0, 0), float(n)) for n in range(4)]
    first = store.maps_of_die("W1", (0, 0), limit=2)
    second = store.maps_of_die("W1", (0, 0), limit=2, before=first[-1].id)
    assert [record.id for record in first + second] == ids[::-1]
    assert [record.id for record in store.maps_of_run(run)] == ids
