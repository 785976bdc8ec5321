"""What may be uploaded."""

import hashlib
import io

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.api.arrays import Form
from hil.api.npy_checks import PLAIN_DTYPES, check_plain_npy
from hil.model.maps import npy_bytes

FORGED_SHAPE = npy_bytes(np.zeros(4, np.uint8)).replace(b"(4,), }", b"(4294967296, 4294967296), }")


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def zipped() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


def forged(shape: tuple[int, ...], numbers: bytes = b"") -> bytes:
    """An npy array whose header says this shape."""
    header = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + numbers


HOSTILE = {
    "nothing": b"",
    "text": b"hello",
    "an object array": pickled(),
    "a zip of arrays": zipped(),
    "a structured dtype": npy_bytes(np.zeros(2, dtype=[("a", "f4"), ("b", "u1")])),
    "text as an array": npy_bytes(np.array(["abc"])),
    "fewer bytes than promised": npy_bytes(np.zeros(9))[:-1],
    "more bytes than promised": npy_bytes(np.zeros(9)) + b"\0",
    "a forged shape": FORGED_SHAPE,
    "no numbers at all": npy_bytes(np.zeros((2, 0))),
    "a length beyond every machine": forged((0, 10**21)),
    "more than eight dimensions": forged((1,) * 100, bytes(8)),
    "complex numbers": npy_bytes(np.zeros(2, "<c8")),
    "long doubles": npy_bytes(np.zeros(2, np.longdouble)),
    "big-endian numbers": npy_bytes(np.zeros(2, ">f4")),
    "a header that is code": npy_bytes(np.zeros(1)).replace(b"'shape': (1,)", b"'shape': abc "),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_no_plain_array_is_refused(http: httpx.Client, what: str) -> None:
    data = HOSTILE[what]
    reply = http.put(f"/api/v1/objects/{hashlib.sha256(data).hexdigest()}", content=data)
    assert reply.status_code == 422
    assert "npy" in reply.json()["detail"]


def test_bytes_that_do_not_match_the_address_are_refused_and_both_hashes_named(http: httpx.Client) -> None:
    data = npy_bytes(np.zeros(3))
    reply = http.put("/api/v1/objects/" + "0" * 64, content=data)
    assert reply.status_code == 422
    assert hashlib.sha256(data).hexdigest() in reply.json()["detail"] and "0" * 64 in reply.json()["detail"]


@settings(max_examples=30, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    dtype=st.sampled_from(["<f4", "<f8", "|u1", "<i8", "|b1", "<f2"]),
)
def test_every_plain_array_passes_with_its_shape_and_dtype(shape: tuple[int, ...], dtype: str) -> None:
    assert check_plain_npy(npy_bytes(np.zeros(shape, dtype))) == (shape, np.dtype(dtype))


@settings(max_examples=100, deadline=None)
@given(damage=st.binary(max_size=40), at=st.integers(0, 140))
def test_damage_gives_a_value_error_or_a_sound_array_never_anything_else(damage: bytes, at: int) -> None:
    whole = npy_bytes(np.arange(3, dtype=np.float32))
    damaged = whole[:at] + damage + whole[at + len(damage) :]
    try:
        shape, dtype = check_plain_npy(damaged)
    except ValueError as error:
        assert str(error)
        return
    loaded = np.load(io.BytesIO(damaged), allow_pickle=False)
    assert (loaded.shape, loaded.dtype) == (shape, dtype)


@pytest.mark.parametrize("dtype", sorted(PLAIN_DTYPES))
@pytest.mark.parametrize("shape", [(), (3,), (2,) * 8])
def test_what_was_accepted_is_given_in_every_form(http: httpx.Client, dtype: str, shape: tuple[int, ...]) -> None:
    data = npy_bytes(np.ones(shape, dtype))
    path = f"/api/v1/objects/{hashlib.sha256(data).hexdigest()}"
    assert http.put(path, content=data).status_code == 200
    for form in Form:
        assert http.get(path, headers={"Accept": form.value}).status_code == 200, form
