"""The client against the real service."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from hil.client import (
    Conflict,
    Forbidden,
    LabClient,
    LabError,
    NotFound,
    Origin,
    PlanRefused,
    RequestRefused,
    RunEnded,
    RunTimeout,
    ServiceFailed,
    ServiceUnreachable,
    Unauthorized,
    UnexpectedReply,
)
from hil.model.runs import RunState, Step, StepMeasured
from tests.support.complete_dies import put_complete_die
from tests.support.service import SHAPE, Service, put_conductance, put_defects, running_run, some_codes, some_siemens

PLAN = {"kind": "characterise", "wafer": "W1", "dies": [[0, 0]]}


@pytest.fixture
def lab(service: Service) -> Iterator[LabClient]:
    with LabClient(service.url, service.token()) as client:
        yield client


NOT_NEEDED = ["torch", "pyvisa", "serial", "fastapi", "sqlalchemy", "matplotlib", "hil.store", "hil.station", "hil.runs", "drivers"]


def test_the_client_needs_nothing_of_the_service_or_the_trainer() -> None:
    script = f"import sys; sys.modules.update(dict.fromkeys({NOT_NEEDED})); from hil.client import LabClient; LabClient().close(); print(1)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout == "1\n", done.stderr


def test_a_run_is_started_once_per_key_and_waited_for(service: Service, lab: LabClient) -> None:
    run = lab.start(PLAN, key="monday")
    assert lab.start(PLAN, key="monday").id == run.id
    assert (run.state, run.done, run.total, run.unit) == ("queued", 0, 32, "kernel")

    def worker() -> None:
        service.store.set_state(run.id, RunState.RUNNING)
        service.store.append(run.id, StepMeasured(Step(0, (0, 0), 0), {}))
        service.store.set_wires(run.id, {"crossbar": {"sent": 3}})
        service.store.set_state(run.id, RunState.FINISHED)

    thread = threading.Thread(target=worker)
    seen: list[str] = []
    thread.start()
    assert run.wait(progress=True, timeout_s=20).state == "finished"
    thread.join()
    run.wait(on_look=lambda looked: seen.append(looked.state))
    assert seen == ["finished"]
    assert (run.done, run.wires) == (1, {"crossbar": {"sent": 3}})


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.ABORTED, RunState.INTERRUPTED])
def test_waiting_for_a_run_that_does_not_finish_raises_and_says_why(service: Service, lab: LabClient, state: RunState) -> None:
    run = running_run(service.store)
    service.store.set_state(run, state, "the needles are bent")
    with pytest.raises(RunEnded, match=f"run {run} {state}: the needles are bent") as ended:
        lab.run(run).wait()
    assert (ended.value.run_id, ended.value.state) == (run, state)


def test_waiting_gives_up_when_its_time_is_up(lab: LabClient) -> None:
    with pytest.raises(RunTimeout, match="queued"):
        lab.start(PLAN).wait(timeout_s=0)


def test_events_of_a_run_end_with_it(service: Service, lab: LabClient) -> None:
    run = running_run(service.store)
    service.store.append(run, StepMeasured(Step(0, (0, -1), 0), {}))
    service.store.set_state(run, RunState.FINISHED)
    events = list(lab.run(run).events())
    assert [event.kind for event in events] == ["run", "run", "step", "run", "end"]
    assert list(lab.events(run=run, after=events[2].number or 0)) == events[3:]


def test_stacks_come_with_dies_tag_and_origin(service: Service, lab: LabClient) -> None:
    run = running_run(service.store)
    for seed, die in enumerate([(1, 0), (-3, 0)]):
        put_conductance(service.store, run, die, seed)
        put_defects(service.store, run, die, seed)
    stack = lab.conductance("W1", state="P")
    assert stack.siemens.shape == (2, *SHAPE) and stack.siemens.dtype == np.float32
    assert stack.dies == ((-3, 0), (1, 0))
    assert np.array_equal(stack.siemens[1], some_siemens(0), equal_nan=True)
    assert stack.origin.simulated and "20261122" in str(stack.origin)
    assert lab.conductance("W1", state="P", known=stack) is stack
    defects = lab.defects("W1")
    assert np.array_equal(defects.codes, np.stack([some_codes(1), some_codes(0)]))
    assert lab.defects("W1", known=defects) is defects
    put_defects(service.store, run, (0, 0), 5)
    assert lab.defects("W1", known=defects).dies == ((-3, 0), (0, 0), (1, 0))


@pytest.mark.parametrize(
    ("text", "seed"), [("simulated; seed=7", 7), ("simulated; seed=7,9", None), ("simulated", None), ("measured", None), ("unknown", None)]
)
def test_an_origin_tells_the_seed_where_one_is_stated(text: str, seed: int | None) -> None:
    assert Origin(text.startswith("simulated"), text).seed == seed


def test_statistics_of_a_wafer(service: Service, lab: LabClient) -> None:
    with pytest.raises(NotFound, match="W1"):
        lab.statistics("W1")
    put_complete_die(service.store, running_run(service.store), (0, 0), 1)
    found = lab.statistics("W1")
    assert (found["wafer"], found["dies"]) == ("W1", 1)
    assert found["rates"]["short"]["count"] == 1


@pytest.mark.parametrize("text", ["../wafers", "..", ".", "", "r1/events", "/", "r1?limit=1", "r1#x", "%2e%2e", "r%201", "r 1", "ü"])
def test_an_id_never_becomes_another_path(lab: LabClient, text: str) -> None:
    for ask in (lab.run, lab.pause, lab.wafer, lab.map, lab.map_meta, lab.picture, lab.delete, lab.conductance):
        with pytest.raises((NotFound, RequestRefused)):
            ask(text)


def test_single_maps_their_metadata_and_pictures(service: Service, lab: LabClient) -> None:
    run = running_run(service.store)
    conductance, defects = put_conductance(service.store, run, (-3, 0)), put_defects(service.store, run, (-3, 0))
    assert lab.conductance_map("W1", -3, 0, "P").map_id == conductance.id
    assert np.array_equal(lab.defect_map("W1", -3, 0).array, some_codes(1))
    assert np.array_equal(lab.map(conductance.id).array, some_siemens(1), equal_nan=True)
    assert lab.map_meta(defects.id)["kind"] == "defects"
    assert [one["id"] for one in lab.maps("W1", -3, 0)] == [defects.id, conductance.id]
    assert lab.picture(defects.id).startswith(b"\x89PNG")


def test_objects_wafers_runs_and_the_station(service: Service, lab: LabClient) -> None:
    array = np.arange(50, dtype=np.float32).reshape(2, 25)
    assert np.array_equal(lab.get_object(lab.put_object(array)), array)
    assert lab.put_wafer("W5", [(0, 0)])["dies"] == [[0, 0]]
    assert [wafer["name"] for wafer in lab.wafers()] == ["W5"]
    assert lab.wafer("W5")["characterised"] == 0
    run = lab.start(PLAN)
    assert [found.id for found in lab.runs()] == [run.id]
    assert lab.dry_run(PLAN)["touchdowns"] == 1
    assert run.abort().state == "aborted"
    queued = lab.start(PLAN)
    lab.delete(queued.id)
    with pytest.raises(NotFound):
        queued.refresh()
    assert lab.station()["name"] == "bench"


def test_stop_reset_and_why_a_queued_run_waits(service: Service, lab: LabClient) -> None:
    assert lab.why_waiting() == "the worker does not report"
    service.store.heartbeat()
    assert lab.why_waiting() == ""
    service.store.latch_estop("tester", "smoke")
    assert "hil reset" in lab.why_waiting()
    with pytest.raises(Conflict, match="no outcome yet"):
        lab.reset()
    service.store.record_estop_outcome({"smu": "safe"})
    assert lab.estop()["safe"] is True
    assert lab.reset()["interlocks"]["estop"] is None
    service.store.set_state(running_run(service.store), RunState.FAILED, "bent needles")
    assert "bent needles" in lab.why_waiting() and "hil release" in lab.why_waiting()
    assert lab.release()["queue"]["held"] is None


def test_pause_and_resume_by_id(service: Service, lab: LabClient) -> None:
    run = running_run(service.store)
    assert lab.pause(run).json["wanted"] == "pause"
    service.store.set_state(run, RunState.PAUSED)
    assert lab.run(run).resume().state == "queued"
    with pytest.raises(Conflict, match=run):
        lab.resume(run)


def test_a_refused_plan_says_field_value_and_limit_in_one_line(lab: LabClient) -> None:
    with pytest.raises(PlanRefused) as refused:
        lab.start({**PLAN, "pulse_volts": 9})
    assert (refused.value.field, refused.value.value, refused.value.limit, refused.value.status) == ("pulse_volts", 9, 1.0, 422)
    assert "9" in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("plan", [{"kind": "dance"}, {**PLAN, "colour": 1}, {**PLAN, "pulse_volts": float("nan")}])
def test_a_malformed_plan_is_refused(lab: LabClient, plan: dict[str, object]) -> None:
    with pytest.raises(RequestRefused):
        lab.start(plan)


def test_each_refusal_is_a_class_of_its_own(service: Service, lab: LabClient) -> None:
    with pytest.raises(NotFound, match="W9"):
        lab.defects("W9")
    for token in (None, "wrong"):
        with LabClient(service.url, token) as stranger, pytest.raises(Unauthorized, match="hil token create"):
            stranger.wafers()
    with LabClient(service.url, service.token("read")) as reader, pytest.raises(Forbidden, match="operate"):
        reader.start(PLAN)


@pytest.mark.parametrize("token", ["with blank", "line\nend", "umläut"])
def test_a_token_that_cannot_be_one_is_refused_before_anything_is_sent(token: str) -> None:
    with pytest.raises(LabError, match="token"):
        LabClient("http://127.0.0.1:1", token)


@pytest.mark.parametrize("url", ["lab", "127.0.0.1:8765", "ftp://lab", "http://[::bad", "http://lab:port"])
def test_an_address_that_cannot_be_one_is_named(url: str) -> None:
    with pytest.raises(LabError, match="address is"):
        LabClient(url).wafers()


def test_an_address_where_nobody_listens_is_named_with_what_to_do() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with LabClient(url) as lab, pytest.raises(ServiceUnreachable) as gone:
            lab.wafers()
    assert url in str(gone.value) and "hil serve" in str(gone.value) and "\n" not in str(gone.value)


@pytest.mark.parametrize(
    ("status", "body", "kind", "error"),
    [
        (200, b"<html>hello</html>", "text/html", UnexpectedReply),
        (200, b"[1]", "application/json", UnexpectedReply),
        (404, b"not here", "text/plain", UnexpectedReply),
        (302, b"", "text/html", UnexpectedReply),
        (500, b'{"detail": "the disk is full"}', "application/problem+json", ServiceFailed),
        (418, b'{"detail": "tea"}', "application/problem+json", RequestRefused),
        (500, b"not json", "application/problem+json", UnexpectedReply),
    ],
)
def test_answers_that_are_not_of_this_service_are_told_apart(status: int, body: bytes, kind: str, error: type[LabError]) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body, headers={"Content-Type": kind}))
    with LabClient("http://lab", transport=transport) as lab, pytest.raises(error) as raised:
        lab.wafers()
    assert "\n" not in str(raised.value)


def test_a_body_cut_short_is_a_lost_connection() -> None:
    def half(_: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    with LabClient("http://lab", transport=httpx.MockTransport(half)) as lab, pytest.raises(ServiceUnreachable, match="peer closed"):
        lab.wafers()


def test_an_array_that_is_none_is_not_taken_for_one() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=b"\x93NUMPYgarbage", headers={"Lab-Dies": "0,0"}))
    with LabClient("http://lab", transport=transport) as lab, pytest.raises(UnexpectedReply, match="npy"):
        lab.defects("W1")


def test_watching_yields_what_is_there_then_each_new_map_and_nothing_when_nothing_changed(service: Service, lab: LabClient) -> None:
    run = running_run(service.store)
    put_defects(service.store, run, (0, 0))
    seen = []
    for stack in lab.watch_defects("W1", timeout_s=20):
        seen.append(stack.dies)
        if len(seen) == 3:
            break
        put_conductance(service.store, run, (1, 0), seed=len(seen))  # no defect map: no reason to yield
        put_defects(service.store, run, [(-3, 0), (1, 0)][len(seen) - 1])
    assert seen == [((0, 0),), ((-3, 0), (0, 0)), ((-3, 0), (0, 0), (1, 0))]
    assert [stack.dies for stack in lab.watch_defects("W1", timeout_s=0.5)] == [seen[-1]]


def test_watching_a_wafer_without_maps_yields_nothing(service: Service, lab: LabClient) -> None:
    running_run(service.store)
    assert list(lab.watch_defects("W1", timeout_s=0.3)) == []


def test_watching_an_unknown_wafer_or_a_dead_address_says_so_at_once(lab: LabClient, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="W9"):
        next(lab.watch_defects("W9"))
    with LabClient("http://127.0.0.1:1") as nobody, pytest.raises(ServiceUnreachable):
        next(nobody.watch_defects("W1"))


def test_no_map_is_missed_while_many_are_measured_one_after_another(service: Service, lab: LabClient) -> None:
    run = running_run(service.store)
    dies = [(0, -1), (-3, 0), (0, 0), (1, 0)]
    last_round = [32 + at for at in range(len(dies))]

    def worker() -> None:
        for seed in [*range(32), *last_round]:
            put_defects(service.store, run, dies[seed % len(dies)], seed)

    wanted = np.stack([some_codes(seed) for seed in last_round])
    thread = threading.Thread(target=worker)
    thread.start()
    stacks = lab.watch_defects("W1", timeout_s=30)
    assert any(stack.codes.shape == wanted.shape and np.array_equal(stack.codes, wanted) for stack in stacks)
    thread.join()
