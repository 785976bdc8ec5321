"""The station's row: switches and what the worker says."""

from hil.store.protocol import Store
from tests.hil.store.conftest import HandClock


def test_the_first_emergency_stop_is_kept_until_it_is_cleared(store: Store, clock: HandClock) -> None:
    first = store.latch_estop("anna", "smoke")
    clock.advance(5)
    assert store.latch_estop("bob", "late") == first
    assert first.estop == {"at": "2026-01-02T03:04:05.000Z", "by": "anna", "reason": "smoke", "outcome": None}
    store.record_estop_outcome({"smu": "safe", "prober": "no answer"})
    latched = store.station().estop
    assert latched is not None
    assert latched["outcome"] == {"smu": "safe", "prober": "no answer"}
    cleared = store.clear_estop("anna")
    assert (cleared.estop, cleared.resets) == (None, 1)


def test_an_outcome_that_comes_after_the_reset_is_dropped(store: Store) -> None:
    store.record_estop_outcome({"smu": "safe"})
    assert store.station().estop is None


def test_switches_are_told_once(store: Store) -> None:
    store.latch_estop("anna", "smoke")
    store.latch_estop("anna", "smoke")
    store.latch_may_be_on("SMU silent")
    store.latch_may_be_on("SMU silent")
    store.release_queue("anna")
    assert [event.payload["what"] for event in store.events() if event.kind == "station"] == ["estop", "may_be_on"]
    assert store.station().may_be_on == "SMU silent"


def test_a_heartbeat_ends_when_the_worker_says_so(store: Store, clock: HandClock) -> None:
    assert store.station().heartbeat_at is None
    store.heartbeat()
    assert store.station().heartbeat_at == "2026-01-02T03:04:05.000Z"
    store.end_heartbeat()
    assert store.station().heartbeat_at is None


def test_a_wafer_is_registered_once(store: Store) -> None:
    assert store.ensure_wafer("W1", [(9, 9)]).dies == ((0, 0), (-3, 0))
    assert store.wafer("W1").dies == ((0, 0), (-3, 0))
    assert [wafer.name for wafer in store.wafers()] == ["W1"]


def test_an_outcome_may_be_told_again_and_counts_only_for_its_own_latch(store: Store) -> None:
    first = store.latch_estop("anna", "smoke").estop or {}
    store.record_estop_outcome({"prober": "separating"}, first["at"])
    store.record_estop_outcome({"prober": "safe"}, first["at"])
    assert (store.station().estop or {})["outcome"] == {"prober": "safe"}
    store.clear_estop("anna")
    store.latch_estop("ben", "fire")
    store.record_estop_outcome({"prober": "safe"}, "2020-01-01T00:00:00.000Z")
    assert (store.station().estop or {})["outcome"] is None
