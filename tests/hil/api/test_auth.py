"""Who may do what."""

import socket

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from hil.api.app import create_app
from hil.api.auth import OPEN_PATHS, needed_scope
from hil.store.records import Scope
from tests.support.service import Service, lab_config

READING = ("/api/v1/wafers", "/api/v1/runs", "/api/v1/station", "/api/v1/openapi.json")


def test_every_route_states_the_scope_it_needs_or_is_one_of_the_three_open_ones(service: Service) -> None:
    app = create_app(service.store, lab_config())
    seen = {}
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        assert isinstance(route, APIRoute), f"{context.path} is no API route: who may use it?"
        scopes = [scope for part in route.dependant.dependencies if (scope := needed_scope(part.call))]
        seen[context.path] = scopes
        assert scopes or context.path in OPEN_PATHS, f"{context.path} needs no token"
    assert set(seen) >= {*READING, *OPEN_PATHS, "/api/v1/station/estop", "/api/v1/runs/{run_id}/events"}


def test_every_route_that_changes_something_needs_more_than_read_except_the_emergency_stop(service: Service) -> None:
    app = create_app(service.store, lab_config())
    changing = [found for found in iter_route_contexts(app.routes) if (found.methods or set()) - {"GET", "HEAD"}]
    scopes = {
        found.path: [needed_scope(part.call) for part in found.original_route.dependant.dependencies]  # type: ignore[attr-defined]
        for found in changing
    }
    readable = [path for path, needed in scopes.items() if "operate" not in needed and "admin" not in needed]
    assert readable == ["/api/v1/station/estop"]


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer nonsense", "Basic dXNlcjpwYXNz", "bearer hil_00000000_" + "a" * 43, "Bearer " + "x" * 5000],
)
def test_a_missing_malformed_or_unknown_token_gets_one_and_the_same_401(service: Service, header: str | None) -> None:
    reply = httpx.get(f"{service.url}/api/v1/wafers", headers={} if header is None else {"Authorization": header}, trust_env=False)
    reference = httpx.get(f"{service.url}/api/v1/wafers", trust_env=False)
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert reply.content == reference.content


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/runs"), ("PUT", "/api/v1/wafers/W1"), ("PUT", "/api/v1/objects/" + "a" * 64)]
)
@pytest.mark.parametrize("body", [b"{bad", b"[" + b"[]," * 300_000 + b"[]]"], ids=["broken", "costly"])
def test_a_body_is_not_looked_at_before_the_token(service: Service, method: str, path: str, body: bytes) -> None:
    json = {"Content-Type": "application/json"}
    with service.client(None) as stranger, service.client("read") as reader:
        assert stranger.request(method, path, content=body, headers=json).status_code == 401
        assert reader.request(method, path, content=body, headers=json).status_code == 403


def test_a_stranger_is_turned_away_before_the_body_has_come(service: Service) -> None:
    address = (httpx.URL(service.url).host, httpx.URL(service.url).port or 0)
    head = b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000\r\n\r\n{"
    with socket.create_connection(address, timeout=10) as line:
        line.sendall(head)
        assert line.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_revoked_token_is_dead_at_once(service: Service) -> None:
    record, token = service.store.create_token("operate", "gone")
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{service.url}/api/v1/wafers", headers=headers, trust_env=False).status_code == 200
    service.store.revoke_token(record.id)
    assert httpx.get(f"{service.url}/api/v1/wafers", headers=headers, trust_env=False).status_code == 401


@pytest.mark.parametrize(("scope", "status"), [("read", 403), ("operate", 202), ("admin", 202)])
def test_only_operate_and_above_may_start_a_run(service: Service, scope: Scope, status: int) -> None:
    with service.client(scope) as client:
        reply = client.post("/api/v1/runs", json={"kind": "read", "wafer": "W1"})
    assert reply.status_code == status
    if status == 403:
        assert "operate" in reply.json()["detail"] and "read" in reply.json()["detail"]


def test_health_readiness_and_metrics_need_no_token(service: Service) -> None:
    with service.client(None) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").status_code == 503
        assert client.get("/metrics").status_code == 200


def test_any_valid_token_may_stop_the_station(service: Service) -> None:
    with service.client("read") as client:
        service.store.latch_estop("somebody", "first")
        service.store.record_estop_outcome({"smu": "safe", "crossbar": "safe", "prober": "safe"})
        reply = client.post("/api/v1/station/estop")
    assert reply.status_code == 200
    assert reply.json()["safe"] is True
