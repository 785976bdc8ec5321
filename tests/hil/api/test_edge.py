"""What is turned away at the door, and what never is."""

import asyncio
import json
import socket
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

import hil.cli.server as cli_server
from hil.api.app import NEVER_BUSY
from hil.api.edge import InFlightLimit


def asked(method: str, path: str) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", "server": ("localhost", 1)}


class House:
    """An app that answers when told to, behind a limit of two requests."""

    def __init__(self) -> None:
        self.answer, self.inside = asyncio.Event(), 0
        self.limit = InFlightLimit(self._serve, most=2, exempt=NEVER_BUSY)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        await self.answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, method: str, path: str) -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request"}

        await self.limit(asked(method, path), receive, send)
        return sent


async def full_house() -> tuple[House, list[asyncio.Task[list[Message]]]]:
    house = House()
    tasks = [asyncio.create_task(house.ask("GET", "/api/v1/events")) for _ in range(2)]
    while house.inside < 2:
        await asyncio.sleep(0)
    return house, tasks


def test_one_request_too_many_gets_a_problem_document() -> None:
    async def main() -> list[Message]:
        house, _ = await full_house()
        return await house.ask("POST", "/api/v1/station/reset")

    start, body = asyncio.run(main())
    assert start["status"] == 503
    assert dict(start["headers"])[b"content-type"] == b"application/problem+json"
    assert "2 requests" in json.loads(body["body"])["detail"]


def test_the_emergency_stop_and_health_are_answered_in_a_full_house() -> None:
    async def main() -> set[int]:
        house, _ = await full_house()
        urgent = [asyncio.create_task(house.ask(method, path)) for method, path in sorted(NEVER_BUSY)]
        while house.inside < 4:
            await asyncio.sleep(0)
        house.answer.set()
        return {messages[0]["status"] for messages in await asyncio.gather(*urgent)}

    assert asyncio.run(main()) == {200}
    assert {("POST", "/api/v1/station/estop"), ("GET", "/healthz")} == NEVER_BUSY


def test_a_place_is_free_again_after_an_answer_and_after_a_failure() -> None:
    async def main() -> int:
        house, tasks = await full_house()
        tasks[0].cancel()
        house.answer.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        return (await house.ask("GET", "/api/v1/wafers"))[0]["status"]

    assert asyncio.run(main()) == 200


class NoWorker:
    def stop(self, timeout_s: float = 0) -> None:
        """There is none."""


def test_the_server_counts_requests_and_not_connections_that_ask_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[cli_server.Server] = []

    def run(server: cli_server.Server, sockets: list[socket.socket]) -> None:
        served.append(server)

    monkeypatch.setattr(cli_server.Server, "run", run)
    with socket.socket() as listener:
        cli_server.run_service(FastAPI(), NoWorker(), listener, lambda: None)
    assert served[0].config.limit_concurrency is None
