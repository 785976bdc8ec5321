"""Each mistake gets an answer that names the thing, the value, the limit and what to do; never a traceback."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.processes import Service, SimulatedLab, free_port, hil


@pytest.fixture(scope="module")
def environment(service: Service) -> dict[str, str]:
    return {"HIL_URL": service.url, "HIL_TOKEN": service.token}


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {service.token}"}) as client:
        yield client


def problem(response: httpx.Response) -> str:
    assert response.headers["content-type"].startswith("application/problem+json")
    body = response.json()
    assert body["status"] == response.status_code
    assert body["title"]
    return str(body["detail"])


def expect_says(done: object, *words: str) -> None:
    """One readable line on stderr with the words in it, exit code 1 or 2, no traceback."""
    assert done.returncode in (1, 2), done  # type: ignore[attr-defined]
    text = done.stderr  # type: ignore[attr-defined]
    assert "Traceback" not in text
    for word in words:
        assert word in text, text


def test_an_unknown_die(http: httpx.Client, environment: dict[str, str]) -> None:
    assert http.put("/api/v1/wafers/W1", json={}).status_code in (200, 201)
    answer = http.get("/api/v1/dies/W1/-99/99/defects")
    assert answer.status_code == 404
    assert "-99" in problem(answer)
    refused = http.post("/api/v1/runs", json={"kind": "read", "wafer": "W1", "dies": [[-99, 99]]})
    assert refused.status_code == 422
    assert "(-99, 99)" in problem(refused)
    expect_says(hil("measure", "W1", "--dies", "-99,99", environment=environment), "(-99, 99)")
    expect_says(hil("map", "W1", "-99", "99", environment=environment), "-99")


def test_an_over_limit_voltage(http: httpx.Client) -> None:
    refused = http.post("/api/v1/runs", json={"kind": "characterise", "wafer": "W1", "pulse_volts": 3.5})
    assert refused.status_code == 422
    detail = problem(refused)
    assert "pulse_volts" in detail
    assert "3.5" in detail
    assert "limit of 1 V" in detail


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"kind": "read", "wafer": "W1", "colour": 1}', "colour"),
        (b'{"kind": "dance", "wafer": "W1"}', "dance"),
        (b'{"kind": "read", "wafer": "W1", "read_volts": NaN}', "NaN"),
        (b'{"kind": "read", "wafer": "../etc", "read_volts": 0.1}', "wafer"),
        (b'{"kind": "read"', "JSON"),
        (b"[]", "dictionary"),
    ],
)
def test_a_malformed_plan(http: httpx.Client, body: bytes, word: str) -> None:
    refused = http.post("/api/v1/runs", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= refused.status_code < 500
    problem(refused)
    assert word in refused.text


def test_a_wrong_token(service: Service) -> None:
    answer = httpx.get(f"{service.url}/api/v1/runs", headers={"Authorization": "Bearer hil_00000000_wrong"})
    assert answer.status_code == 401
    problem(answer)
    expect_says(hil("runs", environment={"HIL_URL": service.url, "HIL_TOKEN": "hil_00000000_wrong"}), "token")


def test_a_read_token_may_not_start_a_run(service: Service, folder: Path) -> None:
    made = hil("token", "create", "--scope", "read", "--json", "--data", str(folder / "data"))
    token = json.loads(made.stdout)["token"]
    answer = httpx.post(f"{service.url}/api/v1/runs", json={"kind": "read", "wafer": "W1"}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert "operate" in problem(answer)


def test_a_service_that_is_not_there() -> None:
    port = free_port()
    expect_says(hil("runs", "--url", f"http://127.0.0.1:{port}", "--token", "x"), str(port))


def with_address(sim: SimulatedLab, folder: Path, old: str, new: str) -> Path:
    text = sim.toml.read_text()
    assert old in text
    changed = folder / "changed.toml"
    changed.write_text(text.replace(old, new))
    return changed


def test_an_address_where_nothing_listens(sim: SimulatedLab, tmp_path: Path) -> None:
    port = free_port()
    smu = str(sim.config()["smu"]["address"])
    lab = with_address(sim, tmp_path, smu, f"TCPIP0::127.0.0.1::{port}::SOCKET")
    done = hil("check", "--lab", str(lab))
    assert done.returncode == 1
    assert str(port) in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture
def babbler() -> Iterator[int]:
    """A server that answers everything with the same nonsense."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                with peer:
                    peer.settimeout(0.5)
                    try:
                        while peer.recv(4096):
                            peer.sendall(b"\x07nonsense\xff\n")
                    except OSError:
                        continue

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


@pytest.mark.parametrize("section", ["prober", "smu", "crossbar"])
def test_an_instrument_that_answers_nonsense(sim: SimulatedLab, tmp_path: Path, babbler: int, section: str) -> None:
    address = str(sim.config()[section]["address"])
    new = f"socket://127.0.0.1:{babbler}" if section == "crossbar" else f"TCPIP0::127.0.0.1::{babbler}::SOCKET"
    done = hil("check", "--lab", str(with_address(sim, tmp_path, address, new)))
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert str(babbler) in said
    assert "Traceback" not in said


def test_a_missing_or_wrong_lab_file(tmp_path: Path) -> None:
    expect_says(hil("serve", "--lab", str(tmp_path / "none.toml"), "--data", str(tmp_path)), "none.toml", "hil sim --write-lab")
    broken = tmp_path / "broken.toml"
    broken.write_text("[smu]\ndriver = 3\n")
    expect_says(hil("check", "--lab", str(broken)), "broken.toml")
