"""Fault 20: clients that close in the middle or read nothing cost the writer, the link and everybody else nothing."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from hil.model.runs import Step, StepMeasured
from tests.support.device_end import ENDS
from tests.support.served_end import opened, served_end
from tests.support.service import Service, running_run

ONE = np.zeros((4, 5), np.bool_)
ONE[1, 2] = True
READERS, EVENTS = 8, 128
NOTE = {"note": "x" * 20_000}


@contextmanager
def deaf(service: Service, path: str, header: str = "") -> Iterator[socket.socket]:
    """A client that asks and never reads, with a receive buffer as small as the system allows."""
    parts = urlsplit(service.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        client.connect((parts.hostname, parts.port))
        token = service.token()
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\n{header}\r\n".encode())
        yield client


@pytest.mark.parametrize("name", ENDS)
def test_f20_readers_that_do_not_read_hold_up_neither_the_writer_nor_the_link_nor_other_clients(
    service: Service, http: httpx.Client, name: str
) -> None:
    run = running_run(service.store)
    with ExitStack() as stack:
        crossbar = stack.enter_context(opened(stack.enter_context(served_end(name)).address))
        for n in range(READERS):
            path = "/api/v1/events" if n % 2 else "/api/v1/wafers/W1/siemens?wait=50"
            stack.enter_context(deaf(service, path, "" if n % 2 else 'If-None-Match: "x"\r\n'))
        slowest_s = 0.0
        for index in range(EVENTS):
            begun_s = time.monotonic()
            service.store.append(run, StepMeasured(Step(index, (0, -1), index % 32), NOTE))
            if index % 10 == 0:
                assert crossbar.pulse(0, ONE, 0.1, 1e-7).sum() == 1
                assert http.get("/api/v1/station").status_code == 200
            slowest_s = max(slowest_s, time.monotonic() - begun_s)
        assert slowest_s < 1.0
        assert crossbar.counts().timeouts == 0


def test_f20_a_client_that_hangs_up_in_the_middle_leaves_the_stream_of_others_whole(service: Service, http: httpx.Client) -> None:
    run = running_run(service.store)
    with http.stream("GET", "/api/v1/events", headers={"Last-Event-ID": str(service.store.last_event())}) as kept:
        for _ in range(5):
            with deaf(service, "/api/v1/events"):
                pass
        for index in range(20):
            service.store.append(run, StepMeasured(Step(index, (0, -1), index), {}))
        numbers = []
        for text in kept.iter_lines():
            if text.startswith("id:"):
                numbers.append(int(text[3:]))
            if len(numbers) == 20:
                break
    assert numbers == sorted(set(numbers)), "no gap, none twice"
    assert numbers[-1] - numbers[0] == 19
