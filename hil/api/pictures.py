"""Maps as pictures, drawn on request. Rule: at most two at once, each in a thread, and never for a client that has it."""

from typing import Any

from anyio import to_thread
from fastapi import Request, Response

from hil.api.context import Services
from hil.api.etags import none_match, strong
from hil.api.resources import map_headers
from hil.api.views import origin_header
from hil.model.maps import from_npy_bytes
from hil.store.protocol import Store
from hil.store.records import MapRecord

PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "a picture of the die", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "the client has this already"},
}


async def answer_picture(request: Request, services: Services, record: MapRecord, cache: str) -> Response:
    tag = strong(record.id, "png")
    headers = {"ETag": tag, "Cache-Control": cache, **map_headers([record])}
    if not none_match(request.headers.get("if-none-match"), tag):
        return Response(status_code=304, headers=headers)
    png = await to_thread.run_sync(draw, services.store, record, limiter=services.drawing)
    return Response(png, media_type="image/png", headers=headers)


def draw(store: Store, record: MapRecord) -> bytes:
    """The title says whether the map was measured or simulated: a picture travels without its headers."""
    # Only here: the plotting library takes as long to import as all the rest of the service.
    from hil.report.maps import conductance_png, defects_png

    array = from_npy_bytes(store.get_object(record.object))
    x, y = record.die
    what = "defects" if record.kind == "defects" else f"conductance {record.state}"
    title = f"{record.wafer} ({x}, {y}) {what}, {record.measured_at}, {origin_header([record.meta])}"
    return defects_png(array, title) if record.kind == "defects" else conductance_png(array, title)
