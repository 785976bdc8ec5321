"""Maps measured elsewhere over REST: what is taken, what is refused, and that nobody can take them for our own."""

import re
from typing import Any

import httpx
import numpy as np
import pytest

from hil.model.layout import to_die
from hil.model.maps import from_npy_bytes, npy_bytes, sha256_hex
from tests.support.service import SHAPE, Service, put_conductance, running_run

IMPORT = "/api/v1/dies/W1/-3/0/import"
NPY = {"Accept": "application/x-npy"}


def put(http: httpx.Client, array: np.ndarray) -> dict[str, str]:
    data = npy_bytes(array)
    assert http.put(f"/api/v1/objects/{sha256_hex(data)}", content=data).status_code == 200
    return {"object": sha256_hex(data)}


def states(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """P and AP of a die with a short, an open and a junction that was not measured."""
    rng = np.random.default_rng(seed)
    p, ap = (mean * (1 + 0.03 * rng.standard_normal(SHAPE)) for mean in (3.3e-4, 1.9e-4))
    p[0, 0, 0], ap[0, 0, 0] = 1e-3, 1e-3
    p[0, 0, 1], ap[0, 0, 1] = 1e-6, -1e-6
    p[0, 0, 2] = np.nan
    return p, ap


def bring(http: httpx.Client, maps: dict[str, np.ndarray], **told: Any) -> httpx.Response:
    return http.post(IMPORT, json={"maps": {state: put(http, array) for state, array in maps.items()}, **told})


def test_both_states_make_two_maps_and_a_defect_map_all_marked_as_imported(http: httpx.Client) -> None:
    p, ap = states()
    reply = bring(http, {"P": p, "AP": ap}, source="bench of the neighbours", read_volts=0.05)
    assert reply.status_code == 201, reply.text
    maps = reply.json()["maps"]
    assert set(maps) == {"P", "AP", "defects"}
    newest = http.get("/api/v1/dies/W1/-3/0/maps/latest?state=P", headers=NPY)
    np.testing.assert_array_equal(from_npy_bytes(newest.content), p.astype(np.float32))
    assert newest.headers["lab-origin"] == "imported"
    codes = http.get("/api/v1/dies/W1/-3/0/defects", headers=NPY)
    assert codes.headers["lab-origin"] == "imported"
    assert from_npy_bytes(codes.content)[0, 0, :4].tolist() == [1, 2, 255, 0]
    meta = http.get(f"/api/v1/maps/{maps['defects']}/meta").json()
    assert meta["inputs"] == {"P": maps["P"], "AP": maps["AP"]} and meta["origin"] == {"imported": True}
    told = http.get(f"/api/v1/maps/{maps['P']}/meta").json()
    assert (told["read_volts"], told["source"], told["imported_by"], told["measured_at_known"]) == (
        0.05, "bench of the neighbours", "operate-token", False,
    )  # fmt: skip


def test_the_import_is_a_run_that_is_finished(http: httpx.Client) -> None:
    reply = bring(http, {"as_found": states()[0]}, note="before annealing")
    run = http.get(reply.headers["location"]).json()
    assert (run["state"], run["plan"]["kind"], run["plan"]["note"], run["progress"]["done"]) == (
        "finished",
        "import",
        "before annealing",
        1,
    )
    assert http.get("/api/v1/runs").json()["items"][0]["id"] == run["id"]


def test_a_die_as_it_lies_and_ohms_come_to_the_same_map(http: httpx.Client) -> None:
    p = states()[0]
    reply = bring(http, {"P": to_die(1 / p)}, units="ohms")
    array = from_npy_bytes(http.get(f"/api/v1/maps/{reply.json()['maps']['P']}", headers=NPY).content)
    np.testing.assert_allclose(array, p.astype(np.float32), rtol=1e-6)
    assert set(reply.json()["maps"]) == {"P"}, "one state is no ground for classes"


def test_the_other_state_may_come_later(http: httpx.Client) -> None:
    p, ap = states()
    first = bring(http, {"P": p}).json()["maps"]
    second = bring(http, {"AP": ap}).json()["maps"]
    assert set(second) == {"AP", "defects"}
    assert http.get(f"/api/v1/maps/{second['defects']}/meta").json()["inputs"] == {"P": first["P"], "AP": second["AP"]}


def test_an_imported_map_is_never_classified_against_one_of_our_own(service: Service, http: httpx.Client) -> None:
    put_conductance(service.store, running_run(service.store), (-3, 0), state="P")
    assert set(bring(http, {"AP": states()[1]}).json()["maps"]) == {"AP"}


@pytest.mark.parametrize(
    ("spoil", "units", "says"),
    [
        (lambda p: p * 1e6, "siemens", r"1000 siemens is .* S, outside -2e-05 to 0\.1 S"),
        (lambda p: p, "ohms", r"ohms is .* S, outside .*are these really ohms\?"),
        (lambda p: np.where(p > 9e-4, -0.001, p), "siemens", r"junction \(0, 0, 0\): -0\.001 siemens is -0\.001 S"),
        (lambda p: np.where(p > 9e-4, np.inf, p), "siemens", r"junction \(0, 0, 0\): inf siemens"),
        (lambda p: p[:31], "siemens", r"shape \(31, 25, 25\); it must be \(32, 25, 25\) .* or \(100, 200\)"),
        (lambda p: np.full(SHAPE, np.nan), "siemens", "no finite value"),
        (lambda p: p > 0, "siemens", "map P is bool"),
    ],
)
def test_what_cannot_be_a_conductance_is_refused_with_value_and_limit(http: httpx.Client, spoil: Any, units: str, says: str) -> None:
    p = states()[0]
    p[0, 0, 1] = 3.3e-4
    reply = bring(http, {"P": spoil(p)}, units=units)
    assert reply.status_code == 422
    assert reply.json()["field"] == "maps.P" and "limit" in reply.json()
    assert re.search(says, reply.json()["detail"]), reply.json()["detail"]
    assert http.get("/api/v1/dies/W1/-3/0/maps").json()["items"] == []


def test_the_same_key_brings_the_maps_once(http: httpx.Client) -> None:
    body = {"maps": {"P": put(http, states()[0])}}
    first, again = (http.post(IMPORT, json=body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == again.json()
    other = http.post(IMPORT, json={**body, "note": "another"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 422 and "used" in other.json()["detail"]


def test_a_die_that_is_not_there_an_array_that_is_not_stored_and_a_reader_are_refused(service: Service, http: httpx.Client) -> None:
    body = {"maps": {"P": {"object": "ab" * 32}}}
    assert http.post("/api/v1/dies/W1/9/9/import", json=body).status_code == 404
    missing = http.post(IMPORT, json=body)
    assert missing.status_code == 422 and "not in the store" in missing.json()["detail"]
    with service.client("read") as reader:
        assert reader.post(IMPORT, json=body).status_code == 403
    assert http.post(IMPORT, json={"maps": {}}).status_code == 422


def test_a_stack_with_an_imported_map_says_so(service: Service, http: httpx.Client) -> None:
    bring(http, {"P": states()[0]})
    assert http.get("/api/v1/wafers/W1/conductance?state=P", headers=NPY).headers["lab-origin"] == "imported"
    put_conductance(service.store, running_run(service.store), (0, 0), state="P", meta={"origin": {"simulated": False}})
    assert http.get("/api/v1/wafers/W1/conductance?state=P", headers=NPY).headers["lab-origin"] == "imported"
    put_conductance(service.store, running_run(service.store), (1, 0), state="P")
    assert http.get("/api/v1/wafers/W1/conductance?state=P", headers=NPY).headers["lab-origin"].startswith("simulated")
