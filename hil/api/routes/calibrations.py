"""Calibrations of boards. Rule: they are made by runs of kind `calibrate`, never changed and never taken away."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from starlette.concurrency import run_in_threadpool

from hil.api.auth import Reader
from hil.api.calibration_views import CalibrationDetail, CalibrationPage, calibration_detail, calibration_view
from hil.api.context import Context
from hil.api.models import EXAMPLE_SHA256, SHA256_PATTERN
from hil.api.pages import Limit, page_newest_first
from hil.api.problems import documented

CalibrationId = Annotated[str, Path(pattern=SHA256_PATTERN, examples=[EXAMPLE_SHA256])]
router = APIRouter(prefix="/calibrations", tags=["calibrations"])


@router.get("", responses=documented(404, 422))
async def list_calibrations(context: Context, _: Reader, limit: Limit = 100, cursor: str | None = None) -> CalibrationPage:
    """Calibrations of every board, newest first."""
    fetched = await run_in_threadpool(context.store.calibrations, limit=limit + 1, before=cursor)
    items, next_cursor = page_newest_first(fetched, lambda record: record.id, limit)
    now = context.now()
    return CalibrationPage(items=[calibration_view(record, now) for record in items], next_cursor=next_cursor)


@router.get("/{calibration_id}", responses=documented(404, 422))
async def get_calibration(context: Context, _: Reader, response: Response, calibration_id: CalibrationId) -> CalibrationDetail:
    """One calibration with every line of the board."""
    response.headers["Cache-Control"] = "no-cache"  # `valid` changes with time
    return await run_in_threadpool(calibration_detail, context.store, calibration_id, context.now())
