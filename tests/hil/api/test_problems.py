"""Every error is a problem document that names the thing, the value and the limit."""

import json
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from hil.store.protocol import Store
from hil.store.records import WaferRecord
from tests.support.service import Board, Service, lab_config, mounted, put_defects, running_run

RUNS = "/api/v1/runs"
JSON = {"Content-Type": "application/json"}


def expect_problem(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The document, checked to be one."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    document = reply.json()
    assert set(document) >= {"type", "title", "status", "detail", "instance"}
    assert document["status"] == status
    assert "Traceback" not in reply.text
    return document


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("GET", "/api/v1/nothing/here", 404),
        ("PATCH", "/api/v1/runs", 405),
        ("POST", "/healthz", 405),
        ("GET", "/api/v1/wafers/W9", 404),
        ("GET", "/api/v1/runs/none", 404),
        ("GET", "/api/v1/runs/none/events", 404),
        ("GET", "/api/v1/runs?limit=0", 422),
        ("GET", "/api/v1/runs?cursor=none", 404),
        ("GET", "/api/v1/maps/" + "a" * 64, 404),
        ("GET", "/api/v1/maps/xyz", 422),
        ("GET", "/api/v1/maps/" + "a" * 64 + ".png", 404),
        ("GET", "/api/v1/objects/" + "a" * 64, 404),
        ("GET", "/api/v1/dies/W9/0/0/defects", 404),
        ("GET", "/api/v1/dies/W1/north/0/defects", 422),
        ("GET", "/api/v1/events?after=x", 422),
        ("DELETE", "/api/v1/runs/none", 404),
        ("POST", "/api/v1/runs/none/pause", 404),
    ],
)
def test_what_is_not_there_or_not_allowed_is_a_problem_document(http: httpx.Client, method: str, path: str, status: int) -> None:
    document = expect_problem(http.request(method, path), status)
    assert document["instance"] == path.partition("?")[0]


def test_a_plan_beyond_a_limit_names_field_value_and_limit(http: httpx.Client) -> None:
    document = expect_problem(http.post(RUNS, json={"kind": "read", "wafer": "W1", "read_volts": 9}), 422)
    limit = lab_config().limits.device_volts
    assert (document["field"], document["value"], document["limit"]) == ("read_volts", 9, limit)
    assert "9" in document["detail"] and f"{limit:g}" in document["detail"]


