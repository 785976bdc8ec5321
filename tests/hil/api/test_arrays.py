"""Arrays over HTTP: forms, tags, headers."""

import io
import json
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from hil.model.maps import npy_bytes
from tests.support.service import (
    SHAPE,
    Service,
    put_conductance,
    put_defects,
    running_run,
    some_codes,
    some_siemens,
)

NPY, ARROW, JSON = "application/x-npy", "application/vnd.apache.arrow.stream", "application/json"


def npy(reply: httpx.Response) -> np.ndarray[Any, Any]:
    assert reply.status_code == 200, reply.text
    return np.load(io.BytesIO(reply.content), allow_pickle=False)


def tensors(reply: httpx.Response) -> dict[str, Any]:
    """Columns of the one record batch; arrays as (rows, ...)."""
    batch = pa.ipc.open_stream(reply.content).read_all().combine_chunks().to_batches()[0]
    return {
        name: column.to_numpy_ndarray() if isinstance(column, pa.FixedShapeTensorArray) else column.to_pylist()
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    }


def test_a_maps_npy_bytes_are_the_bytes_in_the_store(service: Service, http: httpx.Client) -> None:
    record = put_conductance(service.store, running_run(service.store), (0, 0))
    reply = http.get(f"/api/v1/maps/{record.id}")
    assert reply.content == service.store.get_object(record.object)
    assert reply.headers["content-type"] == NPY
    assert "immutable" in reply.headers["cache-control"]
    assert np.array_equal(npy(reply), some_siemens(1), equal_nan=True)


def test_a_dies_newest_map_is_the_newest_of_the_state_asked_for(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    put_conductance(service.store, run, (-3, 0), seed=1, state="P")
    newest_p = put_conductance(service.store, run, (-3, 0), seed=2, state="P")
    newest = put_conductance(service.store, run, (-3, 0), seed=3, state="AP")
    path = "/api/v1/dies/W1/-3/0/maps/latest"
    assert http.get(path, params={"state": "P"}).headers["lab-map-id"] == newest_p.id
    reply = http.get(path)
    assert reply.headers["lab-map-id"] == newest.id
    assert reply.headers["lab-origin"] == "simulated; seed=20261122"
    assert reply.headers["lab-measured-at"] == newest.measured_at
    assert reply.headers["cache-control"] == "no-cache"


def test_a_stack_holds_the_measured_dies_only_ordered_by_y_then_x(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    for seed, die in enumerate([(1, 0), (0, -1), (-3, 0)]):
        put_conductance(service.store, run, die, seed)
        put_defects(service.store, run, die, seed)
    reply = http.get("/api/v1/wafers/W1/conductance", params={"state": "P"})
    assert reply.headers["lab-dies"] == "0,-1;-3,0;1,0"
    assert npy(reply).dtype == np.float32
    assert np.array_equal(npy(reply), np.stack([some_siemens(seed) for seed in (1, 2, 0)]), equal_nan=True)
    reply = http.get("/api/v1/wafers/W1/defects")
    assert npy(reply).dtype == np.uint8
    assert np.array_equal(npy(reply), np.stack([some_codes(seed) for seed in (1, 2, 0)]))


def test_a_wafer_without_measured_dies_is_an_empty_stack(service: Service, http: httpx.Client) -> None:
    running_run(service.store)
    reply = http.get("/api/v1/wafers/W1/defects")
    assert npy(reply).shape == (0, *SHAPE)
    assert reply.headers["lab-dies"] == ""
    assert http.get("/api/v1/wafers/W1/conductance").headers["etag"] != reply.headers["etag"]


@pytest.mark.parametrize("accept", [ARROW, JSON])
def test_arrow_and_json_hold_the_line_faults_beside_the_codes(service: Service, http: httpx.Client, accept: str) -> None:
    record = put_defects(service.store, running_run(service.store), (0, 0), seed=4)
    reply = http.get("/api/v1/wafers/W1/defects", headers={"Accept": accept})
    assert reply.headers["content-type"] == accept
    held = tensors(reply) if accept == ARROW else reply.json()
    assert np.array_equal(np.asarray(held["codes"]), some_codes(4)[np.newaxis])
    assert np.asarray(held["line_fault"])[0, 0, 3].tolist() == [1] * 25
    told = held["map_id"] if accept == ARROW else [die["map_id"] for die in held["dies"]]
    assert told == [record.id]


def test_arrow_and_json_of_one_die_are_exact_and_not_measured_is_null(service: Service, http: httpx.Client) -> None:
    put_conductance(service.store, running_run(service.store), (-3, 0), seed=5)
    path = "/api/v1/dies/W1/-3/0/maps/latest"
    arrow = tensors(http.get(path, headers={"Accept": ARROW}))
    assert (arrow["x"], arrow["y"]) == ([-3], [0])
    assert np.array_equal(arrow["siemens"][0], some_siemens(5), equal_nan=True)
    body = json.loads(http.get(path, headers={"Accept": JSON}).content, parse_constant=pytest.fail)
    assert body["siemens"][0][0][0] is None
    assert body["shape"] == list(SHAPE)
    assert np.array_equal(np.array(body["siemens"], np.float32), some_siemens(5), equal_nan=True)


@pytest.mark.parametrize("accept", [NPY, ARROW, JSON])
def test_an_empty_stack_has_every_form(service: Service, http: httpx.Client, accept: str) -> None:
    running_run(service.store)
    reply = http.get("/api/v1/wafers/W1/defects", headers={"Accept": accept})
    assert reply.status_code == 200
    assert len(reply.content) > 0


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, NPY),
        ("*/*", NPY),
        ("text/html, */*;q=0.8", NPY),
        ("application/*", NPY),
        (JSON, JSON),
        ("application/json;q=0.9, */*;q=0.1", JSON),
        ("application/json;q=0.5, application/x-npy;q=0.6", NPY),
        (f"{ARROW}, {JSON}", ARROW),
        (f"{NPY};q=0, */*", ARROW),
        ("APPLICATION/JSON", JSON),
    ],
)
def test_the_form_is_the_one_the_client_prefers(service: Service, accept: str | None, form: str) -> None:
    put_defects(service.store, running_run(service.store), (0, 0))
    with service.client() as client:
        client.headers.pop("accept")
        reply = client.get("/api/v1/dies/W1/0/0/defects", headers={} if accept is None else {"Accept": accept})
    assert reply.headers["content-type"] == form
    assert "accept" in reply.headers["vary"].lower()


