"""The station and its switches."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from hil.model.runs import RunState
from tests.support.service import Service, running_run
from tests.support.waiting import until

SAFE = {"smu": "safe", "crossbar": "safe", "prober": "safe"}
STATION = "/api/v1/station"


def test_the_station_shows_limits_queue_and_what_the_worker_published(service: Service, http: httpx.Client) -> None:
    seen = {"instruments": {"smu": {"connected": True}}, "die_in_contact": [-3, 0], "smu_output_on": False}
    service.store.publish_station(seen)
    service.store.heartbeat()
    running = running_run(service.store)
    queued = [http.post("/api/v1/runs", json={"kind": "read", "wafer": "W1"}).json()["id"] for _ in range(2)]
    body = http.get(STATION).json()
    assert body["name"] == "bench"
    assert body["limits"]["device_volts"] == 1.0
    assert (body["die_in_contact"], body["contact_trend"]) == ([-3, 0], [])
    assert body["queue"] == {"held": None, "running": running, "queued": queued, "paused": []}
    assert body["interlocks"] == {"estop": None, "may_be_on": None, "worker_alive": True}


def test_the_output_is_said_to_be_off_only_while_that_is_known(service: Service, http: httpx.Client) -> None:
    def said() -> bool | None:
        return http.get(STATION).json()["smu_output_on"]

    service.store.publish_station({"smu_output_on": False})
    assert said() is None, "no worker reports"
    service.store.heartbeat()
    assert said() is False
    service.store.latch_may_be_on("the SMU's output may be on")
    assert said() is None
    service.store.latch_may_be_on(None)
    running_run(service.store)
    assert said() is None, "a run switches it as it needs"


def test_the_emergency_stop_answers_with_what_the_watchdog_found(service: Service, http: httpx.Client) -> None:
    def watchdog() -> None:
        until(lambda: service.store.station().estop is not None)
        service.store.record_estop_outcome(SAFE)

    thread = threading.Thread(target=watchdog)
    thread.start()
    body = http.post(STATION + "/estop", params={"reason": "smoke"}).json()
    thread.join()
    assert (body["outcome"], body["safe"], body["reason"], body["by"]) == (SAFE, True, "smoke", "operate-token")
    assert http.get(STATION).json()["interlocks"]["estop"]["safe"] is True


def test_the_answer_waits_for_the_prober_and_calls_nothing_safe_before(service: Service, http: httpx.Client) -> None:
    store = service.store
    store.latch_estop("somebody", "fire")
    store.record_estop_outcome({**SAFE, "prober": "separating"})
    body = http.post(STATION + "/estop").json()
    assert (body["safe"], body["outcome"]["prober"]) == (False, "separating")
    assert http.post(STATION + "/reset").status_code == 409
    with ThreadPoolExecutor(1) as pool:
        stop = pool.submit(http.post, STATION + "/estop")
        store.record_estop_outcome(SAFE)
        assert stop.result(10).json()["safe"] is True


def test_a_latch_of_the_controllers_own_is_an_interlock_and_the_reset_waits_until_it_is_gone(service: Service, http: httpx.Client) -> None:
    service.store.publish_station({"crossbar": {"state": "ESTOPPED"}})
    latched = http.get(STATION).json()["interlocks"]["estop"]
    assert (latched["reason"], latched["safe"]) == ("latched at the controller", None)

    def worker() -> None:
        until(lambda: service.store.station().resets == 1)
        service.store.publish_station({"crossbar": {"state": "SAFE"}})

    thread = threading.Thread(target=worker)
    thread.start()
    assert http.post(STATION + "/reset").json()["interlocks"]["estop"] is None
    thread.join()


def test_an_emergency_stop_that_nobody_reports_on_answers_within_two_seconds_and_says_so(http: httpx.Client) -> None:
    started = time.monotonic()
    body = http.post(STATION + "/estop").json()
    assert (body["outcome"], body["safe"]) == (None, None)
    assert 1.5 < time.monotonic() - started < 10
    assert http.get(STATION).json()["interlocks"]["estop"] is not None


def test_a_second_stop_keeps_the_first_reason(service: Service, http: httpx.Client) -> None:
    service.store.latch_estop("somebody", "fire")
    service.store.record_estop_outcome(SAFE)
    assert http.post(STATION + "/estop", params={"reason": "smoke"}).json()["reason"] == "fire"


def test_reset_is_refused_while_an_instrument_is_not_known_to_be_safe(service: Service, http: httpx.Client) -> None:
    service.store.latch_estop("somebody", "fire")
    assert http.post(STATION + "/reset").status_code == 409
    service.store.record_estop_outcome({**SAFE, "smu": "nobody answers at TCPIP0::1.2.3.4"})
    reply = http.post(STATION + "/reset")
    assert reply.status_code == 409
    assert "smu: nobody answers" in reply.json()["detail"] and "force" in reply.json()["detail"]
    assert http.get(STATION).json()["interlocks"]["estop"]["safe"] is False


def test_whoever_has_looked_can_force_the_reset(service: Service, http: httpx.Client) -> None:
    service.store.latch_estop("somebody", "fire")
    service.store.latch_may_be_on("the SMU did not confirm output off")
    reply = http.post(STATION + "/reset", params={"force": "true"})
    assert reply.json()["interlocks"] == {"estop": None, "may_be_on": None, "worker_alive": False}


def test_a_safe_stop_is_reset_at_once_and_again_without_harm(service: Service, http: httpx.Client) -> None:
    service.store.latch_estop("somebody", "fire")
    service.store.record_estop_outcome(SAFE)
    for _ in range(2):
        reply = http.post(STATION + "/reset")
        assert reply.status_code == 200 and reply.json()["interlocks"]["estop"] is None


def test_a_failed_run_holds_the_queue_until_it_is_released(service: Service, http: httpx.Client) -> None:
    service.store.set_state(running_run(service.store), RunState.FAILED, "contact lost")
    assert "contact lost" in http.get(STATION).json()["queue"]["held"]
    assert http.post(STATION + "/release").json()["queue"]["held"] is None


def test_readiness_names_what_is_missing_until_nothing_is(service: Service, http: httpx.Client) -> None:
    def detail() -> str:
        reply = http.get("/readyz")
        assert reply.status_code == 503
        return reply.json()["detail"]

    assert "worker does not run" in detail()
    service.store.heartbeat()
    assert "not connected to the instruments" in detail()
    service.store.publish_station({"instruments": {"smu": {"connected": False}, "prober": {"connected": True}}})
    assert "smu" in detail() and "prober" not in detail()
    service.store.publish_station({"instruments": {"smu": {"connected": True}, "prober": {"connected": True}}})
    assert http.get("/readyz").json() == {"status": "ready", "instruments": ["prober", "smu"]}


def test_metrics_count_runs_dies_and_messages_over_the_wires(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    service.store.set_wires(run, {"crossbar": {"unit": "frames", "sent": 70, "received": 69, "errors": 1, "retransmitted": 2}})
    service.store.set_state(run, RunState.FINISHED)
    lines = http.get("/metrics").text.splitlines()
    assert 'hil_runs{state="finished"} 1.0' in lines
    assert 'hil_runs{state="failed"} 0.0' in lines
    assert 'hil_wire_messages_total{what="retransmitted",wire="crossbar"} 2.0' in lines
    assert 'hil_dies_measured{kind="defects",wafer="W1"} 0.0' in lines
    assert "hil_estop_latched 0.0" in lines


def test_metrics_tell_what_went_over_each_wire_and_what_went_wrong_there(service: Service, http: httpx.Client) -> None:
    good = {"unit": "messages", "sent": 40, "received": 39}
    bad = {"unit": "frames", "sent": 70, "received": 69, "retransmitted": 2, "naks": 1, "late": 3, "timeouts": 4, "reconnects": 1}
    service.store.publish_links({"smu": good, "prober": good, "crossbar": bad | {"rejected_crc": 5, "rejected_cobs": 6}})
    lines = http.get("/metrics").text.splitlines()
    told = {line for line in lines if line.startswith("hil_link_") and 'instrument="crossbar"' in line}
    assert told == {
        'hil_link_frames_sent_total{instrument="crossbar"} 70.0',
        'hil_link_frames_received_total{instrument="crossbar"} 69.0',
        'hil_link_errors_total{instrument="crossbar"} 0.0',
        'hil_link_frames_retransmitted_total{instrument="crossbar"} 2.0',
        'hil_link_late_replies_total{instrument="crossbar"} 3.0',
        'hil_link_naks_total{instrument="crossbar"} 1.0',
        'hil_link_timeouts_total{instrument="crossbar"} 4.0',
        'hil_link_reconnects_total{instrument="crossbar"} 1.0',
        'hil_link_frames_rejected_total{instrument="crossbar",reason="cobs"} 6.0',
        'hil_link_frames_rejected_total{instrument="crossbar",reason="crc"} 5.0',
    }
    assert 'hil_link_frames_sent_total{instrument="smu"} 40.0' in lines
    assert "# TYPE hil_link_frames_retransmitted_total counter" in lines
    service.store.publish_links({"crossbar": bad | {"sent": 80}})
    assert 'hil_link_frames_sent_total{instrument="crossbar"} 80.0' in http.get("/metrics").text.splitlines()


def test_two_stops_at_once_are_both_answered(service: Service, http: httpx.Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        stops = [pool.submit(http.post, STATION + "/estop") for _ in range(2)]
        until(lambda: service.store.station().estop is not None)
        service.store.record_estop_outcome(SAFE)
        assert [stop.result(10).json()["safe"] for stop in stops] == [True, True]