def test_an_unknown_die_in_a_plan_is_named(http: httpx.Client) -> None:
    document = expect_problem(http.post(RUNS, json={"kind": "read", "wafer": "W1", "dies": [[0, 0], [7, 7]]}), 422)
    assert document["field"] == "dies"
    assert "(7, 7)" in document["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"kind": "read", "wafer": "W1", "colour": 1}, "colour"),
        ({"kind": "dance", "wafer": "W1"}, "dance"),
        ({"wafer": "W1"}, "kind"),
        ({"kind": "read", "wafer": "../../etc"}, "wafer"),
        ({"kind": "read", "wafer": "W1", "read_volts": -0.1}, "read_volts"),
        ({"kind": "read", "wafer": "W1", "averages": 1.5}, "averages"),
        ({"kind": "read", "wafer": "W1", "dies": [[0, 0, 0]]}, "dies"),
        ({"kind": "program", "wafer": "W1", "target": {"object": "abc"}}, "target.object"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_a_malformed_plan_is_refused_with_the_field_or_value_named(http: httpx.Client, body: object, named: str) -> None:
    assert named in expect_problem(http.post(RUNS, json=body), 422)["detail"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_numbers_that_are_none_are_refused(http: httpx.Client, number: str) -> None:
    body = f'{{"kind": "read", "wafer": "W1", "read_volts": {number}}}'
    document = expect_problem(http.post(RUNS, content=body, headers=JSON), 422)
    assert "inf" in document["detail"].lower() or "nan" in document["detail"].lower()
    assert http.get(RUNS).json()["items"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 50_000, b'{"kind": "read"'])
def test_a_body_that_is_no_json_is_refused(http: httpx.Client, body: bytes) -> None:
    expect_problem(http.post(RUNS, content=body, headers=JSON), 422 if body == b"" else 400)


@pytest.mark.parametrize("media", ["text/plain", "application/x-npy", ""])
def test_a_plan_that_is_not_sent_as_json_is_refused(http: httpx.Client, media: str) -> None:
    body = json.dumps({"kind": "read", "wafer": "W1"})
    assert "application/json" in expect_problem(http.post(RUNS, content=body, headers={"Content-Type": media}), 415)["detail"]


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON", "application/plan+json"])
def test_json_may_be_named_in_its_other_ways(http: httpx.Client, media: str) -> None:
    body = json.dumps({"kind": "read", "wafer": "W1"})
    assert http.post(RUNS, content=body, headers={"Content-Type": media}).status_code == 202


@pytest.mark.parametrize("field", ["averages", "max_pulses", "read_volts", "kernels", "dies"])
@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_numbers_beyond_every_machine_are_refused(http: httpx.Client, field: str, digits: int) -> None:
    number = "1" + "0" * digits
    value = {"kernels": f"[{number}]", "dies": f"[[0, {number}]]"}.get(field, number)
    kind = "read" if field == "kernels" else "characterise"
    body = f'{{"kind": "{kind}", "wafer": "W1", "{field}": {value}}}'
    assert len(expect_problem(http.post(RUNS, content=body, headers=JSON), 422)["detail"]) < 1000


@pytest.mark.parametrize("note", [r"\ud800", r"\ude00\ud83d", r"ok \uD83D ok"])
def test_half_a_character_is_refused_and_a_whole_one_is_not(http: httpx.Client, note: str) -> None:
    body = f'{{"kind": "read", "wafer": "W1", "note": "{note}"}}'
    assert "surrogate" in expect_problem(http.post(RUNS, content=body, headers=JSON), 422)["detail"]
    whole = r'{"kind": "read", "wafer": "W1", "note": "\ud83d\ude00 and \\ud800"}'
    assert http.post(RUNS, content=whole, headers=JSON).json()["plan"]["note"] == "\U0001f600 and \\ud800"


@pytest.mark.parametrize("coordinate", [10_001, -10_001, 2**63, 10**400])
def test_a_wafer_cannot_have_a_die_that_no_path_can_name(http: httpx.Client, coordinate: int) -> None:
    document = expect_problem(http.put("/api/v1/wafers/W7", json={"dies": [[0, 0], [coordinate, 0]]}), 422)
    assert "10000" in document["detail"]
    assert http.put("/api/v1/wafers/W7", json={"dies": [[10_000, -10_000]]}).status_code == 200


def test_a_wafer_of_as_many_dies_as_one_may_have_is_registered(http: httpx.Client) -> None:
    dies = [[-10_000 + at % 100, -10_000 + at // 100] for at in range(10_000)]
    assert http.put("/api/v1/wafers/W8", json={"dies": dies}).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_large_is_refused(service: Service, announced: bool) -> None:
    size, piece = 9_000_000, b" " * 100_000
    pieces = (piece for _ in range(size // len(piece)))
    with service.client() as client:
        try:
            reply = client.put("/api/v1/objects/" + "a" * 64, content=b" " * size if announced else pieces)
        except httpx.TransportError:
            return  # The service answered and closed while we were still sending; that is a refusal too.
        expect_problem(reply, 413)


def test_a_plan_of_more_than_64_kilobytes_is_refused(http: httpx.Client) -> None:
    document = expect_problem(http.post(RUNS, json={"kind": "read", "wafer": "W1", "note": "x" * 64_001}), 413)
    assert document["limit"] == 64_000


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_host_that_is_not_on_the_list_is_refused(http: httpx.Client, host: str) -> None:
    expect_problem(http.get("/healthz", headers={"Host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765"])
def test_loopback_names_are_served_whatever_the_port(http: httpx.Client, host: str) -> None:
    assert http.get("/healthz", headers={"Host": host}).status_code == 200


def test_the_same_key_with_another_plan_is_refused(http: httpx.Client) -> None:
    key = {"Idempotency-Key": "monday"}
    assert http.post(RUNS, json={"kind": "read", "wafer": "W1"}, headers=key).status_code == 202
    document = expect_problem(http.post(RUNS, json={"kind": "read", "wafer": "W2"}, headers=key), 422)
    assert document["type"].endswith("key-reused")


def test_a_step_that_a_run_cannot_take_is_a_conflict_naming_both_states(http: httpx.Client) -> None:
    run = http.post(RUNS, json={"kind": "read", "wafer": "W1"}).json()["id"]
    detail = expect_problem(http.post(f"{RUNS}/{run}/pause"), 409)["detail"]
    assert "queued" in detail and "paused" in detail


def test_an_object_damaged_on_disk_is_told_and_never_served(service: Service, tmp_path: Path) -> None:
    record = put_defects(service.store, running_run(service.store), (0, 0))
    (found,) = [path for path in tmp_path.rglob(f"*{record.object}*") if path.is_file()]
    found.chmod(0o644)
    found.write_bytes(found.read_bytes()[:-1] + b"\x07")
    with service.client() as client:
        document = expect_problem(client.get(f"/api/v1/maps/{record.id}"), 500)
    assert document["type"].endswith("corrupt-object")


class BrokenStore:
    """A store with a bug: not the errors it promises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def wafers(self) -> list[WaferRecord]:
        raise ZeroDivisionError("the secret of line 42")


def test_an_error_nobody_foresaw_tells_a_reference_and_no_more(board: Board, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with mounted(board, tmp_path, lambda store: cast("Store", BrokenStore(store))) as broken, broken.client() as client:
        document = expect_problem(client.get("/api/v1/wafers"), 500)
    assert "secret" not in json.dumps(document) and "ZeroDivision" not in json.dumps(document)
    reference = document["detail"].split()[-1]
    assert any(reference in entry.message for entry in caplog.records), "the log must have what the client is not told"