@pytest.mark.parametrize("accept", ["text/csv", "application/json;q=0", f"{NPY};q=0, {ARROW};q=0, */*", "application/x-npy;q=nonsense"])
def test_what_cannot_be_given_is_406_naming_what_can(service: Service, http: httpx.Client, accept: str) -> None:
    put_defects(service.store, running_run(service.store), (0, 0))
    reply = http.get("/api/v1/dies/W1/0/0/defects", headers={"Accept": accept})
    assert reply.status_code == 406
    assert NPY in reply.json()["detail"] and accept in reply.json()["detail"]


def test_each_form_has_its_own_strong_tag_and_304_for_it(service: Service, http: httpx.Client) -> None:
    put_defects(service.store, running_run(service.store), (0, 0))
    path = "/api/v1/dies/W1/0/0/defects"
    tags = {form: http.get(path, headers={"Accept": form}).headers["etag"] for form in (NPY, ARROW, JSON)}
    assert len(set(tags.values())) == 3
    for form, tag in tags.items():
        assert tag.startswith('"') and tag.endswith('"')
        reply = http.get(path, headers={"Accept": form, "If-None-Match": tag})
        assert (reply.status_code, reply.content) == (304, b"")
        assert reply.headers["etag"] == tag
    assert http.get(path, headers={"Accept": ARROW, "If-None-Match": tags[NPY]}).status_code == 200


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ('"x", W/{tag}', 304),
        ("W/{tag}", 304),
        ("*", 304),
        ('"a" ,, {tag}', 304),
        ('"x"', 200),
        ("{bare}", 200),
        ("", 200),
        ('"x" {tag}', 200),
    ],
)
def test_if_none_match_takes_lists_stars_and_weak_tags(service: Service, http: httpx.Client, condition: str, status: int) -> None:
    put_defects(service.store, running_run(service.store), (0, 0))
    path = "/api/v1/dies/W1/0/0/defects"
    tag = http.get(path).headers["etag"]
    reply = http.get(path, headers={"If-None-Match": condition.format(tag=tag, bare=tag.strip('"'))})
    assert reply.status_code == status


