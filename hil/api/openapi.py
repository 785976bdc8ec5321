"""The OpenAPI document, the same bytes on every machine. `python -m hil.api.openapi` writes the committed copy."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hil.api.models import EventBody
from hil.api.problems import ProblemDocument
from hil.model.lab import LabConfig

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
DESCRIPTION = (
    "Conductance and defect maps of magnetic-tunnel-junction dies, and the station that measures them. SI units; index order "
    "kernel, row, column; die coordinates are integers in the wafer frame (notch down, x right, y up, home die 0, 0). Errors are "
    "RFC 9457 problem documents. Arrays are negotiated by Accept: npy unless asked otherwise. While an output may still be on, every "
    "answer carries the header Lab-Warning with the reason."
)


def describe(app: FastAPI) -> None:
    """Gives the app its document, made once, on first request."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes)
    schemas: dict[str, Any] = made["components"]["schemas"]
    for model in (ProblemDocument, EventBody):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for framework_schema in ("HTTPValidationError", "ValidationError"):
        schemas.pop(framework_schema, None)
    return made


def text_of(app: FastAPI) -> str:
    """Sorted, so that a change shows as the lines that changed."""
    return json.dumps(app.openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write(path: Path) -> None:
    """Writes the document. The app wants a station to serve, so it gets an empty store and a lab that nobody opens."""
    from hil.api.app import create_app
    from hil.store import open_store

    nowhere = {"driver": "none", "address": "none"}
    lab = LabConfig.model_validate({"prober": nowhere, "smu": nowhere, "crossbar": nowhere, "wafer": {"dies": [(0, 0)]}})
    with TemporaryDirectory() as folder:
        store = open_store(Path(folder))
        try:
            path.write_text(text_of(create_app(store, lab)), encoding="utf-8")
        finally:
            store.close()


def main() -> None:
    write(COMMITTED)


if __name__ == "__main__":
    main()
