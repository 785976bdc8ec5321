"""The OpenAPI document: complete, the same on every machine, and committed."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from hil.api.openapi import COMMITTED, write

METHODS = ("get", "put", "post", "delete", "patch")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return json.loads(COMMITTED.read_text(encoding="utf-8"))


def test_the_committed_copy_is_the_apps_document(tmp_path: Path) -> None:
    made = tmp_path / "openapi.json"
    write(made)
    assert made.read_text(encoding="utf-8") == COMMITTED.read_text(encoding="utf-8"), "run `python -m hil.api.openapi` and commit"


def test_the_service_serves_it(http: httpx.Client, document: dict[str, Any]) -> None:
    assert http.get("/api/v1/openapi.json").json() == document


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item]


def test_every_operation_documents_its_errors_as_problems(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        errors = {status: reply for status, reply in operation["responses"].items() if status.startswith(("4", "5"))}
        if path.startswith("/api/v1"):
            assert {"401", "403"} <= set(errors), f"{method} {path}"
        for status, reply in errors.items():
            problem = reply["content"]["application/problem+json"]
            assert problem["schema"]["$ref"].endswith("ProblemDocument"), f"{method} {path} {status}"
            assert problem["example"]["status"] == int(status)


def test_every_operation_with_parameters_says_what_a_wrong_one_gets(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if operation.get("parameters"):
            assert "422" in operation["responses"], f"{method} {path}"


def test_every_operation_says_what_it_gives_and_is_described(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        good = [reply for status, reply in operation["responses"].items() if status.startswith("2")]
        assert good, f"{method} {path}"
        assert operation.get("description"), f"{method} {path}"


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for each in value.values() for found in references(each)]
        return [found for each in value for found in references(each)] if isinstance(value, list) else []

    found = {reference.removeprefix("#/components/schemas/") for reference in references(document)}
    assert found and found <= set(schemas)


@pytest.mark.parametrize(
    "kind",
    [
        "ContactCheckPlan",
        "RehearsePlan",
        "ReadPlan",
        "CharacterisePlan",
        "ProgramPlan",
        "IvSweepPlan",
        "SwitchingPlan",
        "RetentionPlan",
        "CalibratePlan",
        "VmmPlan",
    ],
)
def test_every_kind_of_plan_is_documented(document: dict[str, Any], kind: str) -> None:
    assert kind in document["components"]["schemas"]


def test_the_contracts_paths_are_there(document: dict[str, Any]) -> None:
    die = "/api/v1/dies/{wafer}/{x}/{y}"
    named = {
        "/healthz", "/readyz", "/metrics", "/api/v1/station", "/api/v1/station/estop", "/api/v1/station/reset",
        "/api/v1/station/release", "/api/v1/wafers", "/api/v1/wafers/{wafer}", "/api/v1/wafers/{wafer}/conductance",
        "/api/v1/wafers/{wafer}/defects", f"{die}/maps", f"{die}/maps/latest", f"{die}/defects", f"{die}/defects.png", f"{die}/import",
        "/api/v1/maps/{map_id}", "/api/v1/maps/{map_id}/meta", "/api/v1/maps/{map_id}/uncertainty", "/api/v1/maps/{map_id}/lines",
        "/api/v1/maps/{map_id}/uncorrected", "/api/v1/wafers/{wafer}/uncertainty",
        "/api/v1/calibrations", "/api/v1/calibrations/{calibration_id}",
        "/api/v1/maps/{map_id}.png", "/api/v1/objects/{sha256}", "/api/v1/runs", "/api/v1/runs/{run_id}",
        "/api/v1/runs/{run_id}/objects", "/api/v1/runs/{run_id}/analysis", "/api/v1/runs/{run_id}/objects/{x}/{y}/{name}",
        "/api/v1/runs/{run_id}/pause", "/api/v1/runs/{run_id}/resume", "/api/v1/runs/{run_id}/abort",
        "/api/v1/runs/{run_id}/events", "/api/v1/events",
    }  # fmt: skip
    assert named <= set(document["paths"])
