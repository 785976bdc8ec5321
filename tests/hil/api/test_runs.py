"""Life of a run over REST, and pages."""

import httpx
import pytest

from hil.model.runs import RunState, Step, StepMeasured
from tests.support.service import Service, put_conductance, put_defects, running_run

RUNS = "/api/v1/runs"
PLAN = {"kind": "characterise", "wafer": "W1", "dies": [[-3, 0], [0, 0]]}


def test_an_accepted_run_is_queued_at_its_location_with_its_plan_whole(http: httpx.Client) -> None:
    reply = http.post(RUNS, json=PLAN)
    assert reply.status_code == 202
    body = http.get(reply.headers["location"]).json()
    assert body == reply.json()
    assert set(body) >= {"id", "plan", "state", "progress", "started_at", "ended_at", "requested_by", "error", "wires"}
    assert body["state"] == "queued" and body["requested_by"] == "operate-token"
    assert body["progress"] == {"done": 0, "total": 64, "unit": "kernel", "eta_s": None}
    assert body["plan"]["dies"] == [[-3, 0], [0, 0]] and body["plan"]["pulse_volts"] > 0
    assert http.get("/api/v1/wafers/W1").status_code == 200


def test_the_same_key_and_plan_give_the_same_run(http: httpx.Client) -> None:
    replies = [http.post(RUNS, json=PLAN, headers={"Idempotency-Key": "monday"}) for _ in range(3)]
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert len(http.get(RUNS).json()["items"]) == 1


def test_a_dry_run_tells_and_queues_nothing(http: httpx.Client) -> None:
    reply = http.post(RUNS, params={"dry_run": "true"}, json=PLAN)
    assert reply.status_code == 200
    assert (reply.json()["route"], reply.json()["touchdowns"]) == ([[-3, 0], [0, 0]], 2)
    assert reply.json()["duration_s"] > 0
    assert http.get(RUNS).json()["items"] == [] and http.get("/api/v1/wafers").json()["items"] == []
    assert http.post(RUNS, params={"dry_run": "true"}, json={**PLAN, "pulse_volts": 9}).status_code == 422


def test_a_run_is_paused_resumed_and_aborted_by_wish(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    assert http.post(f"{RUNS}/{run}/pause").json()["wanted"] == "pause"
    service.store.set_state(run, RunState.PAUSED)
    assert http.post(f"{RUNS}/{run}/resume").json()["state"] == "queued"
    assert http.post(f"{RUNS}/{run}/abort").json()["state"] == "aborted"
    assert http.post(f"{RUNS}/{run}/abort").status_code == 409


def test_only_a_queued_run_can_be_deleted(service: Service, http: httpx.Client) -> None:
    queued = http.post(RUNS, json=PLAN).json()["id"]
    assert http.delete(f"{RUNS}/{queued}").status_code == 204
    assert http.get(f"{RUNS}/{queued}").status_code == 404
    assert http.delete(f"{RUNS}/{running_run(service.store)}").status_code == 409


def test_a_running_run_tells_how_long_it_will_take(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    assert http.get(f"{RUNS}/{run}").json()["progress"]["eta_s"] is None
    service.store.append(run, StepMeasured(Step(0, (0, -1), 0), {}))
    progress = http.get(f"{RUNS}/{run}").json()["progress"]
    assert progress["done"] == 1 and progress["eta_s"] >= 0


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_pages_hold_every_run_once_newest_first(http: httpx.Client, limit: int) -> None:
    made = [http.post(RUNS, json=PLAN).json()["id"] for _ in range(5)]
    seen, cursor = [], None
    for _ in range(6):
        page = http.get(RUNS, params={"limit": limit, **({"cursor": cursor} if cursor else {})}).json()
        seen += [run["id"] for run in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_pages_of_wafers_and_of_a_dies_maps(service: Service, http: httpx.Client) -> None:
    for name in ("W3", "W1", "W2"):
        assert http.put(f"/api/v1/wafers/{name}").status_code == 200
    first = http.get("/api/v1/wafers", params={"limit": 2}).json()
    rest = http.get("/api/v1/wafers", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [wafer["name"] for wafer in first["items"] + rest["items"]] == ["W1", "W2", "W3"]
    assert rest["next_cursor"] is None
    run = running_run(service.store)
    made = [put_conductance(service.store, run, (0, 0), seed).id for seed in range(3)]
    path = "/api/v1/dies/W1/0/0/maps"
    first = http.get(path, params={"limit": 2}).json()
    rest = http.get(path, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]


def test_a_wafer_keeps_the_dies_it_was_registered_with(http: httpx.Client) -> None:
    path, dies = "/api/v1/wafers/W1", {"dies": [[0, 0], [2, -1]]}
    assert http.put(path, json=dies).json()["dies"] == [[0, 0], [2, -1]]
    assert http.put(path, json=dies).status_code == 200
    assert http.put(path, json={"dies": [[0, 0]]}).status_code == 409
    assert http.put("/api/v1/wafers/W2", json={"dies": [[0, 0], [0, 0]]}).status_code == 422
    assert http.put("/api/v1/wafers/..%2Fetc").status_code in (404, 422)


def test_a_wafer_shows_each_dies_status_counts_and_the_yield(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    put_conductance(service.store, run, (1, 0))
    record = put_defects(service.store, run, (0, 0), seed=3)
    body = http.get("/api/v1/wafers/W1").json()
    dies = {(die["x"], die["y"]): die for die in body["dies"]}
    assert {place: die["status"] for place, die in dies.items()} == {
        (0, -1): "not measured",
        (-3, 0): "not measured",
        (0, 0): "characterised",
        (1, 0): "read",
    }
    counts = {"good": 20_000 - 26, "short": 1, "open": 25}
    assert dies[0, 0]["counts"] == counts == body["counts"]
    assert dies[0, 0]["defect_map"] == record.id
    assert body["characterised"] == 1
    assert body["yield_fraction"] == pytest.approx(counts["good"] / 20_000)
