"""Checkpoints, evaluations and reports over HTTP."""

import json
import struct

import httpx
import numpy as np
import pytest
from safetensors.numpy import save

from hil.client import LabClient
from hil.client.errors import NotFound
from hil.model.maps import sha256_hex
from tests.support.service import Service

MAPS = {"0,0": "a" * 64}
CHECKPOINT = save({"w": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"format": "x-1", "maps": json.dumps(MAPS)})
ID = sha256_hex(CHECKPOINT)


def put(http: httpx.Client, data: bytes = CHECKPOINT, at: str | None = None) -> httpx.Response:
    return http.put(f"/api/v1/models/{at or sha256_hex(data)}", content=data, headers={"Content-Type": "application/octet-stream"})


def test_a_checkpoint_is_stored_once_and_says_for_which_maps_it_was_made(http: httpx.Client) -> None:
    told = put(http).json()
    assert told["id"] == ID
    assert told["metadata"] == {"format": "x-1", "maps": MAPS}
    assert told["tensors"] == {"w": {"dtype": "F32", "shape": [2, 3]}}
    assert put(http).json()["at"] == told["at"]
    assert [each["id"] for each in http.get("/api/v1/models").json()["items"]] == [ID]
    back = http.get(f"/api/v1/models/{ID}/checkpoint")
    assert back.content == CHECKPOINT
    assert http.get(f"/api/v1/models/{ID}/checkpoint", headers={"If-None-Match": back.headers["ETag"]}).status_code == 304


def _with_header(header: object, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "shorter than"),
        (struct.pack("<Q", 10**9) + b"{}", "a header of 1000000000 bytes"),
        (_with_header([]), "no object"),
        (_with_header({"__metadata__": {"a": 1}}), "no object of texts"),
        (_with_header({"w": {"dtype": "F32"}}), "tensor w is not described"),
        (_with_header({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, bytes(4)), "is 8 bytes, its place is 4"),
        (_with_header({"w": {"dtype": "U8", "shape": [1], "data_offsets": ["a", "b"]}}, b"x"), "tensor w is not described"),
        (_with_header({"w": {"dtype": "U8", "shape": [1], "data_offsets": [None, 1]}}, b"x"), "tensor w is not described"),
        (_with_header({"w": {"dtype": "U8", "shape": [-1, -1], "data_offsets": [0, 1]}}, b"x"), "tensor w is not described"),
        (_with_header({"w": {"dtype": "U8", "shape": "1", "data_offsets": [0, 1]}}, b"x"), "tensor w is not described"),
        (_with_header({"w": 5}), "tensor w is not described"),
        (_with_header({"w": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]}}, bytes(3)), "gap or overlap"),
        (CHECKPOINT + b"x", "the body holds"),
    ],
)
def test_what_is_no_checkpoint_is_refused_and_says_why(http: httpx.Client, data: bytes, says: str) -> None:
    answer = put(http, data)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


def test_a_checkpoint_under_another_hash_is_refused(http: httpx.Client) -> None:
    answer = put(http, at="0" * 64)
    assert answer.status_code == 422
    assert ID in answer.json()["detail"]


def test_evaluations_are_added_and_never_replaced(http: httpx.Client) -> None:
    put(http)
    for error in (0.03, 0.04):
        assert http.post(f"/api/v1/models/{ID}/evaluations", json={"wafer": "W1", "errors": {"0,0": error}}).status_code == 201
    found = http.get(f"/api/v1/models/{ID}").json()["evaluations"]
    assert [each["body"]["errors"]["0,0"] for each in found] == [0.03, 0.04]
    assert http.post(f"/api/v1/models/{'0' * 64}/evaluations", json={}).status_code == 404


def test_a_report_is_served_as_a_page_that_can_do_nothing(http: httpx.Client) -> None:
    put(http)
    assert http.get(f"/api/v1/models/{ID}/report").status_code == 404
    page = "<!doctype html><title>R</title><p>3.1 %"
    assert http.put(f"/api/v1/models/{ID}/report", content=page.encode(), headers={"Content-Type": "text/html"}).json()["report"] is True
    answer = http.get(f"/api/v1/models/{ID}/report")
    assert (answer.text, answer.headers["Content-Type"]) == (page, "text/html; charset=utf-8")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    empty = http.put(f"/api/v1/models/{ID}/report", content=b" ", headers={"Content-Type": "text/html"})
    assert empty.status_code == 422


def test_only_those_who_may_operate_hand_models_in(service: Service) -> None:
    with service.client("read") as reader:
        assert put(reader).status_code == 403
        assert reader.get("/api/v1/models").status_code == 200


def test_the_client_hands_in_and_gets_back_the_same_bytes(service: Service) -> None:
    with LabClient(service.url, token=service.token()) as lab:
        assert lab.put_model(CHECKPOINT)["id"] == ID
        assert lab.checkpoint(ID) == CHECKPOINT
        lab.add_evaluation(ID, {"mean_error_percent": 3.0})
        with pytest.raises(NotFound, match="has no report"):
            lab.report(ID)
        lab.put_report(ID, "<p>r")
        assert lab.report(ID) == "<p>r"
        (told,) = lab.models()
        assert (told["report"], len(told["evaluations"])) == (True, 1)
        assert lab.model(ID) == told