def test_a_tag_changes_when_a_die_is_measured_again_even_with_the_same_result(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    put_conductance(service.store, run, (0, 0), seed=1, meta={"attempt": 1})
    before = http.get("/api/v1/wafers/W1/conductance").headers["etag"]
    put_conductance(service.store, run, (0, 0), seed=1, meta={"attempt": 2})
    assert http.get("/api/v1/wafers/W1/conductance").headers["etag"] != before


@pytest.mark.parametrize(
    ("origins", "told"),
    [
        ([{"simulated": False, "seed": None}], "measured"),
        ([{"simulated": False}, {"simulated": True, "seed": 7}], "simulated; seed=7"),
        ([{"simulated": True, "seed": 7}, {"simulated": True, "seed": 8}], "simulated; seed=7,8"),
        ([{"simulated": True, "seed": None}], "simulated"),
        ([{}], "unknown"),
    ],
)
def test_one_simulated_map_makes_a_stack_simulated(service: Service, http: httpx.Client, origins: list[dict[str, Any]], told: str) -> None:
    run = running_run(service.store)
    for index, origin in enumerate(origins):
        put_conductance(service.store, run, [(0, 0), (1, 0)][index], seed=index, meta={"origin": origin})
    assert http.get("/api/v1/wafers/W1/conductance").headers["lab-origin"] == told


def test_a_defect_maps_parts_are_at_their_own_addresses(service: Service, http: httpx.Client) -> None:
    record = put_defects(service.store, running_run(service.store), (0, 0))
    lines = npy(http.get(f"/api/v1/maps/{record.id}/lines"))
    assert lines.dtype == np.uint8 and lines[0, 3].tolist() == [1] * 25
    assert npy(http.get(f"/api/v1/maps/{record.id}/uncertainty")).dtype == np.float32
    meta = http.get(f"/api/v1/maps/{record.id}/meta").json()
    assert (meta["id"], meta["wafer"], meta["x"], meta["y"], meta["kind"]) == (record.id, "W1", 0, 0, "defects")
    assert meta["origin"] == {"simulated": True, "seed": 20261122}


def test_a_conductance_map_of_which_nobody_knows_says_why_it_has_no_uncertainty(service: Service, http: httpx.Client) -> None:
    record = put_conductance(service.store, running_run(service.store), (0, 0))
    reply = http.get(f"/api/v1/maps/{record.id}/uncertainty")
    assert reply.status_code == 404 and "accuracy is not known" in reply.json()["detail"]
    assert http.get(f"/api/v1/maps/{record.id}/lines").status_code == 404


def test_pictures_are_png_and_not_drawn_again_for_who_has_them(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    paths = [f"/api/v1/maps/{put_conductance(service.store, run, (0, 0)).id}.png"]
    put_defects(service.store, run, (0, 0))
    for path in [*paths, "/api/v1/dies/W1/0/0/defects.png"]:
        reply = http.get(path)
        assert reply.status_code == 200 and reply.content.startswith(b"\x89PNG")
        assert reply.headers["content-type"] == "image/png"
        assert http.get(path, headers={"If-None-Match": reply.headers["etag"]}).status_code == 304


def test_an_object_comes_back_as_it_was_put(http: httpx.Client) -> None:
    import hashlib

    data = npy_bytes(np.arange(6, dtype=np.float32).reshape(2, 3))
    sha256 = hashlib.sha256(data).hexdigest()
    for _ in range(2):
        reply = http.put(f"/api/v1/objects/{sha256}", content=data)
        assert reply.json() == {"sha256": sha256, "shape": [2, 3], "dtype": "float32"}
    assert http.get(f"/api/v1/objects/{sha256}").content == data
    assert http.get(f"/api/v1/objects/{sha256}", headers={"Accept": JSON}).json()["values"] == [[0, 1, 2], [3, 4, 5]]
