"""An output that may still be on is on every answer, wherever an operator or a script looks, until it is known to be off."""

import httpx
import pytest

from hil.model.runs import RunState
from hil.runs.bench import MAY_BE_ON, note_outcome
from tests.hil.api.test_problems import expect_problem
from tests.support.service import Service, put_conductance, running_run

STATION = "/api/v1/station"
HEADER = "Lab-Warning"
SILENT = {"smu": "no answer to ':OUTP?' within 1 s; switch off at the front panel", "crossbar": "safe", "prober": "safe"}
SAFE = dict.fromkeys(SILENT, "safe")
WARNING = f"{MAY_BE_ON}: {SILENT['smu']}"


def texts(service: Service, run: str | None = None) -> list[str]:
    return [each.payload["text"] for each in service.store.events(run_id=run) if each.payload.get("what") == "may_be_on"]


@pytest.fixture
def run(service: Service) -> str:
    return running_run(service.store)


def test_every_answer_carries_it_whatever_was_asked_and_none_once_it_is_off(service: Service, http: httpx.Client, run: str) -> None:
    record = put_conductance(service.store, run, (0, 0))
    paths = [STATION, "/api/v1/runs", f"/api/v1/runs/{run}", f"/api/v1/maps/{record.id}", f"/api/v1/maps/{record.id}.png", "/metrics"]
    missing = "/api/v1/runs/r0-none"
    assert all(HEADER not in http.get(path).headers for path in (*paths, missing))
    note_outcome(service.store, SILENT)
    assert {http.get(path).headers[HEADER] for path in (*paths, missing)} == {WARNING}
    assert http.get(STATION).json()["interlocks"]["may_be_on"] == WARNING
    note_outcome(service.store, SAFE)
    assert all(HEADER not in http.get(path).headers for path in (*paths, missing))


def test_what_a_header_cannot_hold_is_made_one_plain_line(service: Service, http: httpx.Client) -> None:
    note_outcome(service.store, {**SILENT, "smu": "kaputt: \u03a9\r\nSet-Cookie: a=b " + 2000 * "x"})
    text = http.get(STATION).headers[HEADER]
    assert text.startswith(f"{MAY_BE_ON}: kaputt: ? Set-Cookie: a=b xxx")
    assert len(text) == 1000


def test_a_stranger_is_told_nothing(service: Service, http: httpx.Client) -> None:
    note_outcome(service.store, SILENT)
    assert HEADER not in http.get(STATION, headers={"Authorization": "Bearer nonsense"}).headers


def test_the_service_is_not_ready_while_an_output_may_be_on(service: Service, http: httpx.Client) -> None:
    service.store.heartbeat()
    service.store.publish_station({"instruments": {"smu": {"connected": True}}})
    assert http.get("/readyz").status_code == 200
    note_outcome(service.store, SILENT)
    assert "output may be on" in expect_problem(http.get("/readyz"), 503)["detail"]
    note_outcome(service.store, SAFE)
    assert http.get("/readyz").status_code == 200


def test_it_is_a_figure_to_alarm_on(service: Service, http: httpx.Client) -> None:
    assert "hil_output_may_be_on 0.0" in http.get("/metrics").text.splitlines()
    note_outcome(service.store, SILENT)
    assert "hil_output_may_be_on 1.0" in http.get("/metrics").text.splitlines()


@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.FAILED, RunState.ABORTED, RunState.INTERRUPTED])
def test_the_run_that_it_befell_says_so_in_its_record_and_in_its_events(
    service: Service, http: httpx.Client, run: str, state: RunState
) -> None:
    note_outcome(service.store, SILENT)
    service.store.set_state(run, state, "the line was lost")
    assert http.get(f"/api/v1/runs/{run}").json()["error"] == f"the line was lost; {MAY_BE_ON}"
    assert texts(service, run) == [WARNING]


def test_a_run_that_says_so_already_does_not_say_it_twice(service: Service, run: str) -> None:
    note_outcome(service.store, SILENT)
    assert service.store.set_state(run, RunState.FAILED, f"broken; {MAY_BE_ON}: look").error == f"broken; {MAY_BE_ON}: look"


def test_a_run_begun_after_it_was_lifted_knows_nothing_of_it(service: Service, run: str) -> None:
    note_outcome(service.store, SILENT)
    note_outcome(service.store, SAFE)
    assert service.store.set_state(run, RunState.ABORTED).error is None
    assert texts(service) == [WARNING, "outputs are verified off"]


def test_nothing_but_a_verified_off_or_a_person_who_has_looked_lifts_it(service: Service, http: httpx.Client, run: str) -> None:
    note_outcome(service.store, SILENT)
    service.store.set_state(run, RunState.FAILED, "the line was lost")
    assert http.post(f"{STATION}/release").headers[HEADER] == WARNING
    assert "output may be on" in expect_problem(http.post(f"{STATION}/reset"), 409)["detail"]
    assert http.get(STATION).headers[HEADER] == WARNING
    assert HEADER not in http.post(f"{STATION}/reset", params={"force": "true"}).headers
    assert texts(service)[-1] == "no longer said to be on: somebody has looked"


def test_it_is_loud_in_the_log_once(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        note_outcome(service.store, SILENT)
    (loud,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert loud.getMessage() == f"THE SMU'S OUTPUT MAY BE ON: {SILENT['smu']}"
    assert texts(service) == [WARNING]
