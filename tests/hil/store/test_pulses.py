"""Pulse ids: never twice, never down, never wrapped."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hil.store import open_store, schema
from hil.store.database import Database
from hil.store.errors import PulseIdsExhausted
from hil.store.protocol import Store
from hil.store.pulses import LAST_PULSE_ID


def _outcomes(tmp_path: Path) -> dict[int, object]:
    database = Database(tmp_path / "data")
    with database.read() as connection:
        rows = connection.execute(select(schema.pulse_intents)).all()
    database.close()
    return {row.first_id: row.outcome for row in rows}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.tuples(st.sampled_from(["reserve", "advance", "reopen"]), st.integers(1, 625)), max_size=12))
def test_ids_only_ever_grow_whatever_happens_between(store: Store, actions: list[tuple[str, int]]) -> None:
    ids, highest = store.pulse_ids(), store.pulse_ids().reserve(1, 0.8, 1e-7)
    for action, number in actions:
        if action == "reserve":
            first = ids.reserve(number, 0.8, 1e-7)
            assert first > highest
            highest = first + number - 1
        elif action == "advance":
            ids.advance(highest - 300 + number)
            highest = max(highest, highest - 300 + number)
        else:
            ids = store.pulse_ids()
    assert ids.reserve(1, 0.8, 1e-7) > highest


def test_an_intent_survives_whoever_made_it(store: Store, tmp_path: Path) -> None:
    ids = store.pulse_ids()
    ids.at("r1", "W1", (-3, 0))
    first = ids.reserve(10, -0.8, 1e-7)
    other = open_store(tmp_path / "data")
    assert other.pulse_ids().reserve(1, 0.8, 1e-7) == first + 10
    assert _outcomes(tmp_path)[first] is None
    other.close()


def test_outcomes_are_on_disk_with_the_next_intent_or_flush(store: Store, tmp_path: Path) -> None:
    ids = store.pulse_ids()
    first = ids.reserve(3, 0.8, 1e-7)
    ids.settle(first, ["executed", "executed", "unknown"])
    second = ids.reserve(1, 0.8, 1e-7)
    ids.settle(second, ["refused"])
    ids.flush()
    assert _outcomes(tmp_path) == {first: {"executed": 2, "unknown": 1}, second: {"refused": 1}}


def test_when_the_ids_are_used_up_the_store_refuses_rather_than_wraps(store: Store) -> None:
    ids = store.pulse_ids()
    ids.advance(LAST_PULSE_ID - 2)
    with pytest.raises(PulseIdsExhausted, match="2 are left of the link's 32 bits, 3 are needed"):
        ids.reserve(3, 0.8, 1e-7)
    assert ids.reserve(2, 0.8, 1e-7) == LAST_PULSE_ID - 1


def test_an_intent_for_nothing_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="not 0"):
        store.pulse_ids().reserve(0, 0.8, 1e-7)


def test_what_a_process_left_open_is_found_with_the_controller_and_the_session_it_was_meant_for(store: Store) -> None:
    gone = store.pulse_ids()
    before_anyone_told = gone.reserve(2, 0.8, 1e-7)
    for serial, session in (("A", 11), ("A", 12), ("B", 13)):
        gone.opened(serial, session)
        gone.at("r1", "W1", (0, 0))
        gone.reserve(5, 0.8, 1e-7)
    settled = gone.reserve(1, 0.8, 1e-7)
    gone.settle(settled, ["executed"])
    gone.flush()
    left = store.pulse_ids().unsettled()
    assert [(each.first_id, each.count, each.run, each.serial, each.session) for each in left] == [
        (before_anyone_told, 2, None, None, None),
        (before_anyone_told + 2, 5, "r1", "A", 11),
        (before_anyone_told + 7, 5, "r1", "A", 12),
        (before_anyone_told + 12, 5, "r1", "B", 13),
    ]


def test_a_controller_that_nothing_was_sent_to_leaves_no_trace_on_the_next_ones_ids(store: Store) -> None:
    ids = store.pulse_ids()
    for serial in ("A", "B"):
        ids.opened(serial, 11)
    ids.reserve(1, 0.8, 1e-7)
    assert [each.serial for each in ids.unsettled()] == ["B"]


def test_settling_what_was_left_open_is_told_with_it_and_happens_once(store: Store, tmp_path: Path) -> None:
    gone = store.pulse_ids()
    gone.at("r1", "W1", (0, 0))
    first, second = gone.reserve(2, 0.8, 1e-7), gone.reserve(1, 0.8, 1e-7)
    ids = store.pulse_ids()
    ids.settle_left({first: ["executed", "refused"]}, {"r1": "half of it", None: "of one run"})
    ids.settle_left({first: ["unknown", "unknown"]}, {})
    assert _outcomes(tmp_path) == {first: {"executed": 1, "refused": 1}, second: None}
    assert [each.first_id for each in ids.unsettled()] == [second]
    told = {(event.run, event.kind): event.payload for event in store.events() if event.kind != "wafer"}
    assert told["r1", "noted"] == {"note": "pulses settled", "text": "half of it", "data": {}}
    assert told[None, "station"] == {"what": "pulses settled", "text": "of one run", "by": None, "data": {}}
